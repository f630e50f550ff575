"""Makes one cell of a suite, in a process of its own: `python -m core.making MODULE:SUITE CELL TIER ROOT`."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.cells import Cell, Row, Suite, finished, keep, kept, measured, named, records, same_command
from core.cli import main as lab
from core.cli import run as from_shell
from core.errors import UserError
from core.run_folder import existing


def main(argv: Sequence[str]) -> int:
    """Begin the cell, or go on with it; nothing is left to do where all of it is kept."""
    place, name, tier, root = argv
    suite: Suite = named(place)
    folder, cell = Path(root) / tier, suite.cells[name]
    if kept(suite, name, tier, Path(root)):
        return 0
    if cell.figures:
        rows = figured(cell, folder / name, tier)
    elif status := trained(cell, folder / name, tier):
        return status
    else:
        rows = measured(cell, records(folder / name))
    keep(folder / f"{name}.json", cell.command(tier), rows)
    return 0


def figured(cell: Cell, folder: Path, tier: str) -> list[Row]:
    """The rows of a function, which keeps what it needs to go on in the cell's folder."""
    print(f"$ {cell.command(tier)}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows: list[Row] = named(cell.figures)(folder, tier)["rows"]
    minutes = (time.monotonic() - began) / 60
    return [{"minutes": minutes, **row, "scores": [float(score) for score in row["scores"]]} for row in rows]


def trained(cell: Cell, folder: Path, tier: str) -> int:
    """0 when the cell's run is finished, the seeds that failed included; else why it is not."""
    runs = records(folder)
    if not same_command(cell, tier, runs):
        raise UserError(f"{folder} was made by another command; remove it, and it is made anew")
    if finished(runs):
        return 0
    if any(record.status == "running" for record in runs):
        raise UserError(f"{folder} is still running; stop it first")
    going_on = bool(runs) and all(
        existing(record.path) and not record.algorithm.startswith("sb3-")
        for record in runs
        if record.status != "failed"
    )
    words = ["resume", str(folder)]
    if not going_on:
        if folder.exists():
            print(f"{folder.name} cannot go on from where it stopped; it is trained anew", flush=True)
            shutil.rmtree(folder)
        words = ["train", *cell.command(tier).split(), "--root", str(folder.parent), "--name", folder.name]
    print(f"$ lab {shlex.join(words)}", flush=True)
    status = lab(words)
    return 0 if finished(records(folder)) else status or 1


if __name__ == "__main__":
    sys.exit(from_shell(main, sys.argv[1:]))
