"""Writes run folders of format 1, as the tests of their readers need them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

GROUP = "{algorithm}-{task}-{settings}-20260102-030405"


def write_run(
    root: Path,
    *,
    algorithm: str = "ppo",
    task: str = "CartPole-v1",
    seed: int = 0,
    settings: str = "0123abcd",
    group: str | None = None,
    suite: str = "rl",
    status: str = "finished",
    rows: Sequence[Mapping[str, Any]] = (),
    config: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    tail: bytes = b"",
    **run: Any,
) -> Path:
    """One seed's folder: `rows` and then `tail` are metrics.jsonl, `run` is added to run.json."""
    group = group or GROUP.format(algorithm=algorithm, task=task, settings=settings)
    folder = root / group / str(seed)
    folder.mkdir(parents=True)
    axis = "env_step" if suite == "rl" else "examples_seen"
    told = {
        "format": 1,
        "id": f"{group}/{seed}",
        "status": status,
        "suite": suite,
        "algorithm": algorithm,
        "task": task,
        "seed": seed,
        "group": group,
        "axis": axis,
        "machine": {"host": "elsewhere"},
        "pid": 1000 + seed,
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 10.0,
    }
    (folder / "run.json").write_text(json.dumps({**told, **run}))
    options = {"algorithm": algorithm, "env": task, "steps": 100, "lr": 0.001, "seeds": [seed]}
    (folder / "config.yaml").write_text(yaml.safe_dump({**options, **(config or {})}))
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metrics.jsonl").write_bytes(lines.encode() + tail)
    last = {axis: rows[-1].get(axis, 0)} if rows else {}
    if status == "finished":
        (folder / "summary.json").write_text(json.dumps({**last, **(summary or {})}))
    return folder


def evaluations(
    *values: float, every: int = 10, metric: str = "eval/return", axis: str = "env_step"
) -> list[dict[str, Any]]:
    """Rows with one value each, at steps every, 2·every, …"""
    return [{axis: (i + 1) * every, metric: value} for i, value in enumerate(values)]
