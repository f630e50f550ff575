"""`lab eval` of supervised runs: the scores of the test part, seed by seed and class by class."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import fit
from core.cli import main as lab
from core.confusion import by_class, confusion, matrix
from core.evaluate import load
from core.records import find
from core.statistics import student_interval
from core.task import Batch

QUICK = [
    "--wandb",
    "disabled",
    "--quiet",
    "--steps",
    "30",
    "--eval-every",
    "10",
    "--name",
    "run",
    "--root",
    ".",
]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert fit.main(["classifier", *QUICK, "--seeds", "0", "5", "--hidden", "8", "--lr", "0.1"]) == 0
    return tmp_path / "run"


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert lab(["eval", "run", "--root", ".", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_last_checkpoint_scores_what_the_run_scored_at_its_end(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys)
    accuracy = [summary(trained / seed)["final/test_accuracy"] for seed in "05"]
    assert found["scores"]["test_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    loss = [summary(trained / seed)["final/test_loss"] for seed in "05"]
    assert found["scores"]["test_loss"] == pytest.approx(loss, abs=1e-12)
    assert (found["seeds"], found["examples_seen"], found["failed"]) == ([0, 5], [3000, 3000], [])
    assert list(found["means"]["test_accuracy"].values()) == pytest.approx(student_interval(accuracy))
    counts = np.array(found["confusion"])
    assert counts.shape == (2, 10, 10)
    assert counts.sum((1, 2)).tolist() == [found["test_rows"]] * 2 == [297] * 2
    right = counts.diagonal(axis1=1, axis2=2).sum(1) / 297
    assert right == pytest.approx(accuracy)


def test_the_best_checkpoint_is_another_one(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = [int(summary(trained / seed)["best"]["eval/loss"]["step"]) for seed in "05"]
    found = told(capsys, "--checkpoint", "best")
    assert found["examples_seen"] == at
    learned = load(find(".", "run"), "best")
    found_by_hand = learned.fitting.scores(learned.fitting.validation)["loss"]
    best = [summary(trained / seed)["best"]["eval/loss"]["value"] for seed in "05"]
    assert found_by_hand.tolist() == pytest.approx(best, abs=1e-12)


def test_a_table_for_people(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert lab(["eval", "run/5", "--root", "."]) == 0
    head, columns, row, loss, accuracy, empty, *classes = capsys.readouterr().out.splitlines()
    assert head == "run: 297 test rows of digits, last checkpoint"
    assert columns.split() == ["seed", "examples_seen", "loss", "accuracy"]
    assert row.split()[:2] == ["5", "3,000"]
    assert float(row.split()[3]) == pytest.approx(summary(trained / "5")["final/test_accuracy"], abs=1e-4)
    assert loss.startswith("loss, mean over seeds: ")
    assert accuracy.endswith("n = 1")
    assert (empty, len(classes)) == ("", 12)


def test_a_task_without_classes_says_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit.main(["forecast", *QUICK, "--seeds", "1", "--net", "mlp", "--width", "4"]) == 0
    found = told(capsys)
    final = summary(tmp_path / "run" / "1")
    for name in ("mae", "baseline_mae", "loss"):
        assert found["scores"][f"test_{name}"] == pytest.approx([final[f"final/test_{name}"]], abs=1e-12)
    assert found["scores"]["beats_last_value"] == [final["final/beats_last_value"]]
    assert "confusion" not in found
    assert "beats_last_value" not in found["means"]


@pytest.mark.parametrize(
    ("flags", "classes"),
    [
        ("bert --documents 20 --width 8 --heads 2 --layers 1", None),
        ("sequence --data digits --net rnn --width 8 --preset none --compile off", None),
        ("text-classifier --width 8 --heads 2 --layers 1 --labels 200", ["grazer", "hunter"]),
    ],
)
def test_every_other_task_scores_what_it_scored_at_its_end(
    flags: str,
    classes: list[str] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit.main([*flags.split(), *QUICK, "--seeds", "1", "4", "--batch", "8", "--steps", "4"]) == 0
    found, finals = told(capsys), [summary(tmp_path / "run" / seed) for seed in "14"]
    shown = {name.removeprefix("final/") for name in finals[0] if name.startswith("final/test_")}
    assert set(found["scores"]) == shown
    for name in shown:
        assert found["scores"][name] == pytest.approx([f[f"final/{name}"] for f in finals], abs=1e-6)
    assert found.get("classes") == classes


def test_a_seed_that_failed_is_shown_and_left_out_of_the_mean(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained / "5" / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"status": "failed"}))
    found = told(capsys)
    assert found["failed"] == [5]
    assert found["means"]["test_loss"]["mean"] == found["scores"]["test_loss"][0]
    assert lab(["eval", "run", "--root", "."]) == 0
    assert "5 (failed)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gone", "why"),
    [("checkpoints/last.safetensors", "has no checkpoint yet"), ("config.yaml", "config.yaml")],
)
def test_what_cannot_be_evaluated_is_said_in_a_line(
    gone: str, why: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in trained.glob("*/checkpoints/*" if "last" in gone else f"*/{gone}"):
        path.unlink()
    capsys.readouterr()
    assert lab(["eval", "run", "--root", "."]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1


# --- class by class


class Told:
    """Takes rows for what their first array says, by seed plus that."""

    classes = ("cat", "dog", "owl", "never")

    def guesses(self, batch: Batch) -> Tensor:
        given: Tensor = (batch[0] + torch.arange(len(batch[0]))[:, None]) % 3
        return given


def test_counts_worked_by_hand() -> None:
    said, truth = torch.tensor([0, 0, 1, 2, 0]), torch.tensor([0, 0, 0, 2, 1])
    counts = confusion(Told(), (said, truth), 2)
    first = [[2, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    second = [[0, 2, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]  # each says one class further
    assert counts.tolist() == [first, second]
    columns = {name: column.tolist() for name, column in by_class(counts[0], Told.classes).items()}
    assert columns == {
        "class": ["cat", "dog", "owl"],
        "examples": [3, 1, 1],
        "accuracy": [2 / 3, 0.0, 1.0],
        "mostly taken for": ["dog (1)", "cat (1)", ""],
    }
    assert [line.split() for line in matrix(counts[0], Told.classes)] == [
        ["class", "accuracy", "0", "1", "2", "3"],
        ["0", "cat", "66.7", "%", "66.7", "33.3", "·", "·"],
        ["1", "dog", "0.0", "%", "100.0", "·", "·", "·"],
        ["2", "owl", "100.0", "%", "·", "·", "100.0", "·"],
    ]
