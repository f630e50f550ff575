"""Laying a new group of run folders: its name, and what each seed's run.json and config.yaml say."""

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from core import provenance
from core.destination import Destination
from core.errors import UserError
from core.fingerprint import hash_of
from core.run_folder import RunFolder, newest_common, room


def lay(
    root: Path,
    name: str | None,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    to: Destination,
    about: Mapping[str, Any],
) -> tuple[Path, list[RunFolder]]:
    """A new group's folder and one run folder per seed; nothing is left behind when that cannot be.

    Args:
        about: what run.json says alike for every seed: suite, algorithm, task, axis, command, facts, …
    """
    try:
        path = _exclusive(root, name, f"{about['algorithm']}-{slug(about['task'])}-{hash_of(settings)}")
    except OSError as error:
        raise _refused(root, error) from None
    config = {key: value for key, value in settings.items() if key not in ("seed", "seeds")}
    where = {"mode": to.mode, "project": to.project, "entity": to.entity, "group": to.group or path.name,
             "name": to.name or path.name, "dir": to.dir, "model_mb": to.model_mb, "synced": False}  # fmt: skip
    try:
        folders = []
        for seed in seeds:
            run = {
                "id": f"{path.name}/{seed}", "status": "running", "seed": seed, "group": path.name, **about,
                "versions": provenance.versions(), "git_commit": provenance.git_commit(),
                "machine": provenance.machine(), **session(), "wandb": {"id": token_hex(5), **where},
            }  # fmt: skip
            folders.append(RunFolder.create(path / str(seed), {**config, "seeds": [seed]}, run))
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        raise _refused(root, error) from None
    return path, folders


def reopened(folder: Path, seeds: Sequence[int], step: int) -> tuple[list[RunFolder], float]:
    """Its run folders, cut back to the newest checkpoint they have in common, and the seconds it took to there.

    Raises:
        UserError: there is none, or it is not at `step`.
    """
    chosen = newest_common([folder / str(seed) for seed in seeds])
    if any(whole.get("model") for _, whole in chosen):
        raise UserError(
            f"{folder} holds a trained model alone, not what training goes on from; use `lab eval` or `lab sample`"
        )
    if any(whole["step"] != step for _, whole in chosen):
        raise UserError(f"{folder} resumes at step {chosen[0][1]['step']}, not at {step}")
    with room(folder):
        folders = [RunFolder(folder / str(seed)) for seed in seeds]
        for opened, (path, whole) in zip(folders, chosen, strict=True):
            opened.cut(path, whole)
    return folders, float(chosen[0][1]["seconds"])


def session() -> dict[str, Any]:
    """What run.json says of the process that now works on a run."""
    return {"pid": os.getpid(), "started": now(), "ended": None, "seconds": 0.0, "error": None}


def now() -> str:
    """Local time with its offset, ISO 8601, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def slug(text: str) -> str:
    """A task's name as part of a folder's: `my_pkg.maze:Maze-v0` -> `my_pkg.maze-Maze-v0`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[-60:] or "task"


def _exclusive(root: Path, name: str | None, stem: str) -> Path:
    """Make the group's folder; of two processes that want the same name each gets its own."""
    root.mkdir(parents=True, exist_ok=True)
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,119}", name) or name == "last":
            raise UserError(f"--name {name!r} cannot name a folder; use letters, digits, - _ . only")
        try:
            (root / name).mkdir()
        except FileExistsError:
            hint = f"choose another --name, or continue it with `lab resume {name}`"
            raise UserError(f"{root / name} exists already; {hint}") from None
        return root / name
    stem = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in count(1):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("there is always a next number")


def _refused(root: Path, error: OSError) -> UserError:
    why = error.strerror or error
    return UserError(f"cannot write in the runs folder {root}: {why}; choose another with --root")
