"""How often the intervals hold the truth, as simulated: when to warn. The numbers stand in coverage.json.

`lab bench coverage` simulates them anew (core/simulation.py); docs/statistics.md shows them as tables.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
LEAST = 0.90  # coverage of a 95 % interval below which it is warned of

# What the scores of one seed are drawn from: name -> in words, for a warning.
KINDS = {
    "normal": "normal scores",
    "skewed": "skewed scores",
    "failing": "scores of which a fifth fail",
}


@cache
def simulated() -> dict[str, Any]:
    """What was simulated: {"rounds", "level", "coverage": {interval: {kind: {n: share}}}}; {} without the file."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return found


def caution(statistic: str, n: int, called: str = "such an interval") -> str | None:
    """One sentence where a 95 % interval is known to hold the truth in under 90 % of cases for some scores at n seeds.

    For an n that was not simulated the next lower one speaks, below the lowest the lowest; above the highest nothing
    is known and nothing is said. None also for a statistic that was not simulated.
    """
    kinds: dict[str, dict[str, float]] = simulated().get("coverage", {}).get(statistic, {})
    low = {}
    for kind, shares in kinds.items():
        sizes = sorted(map(int, shares))
        size = max([sizes[0], *(known for known in sizes if known <= n)])
        if n <= sizes[-1] and shares[str(size)] < LEAST:
            low[kind] = shares[str(size)]
    if not low:
        return None
    shown = " and ".join(f"{100 * share:.0f} % for {KINDS[kind]}" for kind, share in low.items())
    return f"Caution: with n = {n} {called} holds the truth less often than it says: in simulation {shown}."
