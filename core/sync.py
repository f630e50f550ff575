"""`lab sync`: uploads what was logged offline, through wandb's own `wandb sync`.

W&B's copy of a run is first written afresh from the run's folder where it lacks something: the run was killed, its
folder moved (wandb notes where its files lie), or someone changed its tags or notes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import annotations
from core.config import parse
from core.destination import answers, base_url, has_key, rewriting
from core.errors import UserError
from core.mirror import Mirror, reset
from core.mirrors import Mirrors
from core.model import shelf
from core.records import Record, find, read, scan
from core.run_folder import RunFolder

EXIT_CODES = {"finished": 0, "stopped": 130}  # of a run, as W&B is told; 1 of any other
LIMIT = 600  # seconds for one run; wandb itself would go on asking a broken server for ever


@dataclass(frozen=True)
class Options:
    """What `lab sync` understands."""

    runs: tuple[str, ...] = ()  # runs to upload: paths, ids, groups, `last`; else every offline run
    root: str = "runs"  # folder that holds the runs
    limit: float = LIMIT  # seconds one upload may take


def sync(argv: Sequence[str]) -> int:
    """Upload offline runs, one line each; 1 when an upload failed, else 0. What is uploaded is passed over.

    Raises:
        UserError: there is no API key, the server does not answer, or a named run does not exist.
    """
    named = bool(argv) and not argv[0].startswith("-")
    options: Options = parse([Options], ["--runs", *argv] if named else argv, prog="lab sync").values[0]
    if options.runs:
        records = [record for query in options.runs for record in find(options.root, query)]
    else:
        records = scan(options.root)
    unique = {record.path.resolve(): record for record in records}.values()
    waiting = [record for record in unique if offline_run(record)]
    if not waiting:
        print(f"nothing to upload in {options.root}: no offline run that is not uploaded yet")
        return 0
    server = base_url()
    if not has_key(server):
        raise UserError(f"no API key for {server}; set WANDB_API_KEY or run `wandb login`, then try again")
    if not answers(server):
        raise UserError(f"{server} does not answer; the runs stay as they are, try `lab sync` later")
    return max([_upload(record, options.limit) for record in waiting])


def offline_run(record: Record) -> Path | None:
    """The offline W&B folder of a run that is over and was not uploaded; None when there is none."""
    told = record.run.get("wandb", {})
    if told.get("mode") != "offline" or told.get("synced") or record.status == "running":
        return None
    folder = record.path / str(told.get("run", ""))
    return folder if any(folder.glob("*.wandb")) else None


def stale(record: Record) -> str:
    """Why the offline W&B run is not what the run's folder holds; "" when it is."""
    folder = offline_run(record)
    written = max((file.stat().st_mtime for file in folder.glob("*.wandb")), default=0.0) if folder else 0.0
    added = record.path / annotations.NAME
    if record.status == "crashed" and record.run["status"] == "running":
        return "crashed: its process is gone"
    if record.run["wandb"].get("at", "") not in ("", str(record.path.resolve())):
        return "its folder was moved"
    if added.exists() and added.stat().st_mtime > written:
        return "its tags or notes were changed"
    return ""


def afresh(record: Record, reason: str) -> None:
    """Write the offline W&B run once more from the folder, under the same id; a crash is an alert there."""
    opened = RunFolder(record.path)
    crashed = record.run["status"] == "running"
    if crashed:
        opened.update(status="crashed", error=reason)
    mirrors = Mirrors([opened], rewriting(opened.run["wandb"]), Mirror, reset, print)
    mirrors.open(again=True)
    if crashed:
        mirrors.alert(0, reason)
    logged = record.columns().keys() | {record.axis}
    mirrors.summarise(0, {name: value for name, value in record.summary.items() if name not in logged})
    mirrors.finish(0, EXIT_CODES.get(opened.run["status"], 1))
    reset()
    opened.close()


def _upload(record: Record, limit: float) -> int:
    if reason := stale(record):
        afresh(record, reason)
        record = read(record.path) or record
    if (folder := offline_run(record)) is None:
        print(f"{record.id}: not uploaded: W&B's copy could not be written afresh", flush=True)
        return 1
    command = [sys.executable, "-m", "wandb", "sync", str(folder)]
    # its words are read here, its logs lie beside the run, and it must not talk to a wandb process of ours
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    environment |= {"WANDB_SILENT": "false", "WANDB_ERROR_REPORTING": "false"}
    environment["WANDB_DIR"] = str(folder.resolve().parent.parent)
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=environment, check=False
        )
        said = [line.removeprefix("wandb: ").strip() for line in (ran.stdout + ran.stderr).splitlines()]
    except subprocess.TimeoutExpired:
        said = [f"ERROR no end within {limit:.0f} s"]
    # wandb answers 0 even when it failed; the mark beside its file is what counts
    if not any(folder.glob("*.wandb.synced")):
        errors = [line for line in said if "error" in line.lower()] or said[-1:] or ["wandb said nothing"]
        print(f"{record.id}: not uploaded: {errors[0].removeprefix('ERROR ').strip()}", flush=True)
        return 1
    opened = RunFolder(record.path)
    opened.update(wandb={**opened.run["wandb"], "synced": True})
    opened.close()
    shutil.rmtree(shelf(record.path), ignore_errors=True)
    links = [word for line in said for word in line.split() if word.startswith("http") and "/runs/" in word]
    print(f"{record.id}: uploaded{' to ' + links[0] if links else ''}", flush=True)
    return 0
