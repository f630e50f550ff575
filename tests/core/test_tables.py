"""Numbers and columns as a person reads them."""

import math

import pytest

from core.tables import age, markdown, number, span, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (475.0, "475"),
        (0.74021, "0.7402"),
        (-110.04, "−110"),
        (21504.0, "21,504"),
        (99.996, "100"),
        (1234567.8, "1,234,568"),
        (3e-6, "3e-06"),
        (-2e9, "−2e+09"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_lengths_of_time() -> None:
    shown = [span(seconds) for seconds in (8.24, 59.96, 245, 12_000, None, math.nan)]
    assert shown == ["8.2 s", "1 min 00 s", "4 min 05 s", "3 h 20 min", "–", "–"]
    assert [age(seconds) for seconds in (-5, 12, 240, 7200, 900_000)] == [
        "0 s",
        "12 s",
        "4 min",
        "2 h",
        "10 d",
    ]


def test_columns_line_up() -> None:
    assert (
        text(("name", "n"), [("a", "10"), ("long name", "5")], right=(1,))
        == "name        n\na          10\nlong name   5"
    )
    assert markdown(("a", "b"), [("x|y", "1")], right=(1,)) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |"
