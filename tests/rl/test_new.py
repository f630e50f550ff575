"""What `lab new-env` and `lab new-agent` write works as it stands."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.catalogue import ROOT
from core.cli import main


def test_a_new_environment_passes_its_own_test_and_can_be_trained_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-env", "My-little-world"]) == 0
    assert "lab train q-learning --env my_little_world.py:MyLittleWorld" in capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_my_little_world.py"], capture_output=True
    )
    assert done.returncode == 0, done.stdout
    words = "train q-learning --env my_little_world.py:MyLittleWorld --max-episode-steps 100 --steps 4000 --seeds 0"
    assert main([*words.split(), "--wandb", "disabled", "--quiet", "--name", "run"]) == 0
    assert main(["eval", "run", "--episodes", "1"]) == 0
    assert " −6 " in capsys.readouterr().out  # six steps from corner to corner


def test_a_new_agent_keeps_the_contract_of_all(tmp_path: Path) -> None:
    for package in ("core", "rl", "generative", "tests", "docs"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    run = lambda *words: subprocess.run(  # noqa: E731
        [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True
    )
    made = run("core.cli", "new-agent", "first-try")
    assert made.returncode == 0, made.stderr
    assert "rl/agents/first_try.py" in made.stdout
    contract = run(
        "pytest", "-q", "tests/rl/test_every_agent.py", "tests/test_docs.py", "-k", "first-try or first_try"
    )
    assert contract.returncode == 0, contract.stdout
    assert "8 passed" in contract.stdout
    typed = run("mypy", "--strict", "rl/agents/first_try.py")
    assert typed.returncode == 0, typed.stdout
    again = run("core.cli", "new-agent", "first-try")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["new-env"], "takes one name, such as lab new-env maze"),
        (["new-env", "one", "two"], "takes one name"),
        (["new-agent", "--help-me"], "takes one name"),
        (["new-env", "3x"], "'3x' cannot be a name"),
        (["new-env", "class"], "cannot be a name"),
        (["new-env", "../away"], "cannot be a name"),
        (["new-env", "numpy"], "numpy is a Python package already"),
        (["new-agent", "PPO"], "there is an algorithm ppo already"),
    ],
)
def test_names_that_cannot_serve_are_refused_and_nothing_is_written(
    words: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_maze.py").write_text("mine")
    assert main(["new-env", "maze"]) == 2
    assert "test_maze.py is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_maze.py"]
