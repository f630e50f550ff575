"""A view as a URL's query, and back."""

from dataclasses import dataclass
from typing import Literal

import pytest

from core.dashboard.view import View, from_query, to_query


@dataclass(frozen=True)
class Shown(View):
    text: str = ""
    names: tuple[str, ...] = ()
    shown: tuple[str, ...] = ("mean",)
    count: int = 3
    level: float | None = None
    log: bool = False
    axis: Literal["steps", "seconds"] = "steps"


def test_what_is_default_is_left_out() -> None:
    assert to_query(Shown()) == ""
    assert to_query(Shown(count=4, log=True, axis="seconds")) == "?count=4&log=true&axis=seconds"


@pytest.mark.parametrize(
    "view",
    [
        Shown(text="a&b=c ?#%+ü\n\"'<script>/../", names=("x, y", "[z]", "none")),
        Shown(names=("a", "b", "a"), shown=()),
        Shown(level=-0.125, count=0),
        Shown(text="none", shown=("mean", "iqm")),
    ],
)
def test_a_view_comes_back_from_its_query(view: Shown) -> None:
    assert from_query(Shown, to_query(view)) == view


def test_wrong_and_unknown_values_fall_back_and_are_named() -> None:
    found = from_query(Shown, "?count=many&axis=miles&log=perhaps&wrong=1&ignored=x&text=kept")
    assert found == Shown(text="kept", ignored=("wrong", "ignored", "count", "axis", "log"))


def test_nothing_is_the_default_view() -> None:
    assert from_query(Shown, None) == from_query(Shown, "?") == from_query(Shown, "") == Shown()
