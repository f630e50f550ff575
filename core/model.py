"""A trained model apart from its run: what `lab eval` and `lab sample` need of a run folder, small enough to send.

It is a run folder itself, without metrics: run.json, config.yaml, summary.json and checkpoints/last.safetensors.
That checkpoint has everything but what was gathered to learn from, so nobody can go on training from it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import checkpoint, jsonl
from core.run_folder import RunFolder, room

EXPERIENCE = ("replay", "rollout")  # parts of an agent that only learning looks at, by name; may be huge
COPIED = ("run.json", "config.yaml", "summary.json")
NAMES = {"best": "best", "latest": "last"}  # alias -> checkpoint, in the order of W&B's versions
MB = 1_000_000


@dataclass(frozen=True)
class Model:
    """One folder that can be evaluated; `aliases` say whether it is the best, the newest or both."""

    folder: Path
    aliases: tuple[str, ...]
    about: dict[str, Any]  # algorithm, task, seed, status, step, metric, value


class TooLarge(Exception):
    """A model is larger than is wanted."""


def models(opened: RunFolder, limit: float) -> list[Model]:
    """Write the models of a run, below its wandb folder: the best one and the newest, one where they are the same.

    Args:
        limit: MB of weights at most.

    Raises:
        TooLarge: a model is larger.
        UserError: a checkpoint is damaged, or the disk is full.
    """
    shutil.rmtree(home := shelf(opened.path), ignore_errors=True)
    paths = {alias: opened.path / "checkpoints" / f"{name}.safetensors" for alias, name in NAMES.items()}
    found: dict[int, tuple[dict[str, Any], list[str]]] = {}
    for alias, path in paths.items():
        if path.exists():
            whole = checkpoint.part(path, EXPERIENCE, int(limit * MB))
            if whole is None:
                raise TooLarge(f"{path.name} has more than {limit:g} MB without what it learned from")
            found.setdefault(int(whole["step"]), (whole, []))[1].append(alias)
    made = []
    for step, (whole, aliases) in found.items():
        folder = home / str(step)
        _write(opened.path, folder, whole)
        made.append(Model(folder, tuple(aliases), _about(opened, step, aliases)))
    return made


def shelf(run: Path) -> Path:
    """Where a run's models lie until W&B has them."""
    return run / "wandb" / "model"


def _write(run: Path, folder: Path, whole: dict[str, Any]) -> None:
    with room(folder):
        (folder / "checkpoints").mkdir(parents=True)
        for name in COPIED:
            if (run / name).exists():
                shutil.copyfile(run / name, folder / name)
        checkpoint.save(folder / "checkpoints" / "last.safetensors", {**whole, "model": True})


def _about(opened: RunFolder, step: int, aliases: list[str]) -> dict[str, Any]:
    """What W&B shows beside the file."""
    summary = jsonl.load(opened.path / "summary.json")
    about = {key: opened.run[key] for key in ("algorithm", "task", "seed", "status")}
    about |= {"step": step, "axis": opened.run["axis"]}
    for metric, best in (summary.get("best") or {}).items():
        about |= {"metric": metric, "value": best["value"] if "best" in aliases else summary.get(metric)}
    return about
