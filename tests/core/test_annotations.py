"""Tags and notes beside a run."""

import json
from pathlib import Path

import pytest

from core import annotations
from core.annotations import LONGEST_NOTES, Annotations
from core.errors import UserError


def test_what_run_json_says_stands_until_someone_annotates(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"tags": ["first", 3, ""], "notes": "from the start"}')
    assert annotations.read(tmp_path) == Annotations(("first",), "from the start")
    annotations.write(tmp_path, Annotations((), "later"))
    assert annotations.read(tmp_path) == Annotations((), "later")
    assert json.loads((tmp_path / "run.json").read_text())["notes"] == "from the start"


def test_tags_are_trimmed_and_told_once(tmp_path: Path) -> None:
    annotations.write(tmp_path, Annotations((" a  b ", "", "a b", "<script>"), 'ü "x"\nline'))
    assert json.loads((tmp_path / "annotations.json").read_text()) == {
        "tags": ["a b", "<script>"],
        "notes": 'ü "x"\nline',
    }
    assert [path.name for path in tmp_path.iterdir()] == ["annotations.json"]


@pytest.mark.parametrize("broken", ["", "{", "[]", '"x"', '{"tags": 3, "notes": []}', '{"tags": {"a": 1}}'])
def test_what_is_broken_says_nothing(tmp_path: Path, broken: str) -> None:
    (tmp_path / "annotations.json").write_text(broken)
    assert annotations.read(tmp_path) == Annotations()


def test_half_is_never_written(tmp_path: Path) -> None:
    annotations.write(tmp_path, Annotations(("kept",), ""))
    with pytest.raises(UserError, match="at most 20,000"):
        annotations.write(tmp_path, Annotations((), "x" * (LONGEST_NOTES + 1)))
    with pytest.raises(UserError, match="at most 32 of 80"):
        annotations.write(tmp_path, Annotations(("x" * 81,), ""))
    with pytest.raises(UserError, match="cannot write"):
        annotations.write(tmp_path / "nowhere", Annotations())
    (tmp_path / "other" / "annotations.json").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write"):
        annotations.write(tmp_path / "other", Annotations())
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["annotations.json"]
    assert annotations.read(tmp_path) == Annotations(("kept",), "")
