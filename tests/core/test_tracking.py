"""The record of a group on disk and in W&B: real wandb, offline, read back with wandb's own reader."""

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest
import torch

from core.errors import UserError
from core.run_folder import load
from core.tracking import Group
from tests.core.recorded import (
    OFFLINE,
    group,
    history,
    lines,
    models,
    python,
    records,
    run_json,
    table,
    told,
    train,
    without_time,
)


def test_a_group_is_what_the_format_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = group(tmp_path, command=["lab", "train"], facts={"device": "cpu"}, notes="why")
    made.log(10, {"loss/value": torch.tensor([1.5, 2.5]), "episode/count": np.array([4, 5]), "lr": 0.5})
    made.rows(20, [{"eval/return": np.float32(0.5)}, {}])
    made.rows(30, [{"eval/return": math.nan, "x": math.inf}, {"x": -math.inf}])
    made.summary(1, {"final/returns": [1.0, 2.0]})
    made.finish()
    made.finish()

    assert made.path.parent == tmp_path
    assert made.path.name.startswith("ppo-CartPole-v1-")
    three, seven = (made.path / "3"), (made.path / "7")
    assert without_time(lines(three / "metrics.jsonl")) == [
        {"env_step": 10, "loss/value": 1.5, "episode/count": 4, "lr": 0.5},
        {"env_step": 20, "eval/return": 0.5},
        {"env_step": 30, "eval/return": "NaN", "x": "Infinity"},
    ]
    assert without_time(lines(seven / "metrics.jsonl")) == [
        {"env_step": 10, "loss/value": 2.5, "episode/count": 5, "lr": 0.5},
        {"env_step": 30, "x": "-Infinity"},
    ]
    assert all(row["time/seconds"] >= 0 for row in lines(three / "metrics.jsonl"))
    run = run_json(seven)
    assert run["id"] == f"{made.path.name}/7"
    assert run["format"] == 1
    assert run["status"] == "finished"
    assert (run["suite"], run["algorithm"], run["task"]) == ("rl", "ppo", "CartPole-v1")
    assert (run["seed"], run["axis"], run["command"]) == (7, "env_step", ["lab", "train"])
    assert run["facts"] == {"device": "cpu"}
    assert run["versions"]["torch"] == torch.__version__
    assert run["wandb"]["mode"] == "disabled"
    assert run["pid"] == os.getpid()
    assert run["ended"] >= run["started"]
    assert run["error"] is None
    summary = json.loads((seven / "summary.json").read_text())
    assert (summary["env_step"], summary["loss/value"], summary["final/returns"]) == (30, 2.5, [1.0, 2.0])
    assert (three / "config.yaml").read_text() == (
        "algorithm: ppo\nenv: CartPole-v1\nlr: 0.0003\nsteps: 100\nseeds: [3]\n"
    )
    first = capsys.readouterr().out.splitlines()[0]
    assert str(made.path) in first
    assert "W&B disabled" in first
    assert "--wandb online|offline" in first
    assert (seven / "console.log").read_text().splitlines()[0] == first


def test_wandb_has_the_same_rows_and_axes(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE, tags=["a"], notes="why")
    for step in range(0, 50, 10):
        made.log(step, {"loss/value": torch.tensor([0.1, 0.2]) * step, "episode/return": math.nan})
    made.images(40, "samples", torch.linspace(0, 1, 2 * 4 * 64).reshape(2, 4, 1, 8, 8))
    made.histograms(40, {"weights/w": torch.arange(128.0).repeat(2, 1), "weights/none": torch.empty(2, 0)})
    made.summary(0, {"final/return": 12.5})
    made.finish("stopped", 130)
    whole = records(made.path / "3")
    rows = history(made.path / "3")

    assert rows[:5] == without_time(lines(made.path / "3" / "metrics.jsonl"))
    assert len(rows) == 7
    assert rows[5]["env_step"] == 40
    assert rows[5]["samples._type"] == "image-file"
    assert rows[6]["weights/w.values"] == [2] * 64
    assert rows[6]["weights/w.bins"] == pytest.approx(np.linspace(0, 127, 65))
    assert not any(name.startswith("weights/none") for name in rows[6])
    assert "loss/value" in rows[4]
    assert rows[4]["loss/value"] == pytest.approx(4.0)
    (star,) = [r["metric"] for r in whole if r["type"] == "metric" and r["metric"].get("glob_name") == "*"]
    assert star["step_metric"] == "env_step"
    run = next(r["run"] for r in whole if r["type"] == "run")
    assert (run["project"], run["job_type"], run["tags"], run["notes"]) == ("lab", "train", ["a"], "why")
    assert run["run_group"] == made.path.name
    assert run["run_id"] == run_json(made.path / "3")["wandb"]["id"]
    config = run["config"]["update"]
    assert (config["lr"], config["seed"], config["versions"]["torch"]) == (3e-4, 3, torch.__version__)
    assert "git_commit" in config
    (code,) = [r["exit"]["exit_code"] for r in whole if r["type"] == "exit"]
    assert code == 130
    final = [r["summary"]["update"] for r in whole if r["type"] == "summary"]
    assert any(update.get("final/return") == 12.5 for update in final)


def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = group(tmp_path / "whole", OFFLINE)
    train(whole, 0, 60)
    whole.finish()
    script = f"""
        from pathlib import Path
        from tests.core.recorded import OFFLINE, group, train
        import os, signal
        made = group(Path({str(tmp_path / "cut")!r}), OFFLINE, name="g")
        train(made, 0, 57)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert python(script).returncode == -signal.SIGKILL
    folder = tmp_path / "cut" / "g"
    before = run_json(folder / "3")
    assert before["status"] == "running"
    assert (folder / "3" / "media" / "samples-55.png").exists()

    step, states = Group.restore(folder, (3, 7))
    assert step == 39
    assert [(state["step"], state["seed"], state["w"].tolist()) for state in states] == [
        (39, 3, [39] * 3),
        (39, 7, [39] * 3),
    ]
    again = Group.reopen(folder, (3, 7), step=step)
    assert not (folder / "3" / "media" / "samples-55.png").exists()
    assert (folder / "3" / "media" / "samples-35.png").exists()
    train(again, step + 1, 60)
    again.finish()

    for seed in ("3", "7"):
        ours, theirs = folder / seed, whole.path / seed
        assert without_time(lines(ours / "metrics.jsonl")) == without_time(lines(theirs / "metrics.jsonl"))
        assert lines(ours / "media" / "index.jsonl") == lines(theirs / "media" / "index.jsonl")
        assert history(ours) == history(theirs)
        assert len(history(ours)) == 60 + 2 * 6
        assert table(ours) == table(theirs)
        kept = [
            [(model["about"], model["aliases"], weights(model)) for model in models(f)]
            for f in (ours, theirs)
        ]
        assert kept[0] == kept[1]
        assert [(aliases, w) for _, aliases, w in kept[0]] == [
            ({"latest", "best"}, [39] * 3),
            ({"latest"}, [59] * 3),
        ]
        assert [alert["text"] for alert in told(ours, "alert")] == [
            "crashed: its process was gone; it goes on from env_step 39"
        ]
        assert told(theirs, "alert") == []
    after = run_json(folder / "3")
    assert after["wandb"]["id"] == before["wandb"]["id"]
    assert (after["status"], after["resumed"][0]["step"]) == ("finished", 39)
    assert after["started"] == before["started"]
    assert "continuing g at env_step 39" in capsys.readouterr().out
    assert Group.restore(folder, (3, 7))[0] == 59


def weights(model: dict[str, Any]) -> list[float]:
    """Of a model of what `train` saved."""
    _, state = load(model["files"]["checkpoints/last.safetensors"])
    found: list[float] = state["w"].tolist()
    return found


def test_resuming_at_another_step_is_refused(tmp_path: Path) -> None:
    made = group(tmp_path)
    train(made, 0, 20)
    made.finish()
    with pytest.raises(UserError, match="resumes at step 19, not at 5"):
        Group.reopen(made.path, made.seeds, step=5)
    fresh = group(tmp_path)
    fresh.finish()
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        Group.restore(fresh.path, (3, 7))


def test_five_seeds_open_and_close_quickly(tmp_path: Path) -> None:
    began = time.monotonic()
    made = group(tmp_path, OFFLINE, seeds=(0, 1, 2, 3, 4))
    made.log(1, {"loss/value": 1.0})
    made.finish()
    assert time.monotonic() - began < 10


def test_a_film_is_kept_and_told(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), np.uint8)
    imageio.mimwrite(tmp_path / "film.mp4", list(frames), fps=8)
    made = group(tmp_path, OFFLINE)
    made.video(4, "eval/film", 1, tmp_path / "film.mp4")
    made.finish()
    assert (made.path / "7" / "media" / "eval-film-4.mp4").read_bytes() == (
        tmp_path / "film.mp4"
    ).read_bytes()
    assert not list((made.path / "3" / "media").glob("*.mp4"))
    (row,) = history(made.path / "7")
    assert (row["env_step"], row["eval/film._type"]) == (4, "video-file")


def test_the_best_checkpoint_is_a_copy_of_its_own(tmp_path: Path) -> None:
    made = group(tmp_path)
    made.checkpoint(1, [{"w": 1}, {"w": 1}], best=True)
    made.checkpoint(2, [{"w": 2}, {"w": 2}], best=[False, True])
    made.checkpoint(3, [{"w": 3}, {"w": 3}])
    made.finish()
    kept = {
        seed: {path.stem: load(path) for path in (made.path / seed / "checkpoints").iterdir()}
        for seed in "37"
    }
    others = {"last": (3, {"w": 3}), "previous": (2, {"w": 2})}
    assert kept == {"3": {"best": (1, {"w": 1}), **others}, "7": {"best": (2, {"w": 2}), **others}}


def test_a_seed_that_is_complete_stays_so_when_the_others_are_stopped(tmp_path: Path) -> None:
    """For seeds trained one after the other: the first is done, the second is asked to stop."""
    made = group(tmp_path, OFFLINE)
    made.rows(6, [{"eval/return": 4.0}, {}])
    made.summary(0, {"final/return": 4.0})
    made.complete(0, best=(5, {"w": 1}), last=(6, {"w": 2}))
    made.rows(2, [{"eval/return": 9.0}, {"eval/return": 1.0}])
    made.finish("stopped", 130)
    three, seven = made.path / "3", made.path / "7"
    assert [run_json(folder)["status"] for folder in (three, seven)] == ["finished", "stopped"]
    assert [len(lines(folder / "metrics.jsonl")) for folder in (three, seven)] == [1, 1]
    assert load(three / "checkpoints" / "best.safetensors") == (5, {"w": 1})
    assert load(three / "checkpoints" / "last.safetensors") == (6, {"w": 2})
    assert json.loads((three / "summary.json").read_text())["final/return"] == 4.0
    assert not list((seven / "checkpoints").iterdir())
    codes = [next(r["exit"]["exit_code"] for r in records(f) if r["type"] == "exit") for f in (three, seven)]
    assert codes == [0, 130]
