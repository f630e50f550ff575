"""core/series.py: a person's numbers, and what is said where they are none."""

from pathlib import Path

import numpy as np
import pytest

from core import series
from core.errors import UserError


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    return str(tmp_path / "a.csv")


def test_a_file_with_names_and_dates(tmp_path: Path) -> None:
    file = written(tmp_path, "\ufeffday, t ,wind\n2020-01-01,1.5,3\n\n2020-01-02,-2e3,4\r\n")
    found = series.load(file)
    assert (found.name, found.columns) == ("a", ("t", "wind"))
    assert found.notes == ("left out, for line 2 has no number there: day",)
    np.testing.assert_array_equal(found.values, [[1.5, 3], [-2000, 4]])
    np.testing.assert_array_equal(series.load(file, ("wind",)).values, [[3], [4]])
    np.testing.assert_array_equal(series.load(file, ("wind", "t")).values[0], [3, 1.5])


def test_numbers_at_once_and_other_separators(tmp_path: Path) -> None:
    found = series.load(written(tmp_path, "1;2\n3;4\n"))
    assert found.columns == ("1", "2")
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 4]])


def test_the_waves_are_the_formula_and_noise() -> None:
    found = series.load("waves").values[:, 0]
    t = np.arange(2000)
    noise = found - np.sin(2 * np.pi * t / 25) - np.sin(2 * np.pi * t / 60 + 1) / 2
    assert (abs(noise.mean()), noise.std()) == (pytest.approx(0, abs=0.01), pytest.approx(0.1, rel=0.05))
    np.testing.assert_array_equal(found, series.waves().values[:, 0])


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("t,u\n1,2\n3,x\n", (), "line 3, column u: 'x' is no finite number"),
        ("t,u\n1,2\n\n3,\n", (), "line 4, column u: '' is no finite number"),
        ("t,u\n1,2\n3,nan\n", (), "line 3, column u: 'nan' is no finite number"),
        ("t,u\n1,2\n3\n", (), "line 3 has 1 fields, and there are 2 columns"),
        ("temp,u\n1,2\n", ("tempp",), "line 1 has no column 'tempp'; did you mean 'temp'"),
        ("t,u\na,2\n", ("t",), "line 2, column t: 'a' is no finite number"),
        ("t,u\na,b\n", (), "line 2 has no number"),
        ("t,t\n1,2\n", (), "no name come twice"),
        ("t,u\n", (), "a row must follow"),
        ("", (), "is empty"),
    ],
)
def test_mistakes_name_line_and_column(
    text: str, columns: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told.replace("'", ".")):
        series.load(written(tmp_path, text), columns)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: nothing.csv; give a .csv file, or waves"):
        series.load("nothing.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(UserError, match="no text in UTF-8"):
        series.load(str(tmp_path / "b.csv"))
