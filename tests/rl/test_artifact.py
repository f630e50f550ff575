"""A model on its way: trained, sent to a W&B server on this machine, fetched by wandb's own command, evaluated."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from core.cli import main
from rl.evaluate import load
from tests.core.loopback_artifacts import versions
from tests.core.loopback_wandb import serving


def test_a_fetched_model_plays_as_the_one_that_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        monkeypatch.delenv("WANDB_MODE", raising=False)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        for name in ("CACHE", "DATA"):
            monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
        wandb.teardown()  # it would remember the server of the tests before
        quick = ["--steps", "400", "--seeds", "5", "--eval-episodes", "2", "--final-episodes", "2", "--quiet"]
        where = ["--root", str(tmp_path), "--name", "g", "--wandb", "online"]
        assert main(["train", "dqn", "--env", "CartPole-v1", *quick, *where]) == 0
        run = json.loads((tmp_path / "g" / "5" / "run.json").read_text())["wandb"]["id"]
        path, fetched = f"me/lab/model-{run}:latest", str(tmp_path / "fetched")
        command = [sys.executable, "-m", "wandb", "artifact", "get", path, "--root", fetched]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        wandb.teardown()
    capsys.readouterr()
    said = []
    for query in (fetched, str(tmp_path / "g" / "5")):
        assert main(["eval", query, "--episodes", "3"]) == 0
        said.append(capsys.readouterr().out.splitlines()[1:])
    assert said[0] == said[1]
    assert load(fetched).step == 400
    assert versions(server, f"model-{run}")[-1]["type"] == "model"
    folders = (tmp_path / "g" / "5", tmp_path / "fetched")
    whole, sent = ((folder / "checkpoints" / "last.safetensors").stat().st_size for folder in folders)
    assert sent < whole  # it went without its replay
    episodes = [
        json.loads(line) for line in (tmp_path / "g" / "5" / "media" / "index.jsonl").read_text().splitlines()
    ]
    tables = [entry for entry in episodes if entry["kind"] == "table"]
    assert [len(entry["rows"]) for entry in tables] == [4] * 20
    summary = json.loads((tmp_path / "g" / "5" / "summary.json").read_text())
    greedy = [row[2] for row in tables[-1]["rows"] if row[0]]
    assert (tables[-1]["columns"], greedy) == (
        ["greedy", "episode", "return", "length", "capped"],
        summary["final/returns"],
    )
    assert server.summaries[run]["episodes"]["nrows"] == 80
    assert "final/greedy" not in summary
