"""Recording a group in a test, and reading back what is on disk and in W&B."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from core.destination import WandB
from core.tracking import Group

OFF = WandB(wandb="disabled")
OFFLINE = WandB(wandb="offline")


def group(root: Path, wandb: WandB = OFF, seeds: tuple[int, ...] = (3, 7), **more: Any) -> Group:
    """A group of two seeds with small settings."""
    settings = {"algorithm": "ppo", "env": "CartPole-v1", "lr": 3e-4, "steps": 100}
    common = {"suite": "rl", "algorithm": "ppo", "task": "CartPole-v1", "axis": "env_step"}
    return Group.create(root=root, settings=settings, seeds=seeds, wandb=wandb, **{**common, **more})


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON lines file, which must be strict JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of a run's offline W&B file.

    `wandb leet inspect --json DIR` prints one JSON object a line: {"num", "type", <type>: {…}}; types are
    run, metric, history, summary, exit, …; a history has its row under "item", nested keys joined by dots.
    """
    (run,) = (folder / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in out.splitlines()]


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows W&B has, without what wandb adds by itself and without times."""
    rows = [record["history"]["item"] for record in records(folder) if record["type"] == "history"]
    return [{k: v for k, v in row.items() if not k.startswith(("_", "time/"))} for row in rows]


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What W&B was told of one kind: alert, artifact, summary, …"""
    return [record[kind] for record in records(folder) if record["type"] == kind]


def summary(folder: Path) -> dict[str, Any]:
    """W&B's summary at the end."""
    whole: dict[str, Any] = {}
    for update in told(folder, "summary"):
        whole |= update["update"]
    return whole


def models(folder: Path) -> list[dict[str, Any]]:
    """The model artifacts of a run, in order."""
    return [
        {
            "aliases": set(each["aliases"]),
            "about": json.loads(each["metadata"]),
            "files": _files(each),
            "name": each["name"],
        }
        for each in told(folder, "artifact")
        if each["type"] == "model"
    ]


def _files(artifact: dict[str, Any]) -> dict[str, Path]:
    return {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}


def table(folder: Path, name: str = "episodes") -> dict[str, Any]:
    """A table as W&B has it: columns and data."""
    (run,) = (folder / "wandb").glob("offline-run-*")
    loaded: dict[str, Any] = json.loads((run / "files" / summary(folder)[name]["path"]).read_text())
    return {"columns": loaded["columns"], "data": loaded["data"]}


def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def run_json(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return loaded


def train(made: Group, start: int, stop: int) -> None:
    """A stand-in for a loop: rows, media and a checkpoint every 20 steps."""
    for step in range(start, stop):
        made.log(step, {"loss/value": np.array([step * 0.1, step * 0.3])})
        if step % 10 == 5:
            made.histograms(step, {"weights/w": np.arange(20.0).reshape(2, 10) * step})
            made.images(step, "samples", np.full((2, 4, 3, 8, 8), step, np.uint8))
            made.table(step, "episodes", [{"return": np.array([step, 0.5])}, {"return": np.array([1.0])}])
        if step % 20 == 19:
            states = [{"step": step, "seed": seed, "w": np.full(3, step)} for seed in made.seeds]
            made.checkpoint(step, states, best=step == 39)


def python(script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end in a process, and with a wandb, of its own."""
    process = spawn(script)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def spawn(script: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    """Start a script in a process, and with a wandb, of its own."""
    # wandb leaves the address of its process here, for children to share
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=alone)
