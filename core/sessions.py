"""What every door to training shares: how often things happen, what is recorded, and going on with a run."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from core.config import Settings
from core.destination import WandB
from core.errors import UserError
from core.fingerprint import hash_of
from core.noise import State
from core.records import Record, find, scan
from core.run_folder import existing, load, newest_common

EVALUATIONS = 20  # per run, unless told otherwise
ROWS = 400  # of metrics per run, unless told otherwise


class Options(Protocol):
    """The options that all of them have; see rl.train or generative.train."""

    @property
    def steps(self) -> int: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def eval_every(self) -> int | None: ...
    @property
    def log_every(self) -> int | None: ...
    @property
    def checkpoint_every(self) -> int | None: ...
    @property
    def root(self) -> str: ...
    @property
    def name(self) -> str | None: ...


@dataclass(frozen=True)
class Again(WandB):
    """What may be said anew when a run goes on."""

    quiet: bool = False  # no progress


@dataclass(frozen=True)
class Cadence:
    """How often, in steps of one seed; 0 is never."""

    log: int
    evaluate: int
    checkpoint: int


def cadence(options: Options) -> Cadence:
    """What the options say, or their share of the whole run."""

    def every(told: int | None, otherwise: int) -> int:
        return max(otherwise, 1) if told is None else told

    evaluate = every(options.eval_every, options.steps // EVALUATIONS)
    saved = every(options.checkpoint_every, evaluate or options.steps // EVALUATIONS)
    return Cadence(every(options.log_every, options.steps // ROWS), evaluate, saved)


def check(options: Options, *positive: str) -> None:
    """Refuse numbers that cannot work: ``positive`` names options that must be at least 1."""
    for name in ("steps", *positive):
        if getattr(options, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} is {getattr(options, name)}; it must be at least 1")
    for name in ("eval_every", "log_every", "checkpoint_every"):
        if (getattr(options, name) or 0) < 0:
            raise UserError(
                f"--{name.replace('_', '-')} is {getattr(options, name)}; 0 is never, 1 or more is a number"
            )
    if not options.seeds or len(set(options.seeds)) < len(options.seeds):
        raise UserError(f"--seeds {' '.join(map(str, options.seeds))}: give at least one seed, each once")


def recorded(algorithm: str, settings: Settings) -> dict[str, Any]:
    """What config.yaml keeps: every setting that makes the numbers, none that only says where they go."""
    where = {"seeds", "root", "name", "resume", "quiet"}
    kept: Mapping[str, Any] = settings.flat()
    return {"algorithm": algorithm} | {
        key: value for key, value in kept.items() if key not in where and not key.startswith("wandb")
    }


def begun(algorithm: str, settings: Settings, options: Options, derived: Collection[str] = ()) -> Path | None:
    """The newest group of just these settings and seeds (and name, if one is given) that has not failed.

    One that was killed before its first checkpoint does not count: there is nothing to go on from. If it has the
    name that is wanted, it makes room.

    Args:
        derived: settings that follow from the others and are not compared.
    """

    def hashed(config: Mapping[str, Any]) -> str:
        return hash_of({key: value for key, value in config.items() if key not in derived})

    key = hashed(recorded(algorithm, settings))
    found: dict[Path, list[Record]] = {}
    for record in scan(options.root):
        if record.algorithm == algorithm and options.name in (None, record.group):
            found.setdefault(record.path.parent, []).append(record)
    for folder, records in sorted(found.items(), key=lambda item: -item[1][0].started):
        whole = [record for record in records if record.status != "failed"]
        same = {record.seed for record in records} == set(options.seeds)
        if not (same and whole and hashed(records[0].config) == key):
            continue
        if all(map(_saved, whole)):
            return folder
        if folder.name == options.name:
            _make_room(folder, records)
    return None


def _make_room(folder: Path, records: Sequence[Record]) -> None:
    """Remove what the same command makes again, from the first step on; a checkpoint that is there stays."""
    saved = any((record.path / "checkpoints" / "last.safetensors").exists() for record in records)
    if not saved and all(record.status in ("crashed", "stopped", "failed") for record in records):
        shutil.rmtree(folder)
        print(f"{folder.name} ended before its first checkpoint; it begins anew")


def _saved(record: Record) -> bool:
    return record.status == "running" or bool(existing(record.path))


def resumable(folder: Path) -> list[Record]:
    """The seeds of a group to go on with; none when it is finished already, which is said.

    Raises:
        UserError: it is running, or all of its seeds failed.
    """
    runs = [record for record in find(folder.parent, str(folder)) if record.status != "failed"]
    if not runs:
        raise UserError(f"every seed of {folder.name} failed; nothing to resume")
    if any(record.status == "running" for record in runs):
        raise UserError(f"{folder.name} is still running; stop it first")
    if all(record.status == "finished" for record in runs):
        print(f"{folder.name} is finished already; nothing to resume")
        return []
    return runs


def saved_of(record: Record, checkpoint: Literal["last", "best"]) -> tuple[int, State]:
    """The step and the state of one seed's newest or best checkpoint, whatever the other seeds of its group have.

    Raises:
        UserError: it has none, or it is damaged.
    """
    folder = record.path / "checkpoints"
    if checkpoint == "best":
        return load(folder / "best.safetensors")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{record.id} has no checkpoint yet")
    ((_, whole),) = newest_common([record.path])
    return int(whole["step"]), whole["state"]
