"""One foreign run written as a run folder of format 1, apart from its group and seed, which are given last."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.config import to_yaml
from core.fingerprint import hash_of
from core.importing import attachments, vocabulary
from core.importing.foreign import Segment, flat
from core.importing.segments import Axis, Row, axis, distinct, finite, joined
from core.importing.vocabulary import Names, plain, renamed, settled
from core.measures import MEASURES, higher_is_better
from core.run_folder import FORMAT, strict, text, write_json

NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
CLOCK = "time/seconds"


@dataclass(frozen=True)
class Given:
    """What a person says of runs that do not say it themselves."""

    values: Mapping[str, str] = field(default_factory=dict)  # algorithm, task, seed, suite, axis
    metrics: Mapping[str, str] = field(default_factory=dict)  # their metric -> ours


@dataclass(frozen=True)
class Adopted:
    """A run that lies in `folder`, whole but for its group and its seed."""

    folder: Path
    key: str  # entity/project/id
    names: Names
    settings: str  # eight hex digits
    started: float
    run: dict[str, Any]
    config: dict[str, Any]
    said: tuple[str, ...]
    metrics: tuple[str, ...]


def adopt(segments: Sequence[Segment], folder: Path, given: Given) -> Adopted:
    """Write everything of a run into `folder`, which is there and empty.

    Raises:
        UserError: what a person gave does not fit the run.
    """
    segments = distinct(segments)
    last = segments[-1]
    config, metrics = _config(segments), _metrics(segments)
    sb3 = any(segment.sb3 for segment in segments)
    names = vocabulary.names(
        config, metrics, name=last.name, project=last.project, sb3=sb3, given=given.values
    )
    along = axis(segments, names.suite, given.values.get("axis", ""))
    rows, said = joined(segments, along)
    said = [*(words for segment in segments if (words := segment.damage.words())), *said]
    aliases = renamed(metrics - {along.theirs}, given.metrics)
    (folder / "media").mkdir()
    final, left = _write_rows(rows, segments, along, aliases, folder)
    summary, best = _summary(segments), _best(rows, along, names.suite, aliases)
    told = {name: value for name, value in summary.items() if not _reserved(name)}
    write_json(folder / "summary.json", strict({**told, **final, "best": best}))
    _write_console(segments, folder)
    kept, apart = settled(config, last.id, last.name)
    run = _run(segments, names, along) | {"imported": {
        "from": [str(segment.path) for segment in segments], "key": last.key, "id": last.id, "entity": last.entity,
        "project": last.project, "name": last.name, "group": last.group, "axis": along.theirs, "renamed": aliases,
        "known_by": names.known, "said": said, "left_out": dict(left), "occasion": _brief(apart),
        "summary": _by_hand(summary, final),
    }}  # fmt: skip
    settings = hash_of({**kept, "project": last.key.rpartition("/")[0], "group": last.group})
    started = datetime.fromisoformat(run["started"]).timestamp()
    logged = tuple({*metrics, *aliases.values()})
    return Adopted(folder, last.key, names, settings, started, run, kept, tuple(said), logged)


def settle(adopted: Adopted, group: str, seed: int) -> None:
    """Give the folder its group and seed."""
    config = {"algorithm": adopted.names.algorithm} | adopted.config | {"seeds": [seed]}
    (adopted.folder / "config.yaml").write_text(to_yaml(_clean(config)), encoding="utf-8")
    named = {"format": FORMAT, "id": f"{group}/{seed}", "group": group, "seed": seed}
    write_json(adopted.folder / "run.json", strict({**named, **adopted.run}))


def _config(segments: Sequence[Segment]) -> dict[str, Any]:
    """The settings, flat, those of later segments over those of earlier ones; W&B's own left out."""
    merged: dict[str, Any] = {}
    for segment in segments:
        merged |= segment.config
    merged.pop("_wandb", None)
    return flat(merged)


def _metrics(segments: Sequence[Segment]) -> set[str]:
    """Every key that was logged as a number; W&B's own begin with _."""
    rows = [row for segment in segments for row in segment.rows]
    names = {name for name in set().union(*rows) if name[:1] != "_"}
    return {name for name in names if any(number(row.get(name)) is not None for row in rows)}


def _summary(segments: Sequence[Segment]) -> dict[str, Any]:
    """The numbers of W&B's summary; what lies within objects is left out."""
    told, _ = attachments.parted(
        {name: value for segment in segments for name, value in segment.summary.items()}
    )
    return {name: value for name, value in told.items() if number(value) is not None}


def _by_hand(summary: Mapping[str, Any], final: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B's summary says otherwise than the last row, or under names that mean something here."""
    return {
        name: value
        for name, value in summary.items()
        if _reserved(name) or strict(final.get(name, value)) != strict(value)
    }


def _reserved(name: str) -> bool:
    """Whether summary.json of a run of ours says something under this name that no other run means."""
    return name == "best" or name.startswith("final/")


def _write_console(segments: Sequence[Segment], folder: Path) -> None:
    lines = "".join(f"{line}\n" for segment in segments for line in segment.console)
    (folder / "console.log").write_text(lines, encoding="utf-8", errors="replace")


def _write_rows(
    rows: Sequence[Row], segments: Sequence[Segment], along: Axis, aliases: Mapping[str, str], folder: Path
) -> tuple[dict[str, Any], Counter[str]]:
    """metrics.jsonl and media/index.jsonl. Returns the last value of every metric, and what was left out."""
    written: list[str] = []
    index: list[str] = []
    final: dict[str, Any] = {}
    left = Counter[str]()
    start = segments[0].started
    for row in rows:
        plain_row, objects = attachments.parted(row)
        place = plain_row.pop(along.theirs)
        told: dict[str, Any] = {along.ours: place}
        for name, value in plain_row.items():
            if name[0] == "_" or name == along.ours:
                continue
            if (value := number(value)) is None:
                left[f"{name[:80]}: no number"] += 1
                continue
            told[name] = value
            if name in aliases:
                told[aliases[name]] = value
        if start and (now := _seconds(row, start)) is not None:
            told.setdefault(CLOCK, now)
        if told.keys() - {along.ours, CLOCK}:
            written.append(text(told))
            final |= told
        for name, value in objects.items():
            files = _files(segments, value)
            found = attachments.entries(name, value, float(place), files, folder / "media", left)
            index += [text({"row": len(written), along.ours: place, **entry}) for entry in found]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in written))
    (folder / "media" / "index.jsonl").write_text("".join(f"{line}\n" for line in index))
    return final, left


def _files(segments: Sequence[Segment], value: Mapping[str, Any]) -> Path:
    """The folder of files of the segment that has this one; the last segment's where none has."""
    names = value.get("filenames")
    path = str(names[0] if isinstance(names, list) and names else value.get("path"))
    homes = [segment.path.parent / "files" for segment in reversed(segments)]
    return next((home for home in homes if "\0" not in path and (home / path).is_file()), homes[0])


def number(value: Any) -> int | float | str | None:
    """A value a curve can be drawn of: a number, true and false as 1 and 0; None for all else."""
    if isinstance(value, float) or (type(value) is int and abs(value) < 1 << 63):
        return value
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, str) and value in NOT_FINITE else None


def _seconds(row: Row, start: float) -> float | None:
    time = row.get("_timestamp")
    return round(max(float(time) - start, 0.0), 3) if finite(time) else None


def _best(rows: Sequence[Row], along: Axis, suite: str, aliases: Mapping[str, str]) -> dict[str, Any]:
    """Where each measure of the suite was best, as summary.json of a run of ours says it."""
    found: dict[str, Any] = {}
    theirs = {ours: name for name, ours in aliases.items()}
    for metric in MEASURES.get(suite, MEASURES["core"]):
        up = higher_is_better(metric)
        points = [
            (row[key], row[along.theirs])
            for row in rows
            if finite(row.get(key := theirs.get(metric, metric)))
        ]
        if points and up is not None:
            value, step = (max if up else min)(points, key=lambda point: point[0])
            found[metric] = {"value": value, "step": step}
    return found


def _run(segments: Sequence[Segment], names: Names, along: Axis) -> dict[str, Any]:
    """run.json, but for group and seed."""
    first, last = segments[0], segments[-1]
    started = first.started if 0 < first.started < 1e11 else first.path.stat().st_mtime
    seconds = sum(max(segment.ended - segment.started, 0.0) for segment in segments if segment.started > 0)
    code = last.exit_code
    status = "crashed" if code is None else "failed" if code else "finished"
    error = {"crashed": "it never said that it ended", "failed": f"exit code {code}"}.get(status)
    return {
        "status": status, "suite": names.suite, "algorithm": names.algorithm, "task": names.task, "axis": along.ours,
        "command": list(last.command), "versions": last.versions, "git_commit": last.commit,
        "machine": {"host": last.host}, "facts": {},
        "wandb": {"mode": "disabled", "id": last.id, "project": last.project, "entity": last.entity},
        "job_type": last.job_type, "tags": list(last.tags), "notes": last.notes,
        "started": _iso(started), "ended": _iso(started + seconds) if code is not None else None,
        "seconds": round(seconds, 3), "error": error,
    }  # fmt: skip


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _brief(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: plain(str(value)) for key, value in settings.items() if not key.startswith("_")}


def _clean(value: Any) -> Any:
    """Text that UTF-8 can hold."""
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
