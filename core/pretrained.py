"""A finished run of `bert`, for a task that goes on from it: its vocabulary, its sizes, its trunk's weights."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from core.errors import UserError
from core.noise import State
from core.records import Record, find
from core.replicas import Replicas
from core.run_folder import load

TRUNK = "trunk."  # how the names of its weights begin, there and here
ROOT = "runs"  # where a run that is no path is looked for


class Pretrained(NamedTuple):
    """What a run leaves to others."""

    run: str
    kept: State  # as core/tasks/bert.py keeps it: names, tokens, length, width, heads, layers
    weights: list[dict[str, Tensor]]  # the trunk's, for each seed
    hashes: list[str]  # SHA-256 of each seed's checkpoint

    def give(self, net: Replicas) -> None:
        """Each seed's network takes its trunk; the rest of it stays as it is."""
        for row, weights in zip(net.matrix, self.weights, strict=True):
            views = net.layout.views(row)
            for name, value in weights.items():
                views[name].copy_(value)

    def facts(self, seeds: Sequence[int], weights: bool) -> dict[str, str]:
        """What a record tells of it."""
        found = {"started from": f"{self.run}, {'all of it' if weights else 'without its weights'}"}
        pairs = zip(seeds, self.hashes, strict=True)
        return found | {f"checkpoint of seed {seed}": f"sha256 {told}" for seed, told in pairs}


def pretrained(query: str, seeds: Sequence[int]) -> Pretrained:
    """Each seed's own seed of the run; if the run has one alone, that one for all.

    Args:
        query: a run's folder, or a name in ROOT.
        seeds: of the run that begins.

    Raises:
        UserError: no such run, or it is no finished one of bert, or it has not these seeds.
    """
    records = find(ROOT, query)
    if (algorithm := records[0].algorithm) != "bert":
        raise UserError(
            f"--start-from {query}: it is a run of {algorithm}, and a finished one of bert is wanted"
        )
    by_seed = {record.seed: record for record in records}
    if len(records) == 1:
        by_seed = dict.fromkeys(seeds, records[0])
    if missing := [seed for seed in seeds if seed not in by_seed]:
        have = " ".join(str(record.seed) for record in records)
        raise UserError(
            f"--start-from {query}: it has no seed {missing[0]}; give --seeds of {have}, or one of its runs"
        )
    chosen = [by_seed[seed] for seed in seeds]
    for record in chosen:
        if record.status != "finished":
            raise UserError(f"--start-from {query}: {record.id} is {record.status}; it must be finished")
    found = [_of(record, query) for record in chosen]
    kept = found[0][0]
    return Pretrained(
        records[0].group, kept, [weights for _, weights, _ in found], [told for *_, told in found]
    )


def _of(record: Record, query: str) -> tuple[State, dict[str, Tensor], str]:
    """What was kept, the trunk's weights, the checkpoint's hash."""
    path: Path = record.path / "checkpoints" / "last.safetensors"
    _, state = load(path)
    kept: Any = state.get("task")
    if not kept:
        raise UserError(f"--start-from {query}: {record.id} did not keep its vocabulary; train it anew")
    weights = {name: value for name, value in state["net"]["weights"].items() if name.startswith(TRUNK)}
    return kept, weights, hashlib.sha256(path.read_bytes()).hexdigest()


def agreed(given: Mapping[str, Any], run: Pretrained | None, otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes: the run's, and without one those given, or otherwise.

    Raises:
        UserError: a size that is given is not the run's.
    """
    if run is None:
        return {name: value if given[name] is None else given[name] for name, value in otherwise.items()}
    for name in otherwise:
        if given[name] not in (None, run.kept[name]):
            raise UserError(
                f"--{name} is {given[name]}, and {run.run}, which it starts from, has {run.kept[name]}; leave it out"
            )
    return {name: run.kept[name] for name in otherwise}
