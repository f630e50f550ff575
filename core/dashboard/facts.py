"""What is known of a run beside its curves: settings, summary, where it ran, how to repeat it. All pure."""

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.measures import higher_is_better
from core.records import Record
from core.tables import number, span

TAIL = 1 << 16  # bytes of console.log that are shown, at most
LINES = 400
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
OWN = ("seeds",)  # settings that differ from seed to seed


class Row(NamedTuple):
    """A setting, its value here, and there; None where it is not set."""

    name: str
    here: str | None
    there: str | None = None


def word(value: Any) -> str:
    """A value as a person writes it in YAML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(word, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {word(item)}" for key, item in value.items()) + "}"
    return (
        {True: "true", False: "false", None: "null"}.get(value, str(value)) if _plain(value) else str(value)
    )


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def settings(config: Mapping[str, Any]) -> list[Row]:
    """Every setting, in its file's order."""
    return [Row(str(name), word(value)) for name, value in config.items()]


def difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> tuple[list[Row], int]:
    """The settings that differ, with both values, and how many are the same. Seeds are passed over."""
    names = [name for name in dict.fromkeys([*here, *there]) if name not in OWN]
    apart = [name for name in names if name not in here or name not in there or here[name] != there[name]]
    rows = [
        Row(str(name), *(word(of[name]) if name in of else None for of in (here, there))) for name in apart
    ]
    return rows, len(names) - len(apart)


def summary(record: Record, last: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """metric, its last value, its best, the step of that; what the summary says, best known metrics first."""
    best = last.get("best")
    best = best if isinstance(best, dict) else {}
    names = [
        name for name, value in last.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name != record.axis
    ]  # fmt: skip
    order = sorted(
        names, key=lambda name: (name not in best, not name.startswith("final/"), _rank(name), name)
    )
    rows = []
    for name in order:
        of = best.get(name)
        of = of if isinstance(of, dict) else {}
        rows.append((name, number(float(last[name])), _number(of.get("value")), _number(of.get("step"))))
    return rows


def _rank(name: str) -> int:
    return 0 if higher_is_better(name) is not None else 2 if name.startswith("time/") else 1


def _number(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) and math.isfinite(value) else ""


def facts(record: Record) -> list[tuple[str, str]]:
    """What run.json says of where and how it ran."""
    run = record.run
    rows = [
        ("id", record.id),
        ("folder", str(record.path)),
        ("commit", str(run.get("git_commit") or "unknown")),
    ]
    rows += [("started", str(run.get("started") or "unknown")), ("ended", str(run.get("ended") or "not yet"))]
    seconds = run.get("seconds")
    if isinstance(seconds, int | float) and seconds:
        rows.append(("took", span(float(seconds))))
    for part in ("machine", "facts", "versions", "wandb"):
        if isinstance(run.get(part), dict):
            told = ", ".join(
                f"{name} {word(value)}" for name, value in run[part].items() if value not in ("", None)
            )
            rows.append((part, told))
    for again in run.get("resumed", ()) if isinstance(run.get("resumed"), list) else ():
        if isinstance(again, dict):
            rows.append(("resumed", f"at {record.axis} {again.get('step')}, {again.get('at')}"))
    return rows


def commands(record: Record) -> list[tuple[str, str]]:
    """What was typed, what repeats the run, and what goes on with it, if anything can."""
    typed, rows = record.run.get("command"), []
    if isinstance(typed, list) and typed:
        rows.append(("as it was typed", shlex.join(map(str, typed))))
    file = record.path / "config.yaml"
    if file.is_file() and record.suite in ("rl", "generative"):
        rows.append(("again", shlex.join(["lab", "train", record.algorithm, "--config", str(file)])))
    if record.status in ("stopped", "crashed") and any((record.path / "checkpoints").glob("*.safetensors")):
        rows.append(("go on", shlex.join(["lab", "resume", str(record.path)])))
    return rows


def console(path: Path) -> str:
    """The end of a log as text: no colours, no control characters, of a line written over its last state."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            raw = file.read()
    except OSError:
        return ""
    lines = raw.decode(errors="replace").split("\n")
    lines = lines[1:] if size > TAIL else lines  # the first is cut
    return "\n".join(map(_clean, lines[-LINES:])).strip("\n")


def _clean(line: str) -> str:
    return CONTROL.sub("", ANSI.sub("", line).rstrip("\r").rpartition("\r")[2])
