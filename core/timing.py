"""How fast something is beside something else: contenders taking turns in one run."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from core import provenance
from core.tables import write_between


@dataclass(frozen=True)
class Contender:
    """One way to do the same work.

    Attributes:
        seeds: how many it trains at once.
        run: works through about that many units over all seeds; the exact number.
        facts: how it is computed.
        seconds: spent by part since the beginning; empty where it cannot be told.
    """

    name: str
    seeds: int
    run: Callable[[int], int]
    facts: Mapping[str, Any]
    seconds: Mapping[str, float]


def measure(
    contenders: Sequence[Contender], rounds: int, units: int, what: str = "steps"
) -> list[dict[str, Any]]:
    """Every contender in every round, warmed up before, so that whatever else the machine does meets all of them.

    Args:
        contenders: the first one is what the others are compared with.
        rounds: each gives its own speeds and ratios.
        units: of work of each contender in a round, over all its seeds.
        what: the units' name.

    Returns:
        For each its ``name``, ``seeds``, ``facts``; ``per_second`` and ``ratio`` to the first one as ``spread`` has
        them; ``milliseconds`` of one unit of one seed by part.
    """
    for contender in contenders:
        contender.run(1), contender.run(1)  # twice: the first compiles
    before = [dict(contender.seconds) for contender in contenders]
    speeds, taken = [[] for _ in contenders], [0 for _ in contenders]  # type: list[list[float]], list[int]
    for number in range(rounds):
        for k, contender in enumerate(contenders):
            began = time.perf_counter()
            done = contender.run(units)
            speeds[k].append(done / (time.perf_counter() - began))
            taken[k] += done
        told = ", ".join(f"{speed[-1]:,.0f}" for speed in speeds)
        print(f"round {number + 1} of {rounds}: {told} {what}/s", flush=True)
    return [
        {
            "name": contender.name,
            "seeds": contender.seeds,
            "facts": dict(contender.facts),
            "per_second": spread(speed),
            "ratio": spread([mine / first for mine, first in zip(speed, speeds[0], strict=True)]),
            "milliseconds": {
                part: 1e3 * (contender.seconds[part] - start) * contender.seeds / taken[k]
                for part, start in before[k].items()
            },
        }
        for k, (contender, speed) in enumerate(zip(contenders, speeds, strict=True))
    ]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Middle and ends, and every value."""
    return {"median": median(values), "min": min(values), "max": max(values), "all": list(values)}


def keep(suite: str, root: str, out: str, figures: Mapping[str, Any], drawn: str, about: str) -> None:
    """Show a suite's table, and write its figures down, with the machine they are of.

    Args:
        root: ``bench/<suite>.json`` is there.
        out: a Markdown file whose part between the marks ``bench <suite>`` is rewritten; empty: none.
        figures: plain values.
        drawn: the table.
        about: a line on how they were measured.
    """
    path = Path(root) / "bench" / f"{suite}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    of = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "commit": provenance.git_commit(),
    }
    path.write_text(json.dumps({**of, **figures}, indent=2) + "\n")
    print(f"\n{drawn}\n\n{about}; kept in {path}")
    if out:
        write_between(Path(out), f"bench {suite}", drawn)
