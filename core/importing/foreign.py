"""What one `.wandb` file says of a run that W&B recorded: the lab's own, Stable-Baselines3's, CleanRL's, anybody's.

wandb has no reader in Python any more; its message classes are used, its process is not started.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.proto import wandb_internal_pb2

from core.errors import UserError
from core.importing.transaction_log import Damage, payloads

Record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]  # made when wandb is imported
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")
NESTED, JSON = attrgetter("nested_key"), attrgetter("value_json")
HEAD = 1 << 20  # bytes in which the first run record stands
CLOCK = (b"\x12\x06_wandb\x12\x07runtime", b"\n\x08_runtime")  # keys of a summary, with their lengths
STAMP = b"\n_timestamp"  # a key that only rows have, and the summaries before them
RAW = object()  # a value that cannot be read


@dataclass
class Segment:
    """One file: a run, or the part of it between two resumes."""

    path: Path
    damage: Damage = field(default_factory=Damage)
    id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    started: float = 0.0  # seconds since 1970, 0 when not said
    resume: bool = False  # it was begun to continue an earlier one
    sb3: bool = False  # WandbCallback of Stable-Baselines3 was there
    exit_code: int | None = None  # None: it never said that it ended
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # W&B's history, nested keys joined by dots
    axes: dict[str, str] = field(default_factory=dict)  # metric or pattern -> the metric it is drawn over
    command: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    digest: str = ""
    _summary: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> JSON, rows before it
    _output: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What W&B knows the run by."""
        return f"{self.entity}/{self.project}/{self.id}"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """W&B's summary, nested keys joined by dots: the last value of all that was logged or set by hand."""
        last = {
            k: number for number, row in enumerate(self.rows) for k, value in row.items() if value is not None
        }
        told = {name: self.rows[number][name] for name, number in last.items()}
        by_hand = {name: text for name, (text, at) in self._summary.items() if last.get(name, -1) < at}
        values = decoded(list(by_hand.values()))
        told |= {name: value for name, value in zip(by_hand, values, strict=True) if value is not RAW}
        return {name: value for name, value in flat(told).items() if not name.startswith("_")}

    @property
    def console(self) -> list[str]:
        """The lines it printed, as they stood at the end; colours and other control characters are gone."""
        lines = "".join(self._output).replace("\r\n", "\n").split("\n")
        shown = [ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in lines]
        return shown if shown[-1] else shown[:-1]

    @property
    def ended(self) -> float:
        """When the last row was logged; when it began, where no row says."""
        return max([self.started, *(_time(row) for row in self.rows[-1:])])


def read(path: Path) -> Segment:
    """A file up to its last whole record; it may still be written to.

    Before each row wandb writes the same values as a summary; those are not decoded a second time.

    Raises:
        UserError: it cannot be opened, it is no W&B file, or it does not say which run it is of.
    """
    raw = _bytes(path)
    segment = Segment(path, digest=blake2b(raw, digest_size=16).hexdigest())
    record, waiting = Record(), None
    for payload in payloads(raw, segment.damage):
        try:
            record.ParseFromString(payload)
        except DecodeError:
            segment.damage.skip(len(payload))
            continue
        kind = record.WhichOneof("record_type")
        if waiting is not None and not (kind == "history" and len(record.history.item) == waiting[1]):
            _summary(segment, Record.FromString(waiting[0]).summary)
        waiting = (payload, len(record.summary.update)) if kind == "summary" and STAMP in payload else None
        if kind in READERS and waiting is None and not (kind == "summary" and _clock(payload)):
            READERS[kind](segment, getattr(record, kind))
    if waiting is not None:
        _summary(segment, Record.FromString(waiting[0]).summary)
    return _named(segment)


def _clock(payload: bytes) -> bool:
    """Whether a summary only says how long the run has run: wandb writes one for every row."""
    return len(payload) < 80 and all(key in payload for key in CLOCK)


def head(path: Path) -> Segment:
    """The beginning of a file, up to the first word on which run it is of; raises as `read` does."""
    segment = Segment(path)
    record = Record()
    for payload in payloads(_bytes(path, HEAD), segment.damage):
        with suppress(DecodeError):
            record.ParseFromString(payload)
            if record.WhichOneof("record_type") == "run":
                _run(segment, record.run)
                break
    return _named(segment)


def _bytes(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from None


def _named(segment: Segment) -> Segment:
    if not segment.id:
        raise UserError("it does not say which run it is of; " + (segment.damage.words() or "no run record"))
    return segment


# --- one function for each kind of record


def _run(segment: Segment, record: Any) -> None:
    """Told at the start and at every change; the last word counts."""
    segment.id, segment.entity, segment.project = record.run_id, record.entity, record.project
    segment.name, segment.group, segment.job_type = record.display_name, record.run_group, record.job_type
    segment.notes, segment.tags, segment.host = record.notes, tuple(record.tags), record.host
    segment.started = record.start_time.seconds + record.start_time.nanos / 1e9
    segment.resume |= record.resume or record.resumed
    segment.commit = record.git.commit or segment.commit
    told = {"python": record.telemetry.python_version, "wandb": record.telemetry.cli_version}
    segment.versions |= {name: version for name, version in told.items() if version}
    _telemetry(segment, record.telemetry)
    _config(segment, record.config)
    _summary(segment, record.summary)


def _config(segment: Segment, record: Any) -> None:
    for item in record.update:
        value = decoded([item.value_json])[0]
        if value is not RAW:
            _put(segment.config, list(item.nested_key) or [item.key], value)
    for item in record.remove:
        segment.config.pop(item.key or ".".join(item.nested_key), None)


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    """A value replaces the one it names, whole: so does wandb's config."""
    for key in keys[:-1]:
        inner = tree.get(key)
        tree[key] = inner if isinstance(inner, dict) else {}
        tree = tree[key]
    tree[keys[-1]] = value


def _history(segment: Segment, record: Any) -> None:
    items = record.item
    texts = list(map(JSON, items))
    if not all(texts):
        texts = [text or _typed(item) for text, item in zip(texts, items, strict=True)]
    values = decoded(texts)
    row = dict(zip(_names(items), values, strict=True))
    if RAW in values or "" in row:
        row = {name: value for name, value in row.items() if name and value is not RAW}
    if dict in map(type, values):
        row = flat(row)
    if "_step" not in row:
        row["_step"] = record.step.num
    segment.rows.append(row)


def _names(items: Any) -> list[str]:
    """Of every item; a nested key's parts are joined by dots."""
    names = list(map(".".join, map(NESTED, items)))  # no loop of our own: this is where the time goes
    return names if all(names) else [name or item.key for name, item in zip(names, items, strict=True)]


def _typed(item: Any) -> str:
    """The value of an item that is not written as JSON."""
    kind = item.WhichOneof("value")
    if kind in (None, "none"):
        return "null" if kind else ""
    return str(item.json) if kind == "json" else json.dumps(getattr(item, kind))


def _summary(segment: Segment, record: Any) -> None:
    told = zip(map(JSON, record.update), repeat(len(segment.rows)), strict=False)
    segment._summary.update(zip(_names(record.update), told, strict=False))
    for item in record.remove:
        segment._summary.pop(".".join(item.nested_key) or item.key, None)


def _metric(segment: Segment, record: Any) -> None:
    if record.step_metric and (record.name or record.glob_name):
        segment.axes[record.name or record.glob_name] = record.step_metric


def _output(segment: Segment, record: Any) -> None:
    segment._output.append(record.line)


def _exit(segment: Segment, record: Any) -> None:
    segment.exit_code = record.exit_code


def _environment(segment: Segment, record: Any) -> None:
    if record.program:
        segment.command = (record.program, *record.args)
    segment.commit = record.git.commit or segment.commit


def _telemetry(segment: Segment, record: Any) -> None:
    segment.sb3 |= getattr(record.feature, "sb3", False)


READERS: Mapping[str, Callable[[Segment, Any], None]] = {
    "run": _run, "config": _config, "history": _history, "summary": _summary, "metric": _metric,
    "output_raw": _output, "output": _output, "exit": _exit, "environment": _environment, "telemetry": _telemetry,
}  # fmt: skip


# --- values


def decoded(texts: list[str]) -> list[Any]:
    """Values of JSON texts, NaN and Infinity among them; RAW where one is no JSON."""
    try:
        values = json.loads("[" + ",".join(texts) + "]")  # one call for a row
        if len(values) == len(texts):
            return list(values)
    except (ValueError, RecursionError):
        pass
    return [_decoded(text) for text in texts]


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return RAW


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Mappings within mappings as one, keys joined by dots; an empty one is left out."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{key}.")
        else:
            found[before + str(key)] = value
    return found


def _time(row: Mapping[str, Any]) -> float:
    value = row.get("_timestamp")
    return float(value) if isinstance(value, int | float) and 0 < value < 1e11 else 0.0
