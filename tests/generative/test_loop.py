"""What training promises when it is stopped, killed or goes wrong at the moments where that is hardest."""

import json
import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core import records
from core.run_folder import load
from generative import data, train
from generative.trainers import vae
from tests.core.recorded import lines, run_json
from tests.generative.test_train import pixels, rows, run, stop_after
from tests.killing import assert_equal_runs


def saved(folder: Path, which: str = "last") -> tuple[int, Any]:
    return load(folder / "checkpoints" / f"{which}.safetensors")


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def resume(group: Path) -> int:
    return train.resume(records.find(group.parent, group.name), ["--quiet"])


def evaluations(monkeypatch: pytest.MonkeyPatch, *, stop_in: int = 0, bounds: Sequence[Any] = ()) -> None:
    """Have that evaluation meet a SIGTERM, or each one find these bounds instead of its own."""
    inner, given, count = vae.VAE.evaluate, iter(bounds), iter(range(1, 1000))

    def evaluate(self: vae.VAE, images: Tensor, noise: Any) -> dict[str, Tensor]:
        if next(count) == stop_in:
            signal.raise_signal(signal.SIGTERM)
        found = inner(self, images, noise)
        return {**found, "eval/bound": torch.tensor(next(given))} if bounds else found

    monkeypatch.setattr(vae.VAE, "evaluate", evaluate)


def poison(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Show the second seed a picture of NaN at that step."""
    inner, count = data.Batches.next, iter(range(1, 1000))

    def poisoned(self: data.Batches) -> Tensor:
        batch = inner(self)
        if next(count) == step:
            batch[1] = math.nan
        return batch

    monkeypatch.setattr(data.Batches, "next", poisoned)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group that ran through."""
    root = tmp_path_factory.mktemp("whole")
    assert run(root, "--steps", "20", name="whole") == 0
    return root / "whole"


def test_killed_between_its_last_checkpoint_and_its_end_it_ends_once(tmp_path: Path, whole: Path) -> None:
    """The last evaluation is recorded after the last checkpoint; going on from there records it once more."""
    assert run(tmp_path, "--steps", "20") == 0
    group = tmp_path / "run"
    for file in group.glob("*/run.json"):
        file.write_text(file.read_text().replace('"status": "finished"', '"status": "crashed"'))
    for seed in "05":
        (group / seed / "summary.json").unlink()
    assert resume(group) == 0
    assert_equal_runs(group, whole)
    for seed in "05":
        assert [row["examples_seen"] for row in rows(group / seed) if "eval/bound" in row] == [200, 400]
        assert pixels(group / seed) == pixels(whole / seed)


@pytest.mark.parametrize(("which", "step", "seen"), [(1, 10, []), (2, 20, [200])])
def test_it_stops_within_an_evaluation_too(
    which: int, step: int, seen: list[int], tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        evaluations(patch, stop_in=which)
        assert run(tmp_path, "--steps", "20") == 143
    group = tmp_path / "run"
    for seed in "05":
        assert run_json(group / seed)["status"] == "stopped"
        place, state = saved(group / seed)
        assert (place, state["step"], state["evaluated"]) == (20 * step, step, 10 * (which - 1))
        assert [row["examples_seen"] for row in rows(group / seed) if "eval/bound" in row] == seen
        assert "final/bound" not in summary(group / seed)
        assert ("best" in summary(group / seed)) == (which == 2)
    assert resume(group) == 0
    assert_equal_runs(group, whole)


def test_the_best_is_kept_when_no_checkpoint_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated at steps 4, 8, 12 and 15, the first two times before and the others after it was stopped."""
    bounds = [[30.0, 9.0], [10.0, 7.0], [20.0, math.nan], [10.0, 6.5]]
    often = ["--steps", "15", "--eval-every", "4", "--checkpoint-every", "1000"]
    with monkeypatch.context() as patch:
        evaluations(patch, bounds=bounds[:2])
        stop_after(patch, 10)
        assert run(tmp_path, *often) == 143
    group = tmp_path / "run"
    for seed in "05":
        assert (saved(group / seed)[0], saved(group / seed, "best")[0]) == (200, 160)
    with monkeypatch.context() as patch:
        evaluations(patch, bounds=bounds[2:])
        assert resume(group) == 0
    for seed, step, value in (("0", 8, 10.0), ("5", 15, 6.5)):
        place, state = saved(group / seed, "best")
        assert (place, state["trainer"]["updates"]) == (20 * step, step)
        assert summary(group / seed)["best"] == {"eval/bound": {"value": value, "step": 20 * step}}


def test_a_failed_seed_has_no_final_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, 13)
    assert run(tmp_path, "--steps", "20") == 1
    good, bad = (tmp_path / "run" / seed for seed in "05")
    assert {"final/bound", "best"} <= summary(good).keys()
    assert [name for name in summary(bad) if name.startswith("final/")] == []
    assert summary(bad)["best"]["eval/bound"]["step"] == 200
    assert [row["examples_seen"] for row in lines(bad / "metrics.jsonl") if "eval/bound" in row] == [200]
    assert resume(tmp_path / "run") == 0  # says that there is nothing to do
    assert run_json(bad)["status"] == "failed"


def test_when_every_seed_fails_the_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = data.Batches.next
    monkeypatch.setattr(data.Batches, "next", lambda self: inner(self) * math.nan)
    assert run(tmp_path, "--steps", "20") == 1
    for seed in "05":
        assert run_json(tmp_path / "run" / seed)["error"] == "train/bound is nan at examples_seen 60"
        assert saved(tmp_path / "run" / seed)[0] == 0


def test_it_can_be_resumed_from_its_first_moment(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: vae.VAE, batch: Tensor) -> dict[str, Tensor]:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(vae.VAE, "step", broken)
        with pytest.raises(RuntimeError):
            run(tmp_path, "--steps", "20")
    group = tmp_path / "run"
    assert {run_json(group / seed)["status"] for seed in "05"} == {"crashed"}
    assert [saved(group / seed)[0] for seed in "05"] == [0, 0]
    assert resume(group) == 0
    assert_equal_runs(group, whole)


@pytest.mark.parametrize(
    ("often", "died"),
    [
        (["--checkpoint-every", "5", "--eval-every", "0"], 300),
        (["--checkpoint-every", "0", "--eval-every", "7"], 280),
    ],
)
def test_a_loss_that_is_no_number_is_seen_before_a_checkpoint(
    often: list[str], died: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row is due before the end; the checkpoint or the evaluation that comes first does not wait for it."""
    poison(monkeypatch, 13)
    assert run(tmp_path, "--steps", "20", "--log-every", "0", *often) == 1
    good, bad = (tmp_path / "run" / seed for seed in "05")
    assert run_json(bad)["error"] == f"train/bound is nan at examples_seen {died}"
    scored = [row["examples_seen"] for row in rows(bad) if "eval/bound" in row]
    assert scored == ([] if died == 300 else [140])
    place, state = saved(bad)
    assert place == (200 if died == 300 else 140)
    assert all(weight.isfinite().all() for weight in state["trainer"]["net"]["weights"].values())
    assert (saved(good)[0], run_json(good)["status"]) == (400, "finished")


def test_the_summary_says_what_was_best_and_when(whole: Path) -> None:
    for seed in "05":
        found = [row for row in lines(whole / seed / "metrics.jsonl") if "eval/bound" in row]
        best = min(found, key=lambda row: float(row["eval/bound"]))
        expected = {"value": best["eval/bound"], "step": best["examples_seen"]}
        assert summary(whole / seed)["best"] == {"eval/bound": expected}
        assert saved(whole / seed, "best")[0] == best["examples_seen"]
