"""Flags of agents that do nothing: told by the door, and truly without effect."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from gymnasium.spaces import Box, Discrete

from core.catalogue import algorithms
from core.cli import main
from core.errors import UserError
from rl import train
from rl.build import module_of
from rl.limits import IDLE, unused
from tests.rl.test_every_agent import Life

OWN = [name for name, found in algorithms().items() if found.suite == "rl" and not name.startswith("sb3-")]
FEW = Discrete(4)
VECTOR, PICTURE, TWO = Box(-1, 1, (3,)), Box(0, 255, (84, 84, 3), "uint8"), Discrete(2)


def told(name: str, *flags: str, seen: Any = VECTOR, does: Any = TWO) -> list[str]:
    return unused(train.read(name, module_of(name), list(flags)), seen, does)


def test_every_row_names_options_that_there_are() -> None:
    known = {f.name for name in OWN for f in dataclasses.fields(module_of(name).Config)}
    known |= {f.name for section in train.SECTIONS for f in dataclasses.fields(section)}
    facts = {"the observations are", "the actions are"}
    assert set(IDLE) <= known
    assert {other for cases in IDLE.values() for case in cases for other in case} <= known | facts


@pytest.mark.parametrize(
    ("name", "flags", "spaces", "line"),
    [
        ("dqn", "--alpha 0.7", {}, "--alpha has no effect while --prioritised is false"),
        ("dqn", "--prioritised --beta 1", {}, ""),
        ("dqn", "--hidden 8", {"seen": PICTURE},
         "--hidden has no effect while the observations are pixels and --dueling is false"),
        ("dqn", "--hidden 8 --dueling", {"seen": PICTURE}, ""),
        ("ppo", "--hidden 8", {"seen": PICTURE}, "--hidden has no effect while the observations are pixels"),
        ("ppo", "--hidden 8", {}, ""),
        ("ppo", "--initial-log-std 1", {}, "--initial-log-std has no effect while the actions are Discrete"),
        ("a2c", "--initial-log-std 1", {"does": VECTOR}, ""),
        ("reinforce", "--no-baseline --value-weight 1", {}, "--value-weight has no effect while --baseline is false"),
        ("reinforce", "--value-weight 1", {}, ""),
        ("sarsa", "--lr-end 1 --lr-schedule constant", {}, "--lr-end has no effect while --lr-schedule is constant"),
        ("sarsa", "--lr-end 1", {}, ""),
        ("monte-carlo", "--lr 0.1", {"seen": FEW}, "--lr has no effect while --step-size is mean"),
        ("monte-carlo", "--lr-end 1", {"seen": FEW}, "--lr-end has no effect while --step-size is mean"),
        ("monte-carlo", "--lr-schedule linear", {"seen": FEW}, "--lr-schedule has no effect while --step-size is mean"),
        ("monte-carlo", "--step-size lr --lr 0.1", {"seen": FEW}, ""),
        ("dyna-q", "--planning 0 --outcomes 3", {"seen": FEW}, "--outcomes has no effect while --planning is 0"),
        ("dyna-q", "--outcomes 3", {"seen": FEW}, ""),
        ("q-lambda", "--trace 0 --traces dutch", {"seen": FEW}, "--traces has no effect while --trace is 0.0"),
        ("q-lambda", "--traces dutch", {"seen": FEW}, ""),
        ("q-lambda", "--grids 2", {"seen": FEW}, "--grids has no effect while the observations are states"),
        ("sarsa-lambda", "--tiles 2", {"seen": FEW}, "--tiles has no effect while the observations are states"),
        ("sarsa-lambda", "--low 1", {"seen": FEW}, "--low has no effect while the observations are states"),
        ("sarsa-lambda", "--high 1", {"seen": FEW}, "--high has no effect while the observations are states"),
        ("sarsa-lambda", "--grids 2 --tiles 2 --low 0 0 0 --high 1 1 1", {}, ""),
        ("ppo", "--eval-every 0 --eval-episodes 3", {}, "--eval-episodes has no effect while --eval-every is 0"),
    ],
)  # fmt: skip
def test_what_does_nothing_is_told(name: str, flags: str, spaces: dict[str, Any], line: str) -> None:
    assert told(name, *flags.split(), **spaces) == ([line] if line else [])


@pytest.mark.parametrize(
    ("name", "beside", "option", "values", "nothing"),
    [
        ("dqn", {"learning_starts": 8}, "alpha", (0.1, 2.0), True),
        ("dqn", {"learning_starts": 8}, "beta", (0.1, 1.0), True),
        ("dqn", {"learning_starts": 8, "prioritised": True}, "alpha", (0.1, 2.0), False),
        ("dqn", {"learning_starts": 8, "prioritised": True}, "beta", (0.1, 1.0), False),
        ("reinforce", {"baseline": False}, "value_weight", (0.1, 2.0), True),
        ("reinforce", {"baseline": True}, "value_weight", (0.1, 2.0), False),
        ("ppo", {}, "initial_log_std", (-1.0, 0.0), True),
    ],
)
def test_what_is_told_to_do_nothing_does_nothing(
    name: str, beside: dict[str, Any], option: str, values: tuple[float, float], nothing: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    module, config = module_of(name), module_of(name).Config

    def learned(value: float) -> dict[str, torch.Tensor]:
        settings = {**beside, option: value}
        monkeypatch.setattr(module, "Config", lambda: config(**settings))
        agent: Any = Life(name, "CartPole-v1", [0]).run(60).agent
        return {key: weight.clone() for key, weight in next(iter(agent.nets.values())).weights().items()}

    first, second = learned(values[0]), learned(values[1])
    assert all(torch.equal(first[key], second[key]) for key in first) is nothing


def test_the_door_says_it_once_before_it_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "q-learning", "--env", "FrozenLake-v1", "--steps", "50", "--seeds", "0", "--root"]
    argv += [
        str(tmp_path),
        "--wandb",
        "disabled",
        "--eval-every",
        "0",
        "--eval-episodes",
        "3",
        "--final-episodes=2",
    ]
    assert main([*argv, "--lr-schedule", "constant", "--lr-end", "0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "no effect" in line] == [
        "--eval-episodes has no effect while --eval-every is 0",
        "--lr-end has no effect while --lr-schedule is constant",
    ]


def test_tiles_on_normalised_observations_need_bounds_of_their_own() -> None:
    words = ["--env", "MountainCar-v0", "--normalise-obs"]
    with pytest.raises(UserError, match="tiles need bounds, and --normalise-obs takes those"):
        told("sarsa-lambda", *words)
    assert told("sarsa-lambda", *words, "--low", "-3", "-3", "--high", "3", "3") == []
