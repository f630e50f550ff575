"""Training in a process of its own, killing it at random moments, and holding what is resumed to what was not."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch

from core import trees
from core.cli import main as lab
from core.run_folder import load
from tests.core.recorded import lines, without_time

# A server that has imported everything and done nothing: each `lab` is forked from it, fresh and at once.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *("core.cli", "rl.train", "rl.agents.ppo", "rl.agents.q_learning"),
        *("generative.train", "generative.trainers.vae"),
        *("gymnasium.envs.classic_control", "gymnasium.envs.toy_text", "torch._dynamo", "wandb"),
    ]
)
ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0  # seconds a command may take


class Process(Protocol):
    """What is needed of a running command."""

    pid: int | None

    def join(self, timeout: float | None = None) -> None: ...

    @property
    def exitcode(self) -> int | None: ...


def _lab(argv: list[str], folder: str, log: str) -> None:
    """The body of a forked `lab`, its output in a file."""
    os.chdir(folder)
    sys.stdout = sys.stderr = Path(log).open("a", buffering=1)  # noqa: SIM115
    sys.exit(lab(argv))


Start: TypeAlias = Callable[[Sequence[str], Path], Process]
"""How `lab argv` is begun in a folder: ``Command`` or ``forked``."""


class Command:
    """A command as typed, with the verbs of a Process."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        # wandb leaves the address of its process here, for children to share
        alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        with (folder / "lab.log").open("a") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "core.cli", *argv],
                cwd=folder,
                stdout=log,
                stderr=log,
                env={**alone, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def join(self, timeout: float | None = None) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)

    @property
    def exitcode(self) -> int | None:
        return self._popen.poll()


def forked(argv: Sequence[str], folder: Path) -> Process:
    """`lab argv` in ``folder``, forked from the server; what it says is added to lab.log there."""
    process = SERVER.Process(target=_lab, args=(list(argv), str(folder), str(folder / "lab.log")))
    process.start()
    return process


def finished(argv: Sequence[str], folder: Path, start: Start = forked) -> int:
    """Run `lab argv` in ``folder`` to its end; its exit status."""
    process = start(argv, folder)
    process.join(PATIENCE)
    if process.exitcode is None:
        kill(process)
        raise AssertionError(f"lab {' '.join(argv)} took more than {PATIENCE:.0f} s")
    return process.exitcode


def kill(process: Process) -> bool:
    """SIGKILL; whether it still ran."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE)
    return process.exitcode == -signal.SIGKILL


def wait_for(what: Callable[[], bool], process: Process) -> bool:
    """Wait until ``what`` holds or the process is gone; whether it holds."""
    until = time.monotonic() + PATIENCE
    while not what():
        if process.exitcode is not None or time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


@dataclass(frozen=True)
class Killed:
    """Two groups of the same settings: one ran through, the other was killed and resumed."""

    whole: Path
    cut: Path
    kills: int  # of the second one's processes, before one of them came to the end


def kill_and_resume(
    argv: Sequence[str],
    folder: Path,
    *,
    name: str = "cut",
    kills: int = 1,
    chance: random.Random | None = None,
    start: Start = forked,
) -> Killed:
    """Run `lab train argv` once through, and once killed ``kills`` times at random moments and resumed.

    The first kill comes anywhere between the first checkpoint and the end, the others anywhere in the life of
    a `lab resume`, its first moments included.

    Args:
        argv: an algorithm and its options, neither --name nor --root; few steps, and checkpoints often.
        folder: the working directory; both groups lie in its runs/. The one that ran through is called whole,
            and used again when it is there already.
        name: of the one that is killed.
        kills: fewer happen where the run comes to its end before; at least one always does.
        chance: when to kill.
        start: how the commands are begun.
    """
    chance = chance or random.Random(0)
    whole, cut = folder / "runs" / "whole", folder / "runs" / name
    if not whole.exists():
        assert finished(["train", *argv, "--name", "whole", "--quiet"], folder, start) == 0, told(folder)
    lasted = json.loads((next(whole.iterdir()) / "run.json").read_text())["seconds"]
    happened = int(_killed_in_training([*argv, "--name", name, "--quiet"], cut, whole, chance, start))
    assert happened, f"it ran to its end before it could be killed: {told(folder)}"
    while happened < kills:
        process = start(["resume", name, "--quiet"], folder)
        process.join(chance.uniform(0, lasted))
        if not kill(process):
            assert process.exitcode == 0, told(folder)
            break
        happened += 1
    assert finished(["resume", name, "--quiet"], folder, start) == 0, told(folder)
    return Killed(whole, cut, happened)


def _killed_in_training(
    argv: list[str], group: Path, whole: Path, chance: random.Random, start: Start
) -> bool:
    """Start training and kill it when its record has grown to a random part of the whole one's."""
    (seed, *_) = (path.name for path in whole.iterdir())
    target = chance.uniform(0, 0.95) * (whole / seed / "metrics.jsonl").stat().st_size
    cut = group / seed
    process = start(["train", *argv], group.parent.parent)

    def grown() -> bool:
        saved = (cut / "checkpoints" / "last.safetensors").exists()
        return saved and (cut / "metrics.jsonl").stat().st_size >= target

    wait_for(grown, process)
    time.sleep(chance.uniform(0, 0.02))
    return kill(process)


def told(folder: Path) -> str:
    """What the commands in ``folder`` said."""
    return (folder / "lab.log").read_text()


def assert_equal_runs(ours: Path, theirs: Path) -> None:
    """The same seeds, metrics row by row (times apart), media, final results, and states bit for bit."""
    seeds = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == seeds
    for seed in seeds:
        mine, other = ours / seed, theirs / seed
        assert without_time(lines(mine / "metrics.jsonl")) == without_time(lines(other / "metrics.jsonl"))
        assert lines(mine / "media" / "index.jsonl") == lines(other / "media" / "index.jsonl")
        assert _summary(mine) == _summary(other)
        for which in ("last", "best"):
            paths = [path / "checkpoints" / f"{which}.safetensors" for path in (mine, other)]
            assert paths[0].exists() == paths[1].exists()
            if paths[0].exists():
                (step, state), (step_of_other, state_of_other) = map(load, paths)
                assert step == step_of_other
                apart = different(state, state_of_other)
                assert not apart, apart
        assert json.loads((mine / "run.json").read_text())["status"] == "finished"


def _summary(folder: Path) -> dict[str, Any]:
    return without_time([json.loads((folder / "summary.json").read_text())])[0]


def different(ours: Any, theirs: Any) -> list[str]:
    """The places in two state trees that are not bit for bit the same, or not in both."""
    left, right = dict(trees.walk(ours)), dict(trees.walk(theirs))
    places = [*left, *(place for place in right if place not in left)]
    return [
        ".".join(place)
        for place in places
        if place not in left or place not in right or not _same(left[place], right[place])
    ]


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        one, other = one.numpy(), other.numpy()
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)  # floats to the last bit, and NaN equals NaN
