"""A slider over steps that grow while a run trains: at the newest it follows, moved away it stays. All pure."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from core.dashboard.lines import AXES

NEWEST = -1  # a view's step that always means the newest


def place(steps: Sequence[int], at: int) -> int:
    """The index of the newest step that is not behind `at`; of the last for NEWEST, of the first at least."""
    if at == NEWEST:
        return max(len(steps) - 1, 0)
    return max(sum(step <= at for step in steps) - 1, 0)


def step_of(steps: Sequence[int], value: Any) -> int:
    """What a slider at `value` means: NEWEST at its right end, and where there is nothing."""
    try:
        index = int(float(value))
    except (TypeError, ValueError):
        return NEWEST
    return steps[index] if 0 <= index < len(steps) - 1 else NEWEST


def told(steps: Sequence[int], at: int, axis: str) -> str:
    """In words where the slider is."""
    if not steps:
        return "nothing recorded yet"
    index = place(steps, at)
    follows = " · newest" if index == len(steps) - 1 else ""
    return f"{steps[index]:,} {unit(axis)} ({index + 1} of {len(steps)}){follows}"


def unit(axis: str) -> str:
    """What is counted, as people say it: steps, examples."""
    return AXES.get(axis, axis.replace("_", " "))


def slider(id: str, steps: Sequence[int], at: int, axis: str, label: str) -> Component:
    """The control: `id` is the slider's, `id`-told what it says, `id`-steps the steps it stands for."""
    return html.Div(
        [
            html.Label(label, htmlFor=id),
            dcc.Input(
                id=id, type="range", min=0, max=max(len(steps) - 1, 0), step=1, value=place(steps, at),
                debounce=False, className="steps",
            ),
            html.Output(told(steps, at, axis), id=f"{id}-told", htmlFor=id),
            dcc.Store(id=f"{id}-steps", data=list(steps)),
        ],
        className="control slide",
    )  # fmt: skip


def moved(steps: Sequence[int], before: Sequence[int] | None, at: int) -> tuple[int, int] | None:
    """The slider's new (greatest value, value) when its steps have changed; None to leave it to its user."""
    if before is not None and list(before) == list(steps):
        return None
    return max(len(steps) - 1, 0), place(steps, at)
