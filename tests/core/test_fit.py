"""`lab train classifier`: the record, early stopping, folds, going on, and mistakes, through the real command."""

import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from core import fit
from core.averages import Averages
from core.cli import main as lab
from core.errors import UserError
from core.fitting import Fitting
from core.noise import Noise
from core.records import find
from core.run_folder import load
from core.task import Spec, divided, module_of
from core.tasks import classifier
from core.tasks.classifier import Classifier, Config
from tests.core.recorded import lines, without_time
from tests.killing import assert_equal_runs, different, kill_and_resume

QUICK = ["--hidden", "16", "--batch", "50", "--lr", "1e-2", "--wandb", "disabled", "--quiet"]
QUICK += ["--steps", "40", "--log-every", "5", "--eval-every", "10"]
WILD = [
    "--lr",
    "0.3",
    "--schedule",
    "constant",
    "--eval-every",
    "4",
    "--log-every",
    "4",
]  # soon over its best


def run(root: Path, *flags: str, name: str = "run", seeds: tuple[int, ...] = (0, 5)) -> int:
    given = ["--root", str(root), "--name", name, "--seeds", *map(str, seeds)]
    return fit.main(["classifier", *given, *QUICK, *flags])


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def rows(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(row["examples_seen"], row[name]) for row in lines(folder / "metrics.jsonl") if name in row]


def test_a_run_leaves_a_whole_record(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    for seed in "05":
        folder = tmp_path / "run" / seed
        told = json.loads((folder / "run.json").read_text())
        assert (told["suite"], told["algorithm"], told["task"]) == ("core", "classifier", "digits")
        assert (told["axis"], told["status"]) == ("examples_seen", "finished")
        assert [at for at, _ in rows(folder, "train/loss")] == [250 * k for k in range(1, 9)]
        assert [at for at, _ in rows(folder, "eval/loss")] == [500, 1000, 1500, 2000]
        assert [at for at, _ in rows(folder, "eval/test_accuracy")] == [2000]  # looked at once
        for (_, a), (_, b), (_, gap) in zip(
            *(rows(folder, f"{part}/loss") for part in ("eval", "fitted", "gap")), strict=True
        ):
            assert gap == pytest.approx(a - b)
        found = summary(folder)
        assert found["final/fit"] in ("fine", "under-fitting", "over-fitting")
        assert found["final/test_accuracy"] > 0.7  # chance is 0.1
        assert found["best"]["eval/loss"]["value"] == min(loss for _, loss in rows(folder, "eval/loss"))


def test_epochs_count_passes_through_the_examples_trained_on(tmp_path: Path) -> None:
    assert run(tmp_path, "--epochs", "2", "--eval-every", "0") == 0
    assert rows(tmp_path / "run" / "0", "eval/loss")[-1][0] == 2 * (1350 // 50) * 50  # 1500 less a tenth


def test_the_record_says_the_steps_that_epochs_came_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--epochs", "2", "--eval-every", "0"]
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        assert run(tmp_path, *flags) == 128 + signal.SIGTERM
    (record, _) = find(tmp_path, "run")
    assert (record.config["steps"], record.config["epochs"]) == (2 * 27, 2)
    assert run(tmp_path, *flags, "--resume", "auto") == 0, "the same command finds it again"
    assert (record.path.parent / "5" / "summary.json").exists()
    assert rows(tmp_path / "run" / "0", "eval/loss")[-1][0] == 54 * 50
    assert run(tmp_path, "--config", str(record.path / "config.yaml"), "--batch", "100", name="more") == 0
    assert find(tmp_path, "more")[0].config["steps"] == 2 * 13, "the passes are what stays"
    capsys.readouterr()
    assert lab(["runs", "--root", str(tmp_path)]) == 0
    assert "2,700 / 2,700" in capsys.readouterr().out


def stop_after(patch: pytest.MonkeyPatch, batches: int) -> None:
    """Someone asks to stop while that batch is made ready."""
    inner, taken = Classifier.prepared, []

    def prepared(self: Classifier, batch: Any, noise: Any) -> Any:
        taken.append(1)
        if len(taken) == batches:
            signal.raise_signal(signal.SIGTERM)
        return inner(self, batch, noise)

    patch.setattr(Classifier, "prepared", prepared)


@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_learns_the_same_alone_and_in_company(path: str, tmp_path: Path) -> None:
    flags = ["--path", path, "--augment", "shift=1", "noise=0.1", "--l2", "1e-4"]
    flags += ["--dropout", "0.2"] if path == "loop" else []
    assert run(tmp_path, *flags) == run(tmp_path, *flags, name="alone", seeds=(5,)) == 0
    both, alone = tmp_path / "run" / "5", tmp_path / "alone" / "5"
    assert without_time(lines(both / "metrics.jsonl")) == without_time(lines(alone / "metrics.jsonl"))
    states = [load(folder / "checkpoints" / "last.safetensors")[1] for folder in (both, alone)]
    assert different(*states) == []


# --- early stopping


def test_a_seed_that_stops_takes_its_best_weights_back(tmp_path: Path) -> None:
    assert run(tmp_path, "--steps", "400", "--patience", "3", *WILD) == 0
    ends = []
    for seed in "05":
        folder = tmp_path / "run" / seed
        curve = rows(folder, "eval/loss")
        trained = rows(folder, "train/loss")[-1][0]
        seen = [loss for at, loss in curve if at <= trained]
        best = int(np.argmin(seen))
        assert len(seen) == best + 1 + 3, "it stops at the third evaluation without a gain"
        assert all(loss == curve[best][1] for at, loss in curve if at > trained), "it rests at its best"
        found = summary(folder)
        assert found["final/loss"] == found["best"]["eval/loss"]["value"] == curve[best][1]
        ends.append((trained, curve[-1][0]))
    (one, last), (other, last_of_other) = ends
    assert one != other
    assert last == last_of_other == max(one, other) < 400 * 50, "the run ends when all have stopped"


def test_the_best_weights_return_also_when_the_steps_run_out(tmp_path: Path) -> None:
    assert run(tmp_path, "--steps", "150", "--patience", "99", *WILD) == 0
    assert run(tmp_path, "--steps", "150", *WILD, name="without") == 0
    for seed in "05":
        with_it, without = summary(tmp_path / "run" / seed), summary(tmp_path / "without" / seed)
        best = without["best"]["eval/loss"]
        assert best["step"] < 150 * 50, "the settings are too tame: the last weights are the best"
        assert with_it["final/loss"] == best["value"] < without["final/loss"]


def test_what_is_watched_and_baseline_and_gain(tmp_path: Path) -> None:
    assert run(tmp_path, "--patience", "2", "--monitor", "eval/accuracy", "--baseline", "1.5") == 0
    assert rows(tmp_path / "run" / "0", "train/loss")[-1][0] == 1000  # nothing beats 1.5: two evaluations
    assert run(tmp_path, "--patience", "2", "--min-delta", "9", name="gain") == 0
    assert rows(tmp_path / "gain" / "0", "train/loss")[-1][0] == 1500  # only the first of all gains 9


def test_batch_norm_of_a_seed_that_rests_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(classifier.NETS, "bn", normed)
    fitting = small(patience=2, net="bn")
    averages = Averages(2)
    for step in (1, 2):
        fitting.advance(averages)
        fitting.evaluate(step, False, lambda: None)
    first = fitting.stops[0]
    first.best = first._counted = -1.0  # nothing will be better: the first seed stops, the other goes on
    first.waited = 1
    fitting.advance(averages)
    fitting.evaluate(3, False, lambda: None)
    assert [stop.stopped for stop in fitting.stops] == [True, False]
    resting, weights = fitting.evaluate(4, False, lambda: None)["eval/loss"], fitting.task.net.matrix.clone()
    for _ in range(3):
        fitting.advance(averages)
    moved = (fitting.task.net.matrix != weights).any(1)
    assert moved.tolist() == [False, True]
    assert fitting.evaluate(7, False, lambda: None)["eval/loss"][0] == resting[0]


def normed(config: Config, shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(1), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))


def small(patience: int, net: str) -> Fitting:
    config = Config(batch=20, net=net, lr=0.01)
    options = fit.Options(steps=20, seeds=(0, 1), patience=patience)
    facts = {"threads": 1, "device": "cpu", "path": "loop", "compile": False}
    return fit.build("classifier", config, classifier.load(config), options, facts)[0]


# --- folds


def test_every_fold_starts_anew_and_all_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--folds", "3") == 0
    folders = [tmp_path / f"run-fold-{k}" for k in (1, 2, 3)]
    scores = [np.mean([summary(f / seed)["final/accuracy"] for seed in "05"]) for f in folders]
    *_, header, one, two, three, mean, deviation = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["fold", "loss", "accuracy"]
    shown = [float(line.split()[2]) for line in (one, two, three)]
    assert shown == pytest.approx(scores, abs=1e-4)
    assert float(mean.split()[2]) == pytest.approx(np.mean(scores), abs=1e-4)
    assert float(deviation.split()[2]) == pytest.approx(np.std(scores, ddof=1), rel=1e-3)
    config = Config()
    parts = [divided(classifier.load(config), 0.1, 3, k) for k in (1, 2, 3)]
    first = []
    for k, part in enumerate(parts, 1):
        held_out = np.bincount(part.validation[1]) / len(part.validation[1])
        everyone = np.bincount(part.train[1]) / len(part.train[1])
        assert np.abs(held_out - everyone).max() < 0.01  # classes alike
        name = f"fold {k} of 3"
        task = Classifier(Spec((0,), name), Config(hidden=(8,)), part)
        torch.testing.assert_close(task.mean.item(), part.train[0].mean() / 255, rtol=1e-5, atol=0)
        torch.testing.assert_close(task.deviation.item(), (part.train[0] / 255).std(), rtol=1e-5, atol=0)
        first.append(task.net.matrix.clone())
    assert not torch.equal(first[0], first[1])  # weights of its own


# --- what learning sees


def test_augmentation_and_smoothing_are_for_training_alone() -> None:
    config = Config(augment=("noise=0.5",), smoothing=0.3, hidden=(8,))
    examples = classifier.load(config)
    task = Classifier(Spec((0,)), config, divided(examples, 0.1))
    batch = tuple(torch.from_numpy(a[:9])[None] for a in task.train)
    seen, _ = task.prepared(batch, Noise((0,), "prepared"))
    assert not torch.equal(seen, task.scaled(batch[0].float() / 255))
    logits: Tensor = task.net(task.scaled(batch[0].float() / 255))
    plain = torch.nn.functional.cross_entropy(logits[0], batch[1][0])
    assert task.scores(batch)["loss"].item() == pytest.approx(plain.item(), rel=1e-6)


def test_dropout_keeps_the_mean_in_training_and_does_nothing_in_evaluation() -> None:
    config = Config(dropout=0.5, hidden=(8,))
    task = Classifier(Spec((0,)), config, divided(classifier.load(config), 0.1))
    images = task.scaled(torch.from_numpy(task.train[0][:3]).float() / 255)[None]
    assert torch.equal(task.net(images), task.net(images))
    torch.manual_seed(0)
    drawn = torch.nn.functional.dropout(torch.ones(100_000), 0.5)
    assert drawn.mean().item() == pytest.approx(1, abs=0.02)
    weights = {name: w[0] for name, w in task.net.weights().items()}
    many = torch.stack([task.net.apply(weights, images[0]) for _ in range(4000)])
    assert many.std(0).min() > 0
    torch.testing.assert_close(many.mean(0), task.net(images)[0], rtol=0.1, atol=0.1)


# --- going on


@pytest.mark.parametrize(
    "flags",
    [
        "--hidden 16 --dropout 0.1 --augment shift=1 noise=0.1",
        "--net conv --width 4 --patience 3 --lr 0.05 --schedule constant --momentum 0.9 --optimiser sgd",
    ],
)
def test_a_killed_run_resumed_equals_one_that_ran_through(flags: str, tmp_path: Path) -> None:
    often = (
        "--steps 120 --batch 20 --seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 10 --compile off"
    )
    argv = ["classifier", *flags.split(), *often.split(), "--wandb", "disabled"]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random(flags), kills=2)
    assert_equal_runs(killed.cut, killed.whole)


def test_asked_to_stop_in_mid_training_it_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, "--patience", "3", *WILD, name="whole") == 0
    inner, taken = Classifier.prepared, []

    def prepared(self: Classifier, batch: Any, noise: Any) -> Any:
        taken.append(1)
        if len(taken) == 17:
            signal.raise_signal(signal.SIGTERM)
        return inner(self, batch, noise)

    monkeypatch.setattr(Classifier, "prepared", prepared)
    assert run(tmp_path, "--patience", "3", *WILD) == 128 + signal.SIGTERM
    assert run(tmp_path, "--patience", "3", *WILD, "--resume", "auto") == 0
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


# --- mistakes


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--epochs 0", "--epochs is 0; it must be at least 1"),
        ("--epochs 1 --batch 2000", "takes 2000 examples, and 1350 are there"),
        ("--folds -1", "--folds is -1; 0 is none, 2 or more is a number"),
        ("--folds 1", "--folds is 1; 0 is none, 2 or more is a number"),
        ("--folds 2 --fold 0", "--fold is 0; of 2 folds it must be 1 to 2"),
        ("--folds 5000", "1500 rows cannot make 5000 folds; give from 2 to 1500"),
        (
            "--monitor eval/los",
            "no score is named 'eval/los'; --monitor takes one of eval/loss, eval/accuracy",
        ),
        ("--net resnet21", "unknown network 'resnet21'; did you mean 'resnet"),
        ("--net resnet20", "at least 28×28 pixels"),
        ("--batch 2000", "takes 2000 examples, and 1350 are there"),
        ("--augment shfit=2", "did you mean 'shift'"),
        ("--data nothing", "unknown data set 'nothing'"),
        ("--patience 0", "patience of 1 or more"),
        ("--dropout 1", "lies in 0 … 1"),
        ("--net conv --dropout 0.5 --path vmap", "use --path loop"),
        ("--schedule steps --lr-end 0", "positive ends"),
        ("--validation 1", "between 0 and 1"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(flags: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told.replace("'", ".").replace("(", ".")):
        run(tmp_path, *flags.split())
    assert list(tmp_path.iterdir()) == []


def test_the_verb_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lab(["train", "classifier", *QUICK, "--steps", "4", "--seeds", "0", "--name", "x"]) == 0
    assert lab(["resume", "x"]) == 0
    assert "finished already" in capsys.readouterr().out
    assert lab(["train", "classifier", "--folds", "2", "--fold", "3"]) == 2
    assert "of 2 folds it must be 1 to 2" in capsys.readouterr().err


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(UserError, match="has no labels"):
        module_of("classifier").load(Config(data=str(tmp_path / "x.npy")))


# --- a person's own data, and flags that do nothing


def test_labels_of_any_range_become_classes(tmp_path: Path) -> None:
    pixels = np.zeros((12, 8, 8), np.uint8)
    np.savez(tmp_path / "x.npz", images=pixels, labels=np.arange(12) % 3 * 1_000_000 + 7)
    found = classifier.load(Config(data=str(tmp_path / "x.npz")))
    assert found.classes == ("7", "1000007", "2000007")
    assert found.labels is not None
    assert set(found.labels.tolist()) | set(found.test[1].tolist()) == {0, 1, 2}
    names = sorted(found.classes[label] for label in (*found.train[1], *found.test[1]))
    assert [names.count(name) for name in found.classes] == [4, 4, 4]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.zeros(12, np.int64), "has one class, 0"),
        (np.arange(12) % 3 - 1, "images of no class"),
        (np.arange(12) % 3 / 2, "whole numbers"),
        (np.arange(5), "labels of shape"),
    ],
)
def test_labels_that_tell_nothing_are_refused(labels: np.ndarray, told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((12, 8, 8), np.uint8), labels=labels)
    with pytest.raises(UserError, match=told):
        classifier.load(Config(data=str(tmp_path / "x.npz")))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--hidden 9 --net conv", ["--hidden has no effect while --net is conv"]),
        ("--width 9 --net conv", []),
        ("--width 9 --net resnet8", []),
        ("--stride 2 --net mlp", ["--stride has no effect while --net is mlp"]),
        ("--momentum 0.5", ["--momentum has no effect while --optimiser is adam"]),
        ("--momentum 0.5 --optimiser sgd --clip-by value --clip 1", []),
        ("--clip-by value", ["--clip-by has no effect while --clip is not given"]),
        ("--fold 1", ["--fold has no effect while --folds is 0"]),
        ("--folds 2 --fold 1 --validation 0.2", ["--validation has no effect while --folds is 2"]),
        ("--min-delta 1", ["--min-delta has no effect while --patience is not given"]),
        ("--mode min --baseline 1 --patience 2", []),
        ("--steps 9 --epochs 1", ["--steps has no effect while --epochs is 1"]),
        ("--monitor eval/accuracy", []),  # it chooses the best checkpoint
    ],
)
def test_flags_that_do_nothing_are_told(flags: str, told: list[str]) -> None:
    examples = classifier.load(Config())
    assert fit.unused(fit.read("classifier", flags.split()), classifier, examples) == told


def test_a_cross_validation_that_was_stopped_goes_on_in_its_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--folds", "3", name="whole", seeds=(0,)) == 0
    *_, mean, _ = capsys.readouterr().out.splitlines()
    inner, taken = Classifier.prepared, []

    def prepared(self: Classifier, batch: Any, noise: Any) -> Any:
        taken.append(1)
        if len(taken) == 40 + 17:  # in the second fold
            signal.raise_signal(signal.SIGTERM)
        return inner(self, batch, noise)

    monkeypatch.setattr(Classifier, "prepared", prepared)
    assert run(tmp_path, "--folds", "3", name="cut", seeds=(0,)) == 128 + signal.SIGTERM
    assert "fold 2 of 3: the same command with --resume auto" in capsys.readouterr().out
    assert run(tmp_path, "--folds", "3", "--resume", "auto", name="cut", seeds=(0,)) == 0
    assert capsys.readouterr().out.splitlines()[-2] == mean
    assert len(taken) == 3 * 40, "nothing is trained twice"
    for fold in (1, 2, 3):
        assert_equal_runs(tmp_path / f"cut-fold-{fold}", tmp_path / f"whole-fold-{fold}")


def test_a_fold_that_was_killed_before_its_first_checkpoint_begins_anew_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--folds", "2", name="whole", seeds=(0,)) == 0
    inner, begun = Fitting.begin, []

    def begin(self: Fitting) -> None:
        begun.append(1)
        if len(begun) == 2:  # the second fold; its run folder is laid
            raise RuntimeError("killed")
        inner(self)

    with monkeypatch.context() as patch:
        patch.setattr(Fitting, "begin", begin)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path, "--folds", "2", name="cut", seeds=(0,))
    told = tmp_path / "cut-fold-2" / "0" / "run.json"
    alive = {**json.loads(told.read_text()), "status": "running"}
    told.write_text(json.dumps(alive))
    with pytest.raises(UserError, match="cut-fold-2 is still running"):
        run(tmp_path, "--folds", "2", "--resume", "auto", name="cut", seeds=(0,))
    told.write_text(json.dumps({**alive, "pid": 2**22 + 1}))  # no process has this number
    with pytest.raises(UserError, match="cut-fold-2 exists already"):  # of other settings: it is left alone
        run(
            tmp_path,
            "--folds",
            "2",
            "--fold",
            "2",
            "--lr",
            "1",
            "--resume",
            "auto",
            name="cut-fold-2",
            seeds=(0,),
        )
    assert run(tmp_path, "--folds", "2", "--resume", "auto", name="cut", seeds=(0,)) == 0
    assert "cut-fold-2 ended before its first checkpoint; it begins anew" in capsys.readouterr().out
    for fold in (1, 2):
        assert_equal_runs(tmp_path / f"cut-fold-{fold}", tmp_path / f"whole-fold-{fold}")


def test_a_folder_that_vanishes_while_pictures_are_looked_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cat", "dog", "owl"):
        (tmp_path / name).mkdir()
        for k in range(10):
            Image.fromarray(np.full((8, 8), 20 * k, np.uint8)).save(tmp_path / name / f"{k}.png")
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    inner = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("dog") and Path(path).exists():
            shutil.rmtree(path)
        return inner(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = classifier.load(Config(data=str(tmp_path)))
    assert found.classes == ("cat", "owl")
    (note,) = found.notes
    assert "2 of 22 files skipped" in note
    assert "dog (No such file or directory)" in note
    assert "cat/gone.png (No such file or directory)" in note


def test_an_array_that_is_damaged_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=np.arange(8000).reshape(-1, 8, 8) % 251, labels=np.arange(125) % 2)
    whole = bytearray(path.read_bytes())
    whole[60:90] = b"\xff" * 30
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"x\.npz is not a readable array of numbers"):
        classifier.load(Config(data=str(path)))
