"""Flags that do nothing beside the others are told; what nobody typed is not."""

import dataclasses
from pathlib import Path

from core.config import parse
from core.idle import Idle, idle


@dataclasses.dataclass(frozen=True)
class Method:
    alpha: float = 0.6  # exponent
    lr_end: float = 0.01  # at the end
    prioritised: bool = False  # draw by error
    schedule: str = "linear"  # of the rate
    net: str = "auto"  # network
    clip: float | None = None  # norm


TABLE: Idle = {
    "alpha": [{"prioritised": [False]}],
    "lr_end": [{"schedule": ["constant"]}],
    "clip": [{"net": ["mlp"]}, {"net": ["auto"], "the data are": ["points"], "dueling": [None, False]}],
}


def told(*argv: str, facts: dict[str, str] | None = None, **preset: object) -> list[str]:
    return idle(parse([Method], argv, preset=preset, preset_name="zoo"), TABLE, facts)


def test_a_flag_that_does_nothing_is_told_with_what_makes_it_so() -> None:
    assert told("--alpha", "0.6") == [
        "--alpha has no effect while --prioritised is false"
    ]  # the default, typed
    assert told("--lr-end=1", "--schedule", "constant", "--alpha=1") == [
        "--alpha has no effect while --prioritised is false",
        "--lr-end has no effect while --schedule is constant",
    ]


def test_a_flag_that_does_something_is_not_told() -> None:
    assert told("--alpha", "1", "--prioritised") == []
    assert told("--lr-end", "1", "--net", "mlp") == []


def test_what_a_preset_or_a_file_says_is_not_told_but_may_be_the_reason(tmp_path: Path) -> None:
    assert told(alpha=1.0) == told() == []
    file = tmp_path / "f.yaml"
    file.write_text("alpha: 0.7\nschedule: constant\n")
    assert told("--config", str(file)) == []
    assert told("--config", str(file), "--lr-end", "1") == [
        "--lr-end has no effect while --schedule is constant"
    ]
    assert told("--lr-end", "1", schedule="constant") == [
        "--lr-end has no effect while --schedule is constant"
    ]


def test_a_case_holds_where_all_of_it_does_and_facts_count() -> None:
    assert told("--clip", "1") == []
    assert told("--clip", "1", facts={"the data are": "images"}) == []
    assert told("--clip", "1", facts={"the data are": "points"}) == [
        "--clip has no effect while --net is auto and the data are points"
    ]
    assert told("--clip", "1", "--net", "mlp", facts={"the data are": "points"}) == [
        "--clip has no effect while --net is mlp"
    ]
