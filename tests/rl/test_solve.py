"""`lab solve` as a person types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli import main
from rl.dynamic_programming import METHODS


def test_the_lake_is_solved_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "FrozenLake-v1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FrozenLake-v1: 16 states, 4 actions, γ = 0.99, value-iteration, ")
    assert lines[1].split()[-1] == "0.542026"
    assert lines[2] == "mean return within its 100 steps: 0.7402; at best, counting steps, 0.7442"
    assert [line.strip() for line in lines[5:9]] == ["←↑↑↑", "←H←H", "↑↓←H", "H→↓G"]
    assert lines[11].split() == ["0.542", "0.499", "0.471", "0.457"]
    assert lines[-1].split()[:3] == ["14", "0.862837", "1"]  # where the goal is next


@pytest.mark.parametrize("method", METHODS)
def test_every_method_by_name(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "CliffWalking-v1", "--gamma", "1", "--method", method]) == 0
    out = capsys.readouterr().out
    assert method in out
    assert "begin  -13.000000" in out
    assert "→→→→→→→→→→→↓" in out
    assert "31 more states: --all" in out


def test_a_horizon_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "FrozenLake-v1", "--env-args", "{is_slippery: false}", "--gamma", "1", "--horizon"]
    assert main([*words, "6"]) == 0
    assert "begin  1.000000" in capsys.readouterr().out  # six steps are just enough
    assert main([*words, "5"]) == 0
    assert "begin  0.000000" in capsys.readouterr().out


def test_the_method_is_told_to_be_idle_within_a_horizon(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "--env", "FrozenLake-v1", "--method", "policy-iteration"]
    assert main([*words, "--horizon", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "--method has no effect while --horizon is 3"
    assert main(words) == 0
    assert "no effect" not in capsys.readouterr().out


def test_a_shorter_episode_is_another_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "FrozenLake-v1", "--max-episode-steps", "6"]) == 0
    # Six steps along one of the three ways past the holes, each going right by a third: far from the 0.7442 of 100.
    line = capsys.readouterr().out.splitlines()[2]
    assert line.startswith("mean return within its 6 steps: 0.0")


def test_what_is_found_can_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("found/it.npz", "it.json", "it.png"):
        assert main(["solve", "FrozenLake-v1", "--out", str(tmp_path / name)]) == 0
    numbers, text = np.load(tmp_path / "found" / "it.npz"), json.loads((tmp_path / "it.json").read_text())
    assert numbers["V"][0] == pytest.approx(0.542026, abs=1e-6)
    assert numbers["Q"].max(1) == pytest.approx(numbers["V"])
    assert text["policy"] == numbers["policy"].tolist()
    assert np.asarray(Image.open(tmp_path / "it.png")).std() > 20  # something is drawn


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "name an environment first"),
        (["CartPole-v1"], "CartPole-v1 tells no transition table"),
        (["FrozenLake-v1", "--gamma", "0"], "--gamma is 0.0; it must be more than 0 and at most 1"),
        (["FrozenLake-v1", "--horizon", "-1"], "--horizon is -1; it must be at least 1"),
        (["--gamma", "1"], "name an environment first"),
        (["Blackjack-v1"], "Blackjack-v1 tells no transition table"),
        (["FrozenLake-v1", "--normalise-reward"], "unknown option --normalise-reward"),
        (
            ["FrozenLake-v1", "--out", __file__ + "/it.npz"],
            "it.npz: File exists; choose another file with --out",
        ),
        (["FrozenLake-v1", "--out", "it.txt"], "expected a file that ends in .png, .npz or .json"),
        (["FrozenLak-v1"], "did you mean"),
    ],
)
def test_what_cannot_be_solved_is_said_in_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", *words]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
