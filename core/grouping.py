"""Which runs make one entry of a comparison, what it is called, and which of a seed's runs counts."""

from collections.abc import Iterable, Sequence
from typing import Any

from core.records import SETTINGS, Record
from core.selection import FIELDS, shown, value

OWN_AFFAIR = {
    "seeds",
    "root",
    "name",
    "wandb",
    "notes",
    "tags",
    "quiet",
    "resume",
    "video",
}  # say nothing about results
LONGEST = 48  # characters of a label that names settings

Key = tuple[str, str]
Task = tuple[str, str]  # suite, name


def grouped(
    records: Iterable[Record], *, merge: bool, by: Sequence[str]
) -> dict[Task, dict[Key, list[Record]]]:
    """Runs per task and entry. An entry is an algorithm with one setting; or all that agree in `by`.

    `merge` puts runs of equal settings into one entry; without it each group is one.
    """
    tasks: dict[Task, dict[Key, list[Record]]] = {}
    names: dict[tuple[str, ...], str] = {}
    for record in records:
        alike = record.algorithm, record.task, record.settings  # one config speaks for them all
        if alike not in names:
            names[alike] = task_of(record)
        key = record.algorithm, record.settings if merge else record.group
        if by:
            key = ("", " ".join(_named(record, name) for name in by))
        task = tasks.setdefault((record.suite, names[alike]), {})
        task.setdefault(key, []).append(record)
    return tasks


def _named(record: Record, name: str) -> str:
    """`ppo`, `lr=0.001`: fields speak for themselves, settings need their name."""
    own = name in FIELDS and name not in ("seed", "tags")
    return shown(value(record, name)) if own else f"{name}={shown(value(record, name))}"


def task_of(record: Record) -> str:
    """The task's name, with its arguments where it has some: another size of world is another task."""
    arguments = record.config.get("env_args")
    return f"{record.task} {arguments}" if arguments not in (None, "", {}, "{}") else record.task


def latest(records: Sequence[Record], *, pooled: bool) -> list[Record]:
    """One run of each seed: one that is at its end rather than not, then the newest.

    `pooled`: the records may differ in settings; then one of each seed with each setting.
    """
    chosen: dict[object, Record] = {}
    for record in sorted(records, key=lambda r: (r.status in ("finished", "failed", "crashed"), r.started)):
        seed = record.seed if record.seed >= 0 else record.id
        chosen[(seed, _identity(record)) if pooled else seed] = record
    return sorted(chosen.values(), key=lambda record: (record.seed, record.started))


def _identity(record: Record) -> str:
    """The same text for runs that compute the same but for their seed."""
    told = {name: record.config[name] for name in sorted(record.config) if name not in OWN_AFFAIR}
    return f"{record.algorithm} {told or record.group}"


def varied(records: Sequence[Record]) -> tuple[str, ...]:
    """What sets the runs of one entry apart: `algorithm`, or settings."""
    configs = [record.config for record in records]
    names = dict.fromkeys(name for config in configs for name in config if name not in OWN_AFFAIR)
    told = [name for name in names if name != "algorithm" and not same(configs, name)]
    several = len({record.algorithm for record in records}) > 1
    return (*(["algorithm"] if several else []), *told)


def labels(entries: dict[Key, list[Record]], by: Sequence[str]) -> dict[Key, str]:
    """What was grouped by; else the algorithm, where it has several settings with those that differ.

    Where they are many, with the name a person gave the group, or their hash.
    """
    if by:
        return {key: key[1] for key in entries}
    found = {}
    for key in entries:
        algorithm, settings = key
        rivals = [records[0].config for other, records in entries.items() if other[0] == algorithm]
        if len(rivals) == 1:
            found[key] = algorithm
            continue
        own = entries[key][0].config
        differing = [name for name in own if name not in OWN_AFFAIR and not same(rivals, name)]
        told = f"{algorithm} {' '.join(f'{name}={own[name]}' for name in differing)}"
        apart = len({tuple(str(rival.get(name)) for name in differing) for rival in rivals}) == len(rivals)
        short = 0 < len(differing) <= 2 and apart and len(told) <= LONGEST
        groups = {record.group for record in entries[key]}
        others = {record.group for other in entries if other != key for record in entries[other]}
        named = len(groups) == 1 and not groups & others and not SETTINGS.search(min(groups))
        found[key] = told if short else f"{algorithm} {min(groups) if named else settings}"
    return found


def same(configs: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether all of them hold the same under `name`."""
    return all(config.get(name) == configs[0].get(name) for config in configs)
