"""What W&B is told beside the rows: best and last scores, episodes, models, alerts; read with wandb's own reader."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.destination import WandB
from core.errors import UserError
from core.run_folder import load
from core.tracking import Group
from tests.core.recorded import OFFLINE, group, lines, models, python, run_json, summary, table, told


def test_of_a_score_the_best_and_the_last_are_shown(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE)
    for step, value in enumerate([1.0, 5.0, 3.0]):
        made.log(step, {"eval/return": value, "eval/regret": value, "eval/length": value, "loss/td": value})
    made.summary(0, {"best": {"eval/return": {"value": 5.0, "step": 1}}, "final/return": 3.0})
    made.finish()
    seen = summary(made.path / "3")
    assert seen["eval/return"] == {"max": 5, "last": 3}
    assert seen["eval/regret"] == {"min": 1, "last": 3}
    assert (seen["eval/length"], seen["loss/td"]) == (3, 3)  # which way is better nobody knows
    assert seen["best"]["eval/return"] == {"value": 5, "step": 1}  # W&B's column best.eval/return.value
    assert seen["final/return"] == 3
    assert "final/return" not in summary(made.path / "7")


def test_episodes_are_one_table_of_all_evaluations(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE)
    first = {"greedy": np.array([True, False]), "return": np.array([1.5, math.nan])}
    made.table(10, "episodes", [first, {"greedy": np.array([True]), "return": np.array([9.0])}])
    made.table(20, "episodes", [{"greedy": np.array([False]), "return": np.array([2.0])}, {}])
    made.finish()
    index = lines(made.path / "3" / "media" / "index.jsonl")
    assert index[0] == {
        "row": 0, "env_step": 10, "kind": "table", "name": "episodes", "columns": ["greedy", "return"],
        "rows": [[True, 1.5], [False, "NaN"]],
    }  # fmt: skip
    assert index[1]["rows"] == [[False, 2.0]]
    seen = table(made.path / "3")
    assert seen["columns"] == ["env_step", "greedy", "return"]
    assert str(seen["data"]) == "[[10, True, 1.5], [10, False, nan], [20, False, 2.0]]"
    assert table(made.path / "7")["data"] == [[10, True, 9.0]]
    assert told(made.path / "3", "history") == []  # of tables W&B's history knows nothing


def state(step: int) -> dict[str, object]:
    """Ten numbers that were learnt, and what they were learnt from: 8 MB."""
    return {
        "agent": {"net": np.full(10, step), "replay": np.zeros(1_000_000), "rollout": {"steps": [np.ones(9)]}}
    }


def test_the_best_and_the_newest_model_are_versions_of_one_artifact(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE)
    for step in (10, 20):
        made.log(step, {"eval/return": np.array([30.0 - step, step])})
        made.checkpoint(step, [state(step)] * 2, best=[step == 10, True])
    made.summary(0, {"best": {"eval/return": {"value": 20.0, "step": 10}}})
    made.finish()
    best, latest = models(made.path / "3")
    (both,) = models(made.path / "7")
    assert "best" in best["aliases"]
    assert (latest["aliases"], both["aliases"]) == ({"latest"}, {"best", "latest"})
    assert best["name"] == latest["name"] == f"model-{run_json(made.path / '3')['wandb']['id']}"
    assert best["about"] == {
        "algorithm": "ppo", "task": "CartPole-v1", "seed": 3, "status": "finished", "axis": "env_step",
        "step": 10, "metric": "eval/return", "value": 20,
    }  # fmt: skip
    assert (latest["about"]["step"], latest["about"]["value"]) == (20, 10)
    assert set(best["files"]) == {"run.json", "config.yaml", "summary.json", "checkpoints/last.safetensors"}
    step, kept = load(best["files"]["checkpoints/last.safetensors"])
    assert (step, kept["agent"]["net"].tolist()) == (10, [10] * 10)
    assert (kept["agent"]["replay"], kept["agent"]["rollout"]) == (None, None)
    spent = sum(file.stat().st_size for file in (made.path / "3" / "wandb").rglob("*") if file.is_file())
    assert spent < 200_000  # the two checkpoints have 8 MB each


def test_a_model_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = group(Path("runs"), OFFLINE, seeds=(3,))
    made.checkpoint(10, [state(10)])
    made.finish()
    folder = made.path.resolve() / "3"
    monkeypatch.chdir("/")
    (model,) = models(folder)
    assert all(file.is_file() for file in model["files"].values()), model["files"]


def test_a_model_cannot_be_trained_on(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE, seeds=(3,))
    made.checkpoint(10, [state(10)])
    made.finish("stopped", 130)
    (model,) = models(made.path / "3")
    shutil.copytree(model["files"]["run.json"].parent, tmp_path / "fetched" / "3")
    with pytest.raises(
        UserError, match="a trained model alone, not what training goes on from; use `lab eval`"
    ):
        Group.reopen(tmp_path / "fetched", (3,), step=10)


@pytest.mark.parametrize(("limit", "said"), [(0.0001, 1), (0.0, 0)])
def test_a_large_model_stays_on_disk(
    tmp_path: Path, limit: float, said: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = group(tmp_path, WandB(wandb="offline", wandb_model_mb=limit), seeds=(3,))
    made.checkpoint(10, [{"agent": {"net": np.zeros(100)}}])
    made.finish()
    assert models(made.path / "3") == []
    assert (
        capsys.readouterr().out.count("W&B does not get it: last.safetensors has more than 0.0001 MB") == said
    )
    assert [exit["exit_code"] for exit in told(made.path / "3", "exit")] == [0]


def test_a_broken_checkpoint_costs_the_model_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = group(tmp_path, OFFLINE, seeds=(3,))
    made.log(1, {"eval/return": 1.0})
    made.checkpoint(10, [{"w": np.zeros(100)}])
    (made.path / "3" / "checkpoints" / "last.safetensors").write_bytes(b"half")
    made.finish()
    assert models(made.path / "3") == []
    assert "W&B gets no model: UserError: checkpoint" in capsys.readouterr().out
    assert summary(made.path / "3")["eval/return"] == {"max": 1, "last": 1}


def test_a_failure_is_an_alert_told_once(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE, seeds=(0, 1, 2))
    made.checkpoint(4, [{"w": 1}] * 3)
    made.log(5, {"loss/value": np.array([1.0, math.nan, 2.0])})
    made.log(6, {"loss/value": math.nan, "train/loss": math.inf})
    made.finish("crashed", 1, "RuntimeError")  # nobody is left to hear it
    for seed, text in enumerate(["nan at env_step 6", "nan at env_step 5", "nan at env_step 6"]):
        (alert,) = told(made.path / str(seed), "alert")
        assert (alert["level"], alert["text"]) == ("ERROR", f"failed: loss/value is {text}")
        assert alert["title"] == f"ppo on CartPole-v1, seed {seed}"
        assert [model["about"]["status"] for model in models(made.path / str(seed))] == ["failed"]


@pytest.mark.parametrize(
    ("status", "error", "texts"),
    [("crashed", "out of memory", ["crashed: out of memory"]), ("stopped", None, []), ("finished", None, [])],
)
def test_only_what_went_wrong_is_an_alert(tmp_path: Path, status: str, error: str, texts: list[str]) -> None:
    made = group(tmp_path, OFFLINE, seeds=(3,))
    made.checkpoint(1, [{"w": 1}])
    made.finish(status, 0, error)
    assert [alert["text"] for alert in told(made.path / "3", "alert")] == texts
    again = Group.reopen(made.path, (3,), step=1)  # it was told: not again, though W&B's copy is new
    again.finish()
    assert [alert["text"] for alert in told(made.path / "3", "alert")] == texts
    assert [alert["text"] for alert in run_json(made.path / "3").get("alerts", [])] == texts


def test_nothing_is_kept_for_a_wandb_that_is_off(tmp_path: Path) -> None:
    made = group(tmp_path, WandB(wandb="disabled"), seeds=(3,))
    made.checkpoint(1, [{"w": 1}])
    made.finish("crashed", 1, "why")
    assert "alerts" not in run_json(made.path / "3")
    assert list((made.path / "3" / "wandb").iterdir()) == []


def test_a_dead_wandb_costs_neither_the_table_nor_the_models_nor_the_alert(tmp_path: Path) -> None:
    ran = python(f"""
        import os, signal, subprocess, time
        from pathlib import Path
        import numpy as np
        from tests.core.recorded import OFFLINE, group
        made = group(Path({str(tmp_path)!r}), OFFLINE, name="g")
        made.log(1, {{"eval/return": 2.0}})
        made.table(1, "episodes", [{{"return": np.array([2.0])}}] * 2)
        made.checkpoint(1, [{{"w": np.ones(3)}}] * 2, best=True)
        made.summary(0, {{"best": {{"eval/return": {{"value": 2.0, "step": 1}}}}}})
        listed = subprocess.run(["ps", "-wweo", "pid,args"], capture_output=True, text=True).stdout
        ours = [r for r in listed.splitlines() if "wandb-core" in r and f"--pid {{os.getpid()}}" in r]
        os.kill(int(ours[0].split()[0]), signal.SIGKILL)
        time.sleep(0.2)
        made.fail(1, "it must", 1)
        made.finish()
    """)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert sum("W&B failed" in line for line in ran.stdout.splitlines()) == 1
    three, seven = tmp_path / "g" / "3", tmp_path / "g" / "7"
    for folder in (three, seven):
        assert table(folder)["data"] == [[1, 2.0]]
        assert [model["aliases"] for model in models(folder)] == [{"best", "latest"}]
        assert summary(folder)["eval/return"] == {"max": 2, "last": 2}
    assert summary(three)["best"]["eval/return"] == {"value": 2, "step": 1}
    assert told(three, "alert") == []
    assert [alert["text"] for alert in told(seven, "alert")] == ["failed: it must at env_step 1"]


def test_tags_and_notes_may_be_said_anew_when_it_goes_on(tmp_path: Path) -> None:
    made = group(tmp_path, OFFLINE, seeds=(3,), tags=["a"], notes="first")
    made.checkpoint(1, [{}])
    made.finish("stopped", 130)
    written = {"tags": ["b", "kept"], "notes": "by hand"}
    (made.path / "3" / "annotations.json").write_text(json.dumps(written))
    again = Group.reopen(made.path, (3,), step=1)
    again.finish("stopped", 130)
    (run,) = told(made.path / "3", "run")
    assert (sorted(run["tags"]), run["notes"]) == (["b", "kept"], "by hand")
    (made.path / "3" / "annotations.json").unlink()
    last = Group.reopen(made.path, (3,), step=1, wandb=WandB(wandb_tags=("c",), wandb_notes="second"))
    last.finish()
    (run,) = told(made.path / "3", "run")
    assert (sorted(run["tags"]), run["notes"]) == (["a", "c"], "second")
    assert (run_json(made.path / "3")["tags"], run_json(made.path / "3")["notes"]) == (["a", "c"], "second")
