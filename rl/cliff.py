"""CliffWalking, Sutton & Barto 2018, example 6.6: Q-learning walks along the cliff, SARSA keeps away from it.

ε = 0.1 throughout and γ = 1, as there. α falls from 0.5 to 0.01: at a constant 0.5 SARSA's values never settle, and
its greedy policy may walk in circles at any moment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import jsonl
from core.records import Record, find
from rl.environments import Envs
from rl.evaluate import Player
from rl.planning import finite_horizon_value
from rl.task import Task
from rl.train import main as train

ENV, START = "CliffWalking-v1", 36
SHORTEST = 13  # decisions: no episode is shorter, so rows of so many steps hold one episode's end at most
EDGE = frozenset(range(25, 35))  # above the cliff; 24 is above the start: every way leads through it
LAST = 100  # episodes


def cliff_walking(
    root: str | Path = "runs",
    seeds: Sequence[int] = tuple(range(10)),
    steps: int = 50_000,
    quiet: bool = True,
) -> dict[str, Any]:
    """Train both as `lab train` does, with the presets for this environment, and read their records.

    Returns:
        For each agent ``greedy`` (exact values of the greedy policies, −∞ for one that never arrives), ``edge``
        (how many cells above the cliff the greedy way enters) and ``training`` (mean return of the last 100
        training episodes); one number per seed.
    """
    found = {}
    for agent in ("q-learning", "sarsa"):
        name = f"cliff-{agent}"
        words = f"{agent} --env {ENV} --preset lab --steps {steps} --log-every {SHORTEST}".split()
        words += ["--resume", "auto", "--wandb", "disabled", "--root", str(root), "--name", name]
        words += ["--seeds", *map(str, seeds), *["--quiet"] * quiet]
        if train(words):
            raise RuntimeError(f"{name} did not finish")
        found[agent] = measured(find(root, str(Path(root) / name)))
    return found


def measured(records: Sequence[Record]) -> dict[str, list[float]]:
    """The figures of one agent's run, one number per seed."""
    known = Envs(Task(env=ENV), [0], 1).known
    assert known is not None
    figures: dict[str, list[float]] = {"greedy": [], "edge": [], "training": []}
    for record in records:
        table = Player(record).agent.greedy_table()[0]  # type: ignore[attr-defined]
        way = path(table, known.outcomes.successor, known.outcomes.ended)
        arrives = bool(known.outcomes.ended[way[-1], table[way[-1]], 0])
        value = float(finite_horizon_value(known.model, table, len(table))[START])
        figures["greedy"].append(value if arrives else -np.inf)
        figures["edge"].append(float(len(EDGE.intersection(way))))
        figures["training"].append(float(np.mean(returns(record)[-LAST:])))
    return figures


def path(table: NDArray[np.int64], successor: Any, ended: Any) -> list[int]:
    """The states in which the greedy policy acts from the start on, until it arrives or comes round."""
    way = [START]
    while not ended[way[-1], table[way[-1]], 0]:
        after = int(successor[way[-1], table[way[-1]], 0])
        if after in way:
            break
        way.append(after)
    return way


def returns(record: Record) -> list[float]:
    """Every training episode's return: the record has a row for each, see SHORTEST."""
    rows = jsonl.rows((record.path / "metrics.jsonl").read_bytes())
    return [float(row["episode/return"]) for row in rows if "episode/return" in row]


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """A cell of `lab bench agents`: `figures="rl.cliff:figures"`."""
    seeds, steps = (range(10), 50_000) if tier != "smoke" else (range(2), 2_000)
    found = cliff_walking(folder, tuple(seeds), steps)
    shared = {"failed": 0, "steps": steps, "minutes": _minutes(folder)}
    ours, safe = found["q-learning"], found["sarsa"]
    above = [mine - other for mine, other in zip(safe["training"], ours["training"], strict=True)]
    rows = [
        {"what": "q-learning, greedy policy, exact", "scores": ours["greedy"], "mark": ["every seed =", -13]},
        {"what": "sarsa, greedy policy, exact", "scores": safe["greedy"]},
        {"what": "sarsa, cells above the cliff entered", "scores": safe["edge"], "mark": ["every seed =", 0]},
        {"what": f"sarsa, training return, last {LAST} episodes", "scores": safe["training"]},
        {"what": f"q-learning, training return, last {LAST} episodes", "scores": ours["training"]},
        {"what": "sarsa's minus q-learning's", "scores": above, "mark": ["≥", 0]},
    ]
    return {"rows": [{**shared, **row} for row in rows]}


def _minutes(root: Path) -> float:
    runs = [
        record for agent in ("q-learning", "sarsa") for record in find(root, str(root / f"cliff-{agent}"))
    ]
    return sum({record.group: float(record.run["seconds"]) for record in runs}.values()) / 60
