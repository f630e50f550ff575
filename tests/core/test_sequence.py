"""`lab train sequence`: losses by hand, what counts where, every network, going on exactly, and mistakes."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core import fit, puzzles
from core.errors import UserError
from core.networks.readers import READERS
from core.networks.recurrent import CELLS
from core.places import last_of, mean_where
from core.run_folder import load as load_state
from core.task import Parts, Rows, Spec, Telling, divided
from core.tasks.sequence import Config, Sequence, load
from tests.core.recorded import lines, without_time
from tests.killing import assert_equal_runs, different, kill_and_resume

QUICK = ["--width", "8", "--batch", "10", "--wandb", "disabled", "--quiet", "--preset", "none"]
QUICK += ["--steps", "20", "--log-every", "10", "--eval-every", "10", "--compile", "off"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzles, "SIZES", {"train": 60, "validation": 10, "test": 20})


def run(root: Path, *flags: str, name: str = "run", seeds: tuple[int, ...] = (0, 5)) -> int:
    given = ["--root", str(root), "--name", name, "--seeds", *map(str, seeds)]
    return fit.main(["sequence", *given, *QUICK, *flags])


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def task(*, seeds: tuple[int, ...] = (0,), **settings: Any) -> Sequence:
    config = Config(**{"width": 8, "batch": 10, **settings})
    return Sequence(Spec(seeds), config, divided(load(config), 0.1))


def batch(rows: Rows, count: int = 6, seeds: int = 1) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(a[:count]).expand(seeds, count, *a.shape[1:]) for a in rows)


# --- what counts


def test_a_mean_over_places_and_the_last_of_them_by_hand() -> None:
    places = torch.tensor([[True, True, True, False], [False, True, False, False]])
    values = torch.tensor([[1.0, 2.0, 6.0, 100.0], [50.0, 4.0, 50.0, 50.0]])
    assert mean_where(places, values).tolist() == [3, 4]
    assert last_of(places, 2).tolist() == [[False, True, True, False], [False, True, False, False]]
    assert last_of(places, 1).tolist() == [[False, False, True, False], [False, True, False, False]]


def test_the_loss_is_a_mean_over_each_sequences_own_places() -> None:
    """Sure and right costs 0.0067 = ln(1 + e⁻⁵), sure and wrong 5.0067."""
    found = task(data="parity", length=4)
    said = 5.0 * torch.nn.functional.one_hot(torch.tensor([[0, 1, 0, 1], [1, 1, 1, 1]]), 2)
    answers = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1]], dtype=torch.uint8)
    asked = torch.tensor([[True, True, True, False], [True, False, False, False]])
    right, wrong = math.log1p(math.exp(-5)), 5 + math.log1p(math.exp(-5))
    assert found.error(said, answers, asked).tolist() == pytest.approx([(2 * right + wrong) / 3, wrong])


def test_adding_is_squared_error_of_the_last_step_alone() -> None:
    found = task(data="adding", length=3)
    said, answers = torch.tensor([[[9.0], [9], [1.5]]]), torch.tensor([[0.0, 0, 1]])
    assert found.error(said, answers, answers > 0).tolist() == [0.25]


def test_accuracy_counts_the_last_ten_of_copying_and_exact_whole_sequences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = task(data="copy", length=2)
    rows = batch(found.validation, 4)
    said = 9.0 * torch.nn.functional.one_hot(rows[1].long(), 9).float()
    said[0, 0, 3] = said[0, 1, 15] = said[0, 2, 21] = torch.eye(9)[
        8
    ]  # a blank's place, a symbol, the last one
    said[0, 0, 3, 8], said[0, 0, 3, 0] = 0, 1
    monkeypatch.setattr(found, "net", lambda read: said)
    scores = found.scores(rows)
    assert scores["accuracy"].item() == pytest.approx((10 + 9 + 9 + 10) / 40)
    assert scores["exact"].item() == 0.5  # a blank that is wrong is not held against the first
    assert scores["accuracy_last"].item() == 0.75
    assert scores["baseline_loss"].item() == pytest.approx(10 * math.log(8) / 22)


def test_what_stands_behind_the_end_changes_nothing() -> None:
    found = task(data="parity", length=12)
    read, answers, asked = batch(found.validation, 10)
    assert not asked.all()
    other = torch.where(asked.unsqueeze(-1), read.float(), 7.0)
    for name, value in found.scores((read, answers, asked)).items():
        assert torch.equal(
            found.scores((other, 1 - answers * asked + 0 * read[..., 0], asked))[name], value
        ) or (name != "baseline_loss")
    kept = torch.where(asked, answers, 1 - answers)
    assert torch.equal(
        found.scores((other, kept, asked))["loss"], found.scores((read, answers, asked))["loss"]
    )


@pytest.mark.parametrize("net", READERS)
@pytest.mark.parametrize("data", ["copy", "strings"])
def test_every_network_by_name_learns_something(net: str, data: str) -> None:
    if data == "strings" and net not in ("rnn", "lstm", "peephole-fgr"):
        return
    found = task(data=data, net=net, length=None if data == "strings" else 1, width=8, lr=1e-2, clip=1.0)
    rows = batch(found.train, 20)
    first = found.scores(rows)["loss"].item()
    for _ in range(15):
        found.net.step(found.loss, *rows, lr=1e-2)
    assert found.scores(rows)["loss"].item() < 0.97 * first


def test_no_answer_depends_on_what_comes_later() -> None:
    for net in ("lstm", "transformer"):
        found = task(data="copy", net=net, length=2)
        read = torch.from_numpy(found.validation[0][:2]).float()[None]
        later = read.clone()
        later[:, :, 9:] = read[:, :, 9:].flip(-1)
        torch.testing.assert_close(found.net(read)[:, :, :9], found.net(later)[:, :, :9])
        assert not torch.allclose(found.net(read)[:, :, 9:], found.net(later)[:, :, 9:])


def test_a_forget_gate_begins_where_it_is_told() -> None:
    body = task(data="adding", length=4, layers=2, forget_bias=3.5).net.modules[0].get_submodule("net.body")
    for layer in body.children():
        for cell in layer.children() if isinstance(layer, torch.nn.ModuleList) else ():
            bias = cell.get_parameter("input.bias")
            assert bias.tolist() == [0.0] * 8 + [3.5] * 8 + [0.0] * 16


@pytest.mark.parametrize("net", ["lstm", "gru", "peephole", "transformer"])
def test_cut_off_back_propagation(net: str) -> None:
    """Nothing changes from the sequence's length on; before, the loss is the same and the gradient another."""
    whole, alike, cut = (task(data="copy", net=net, length=5, tbptt=k) for k in (0, 25, 4))
    rows = batch(whole.train, 10)
    losses = [each.net.step(each.loss, *rows, lr=0.0)["loss"].item() for each in (whole, alike, cut)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    one, same, other = (each.net.gradient for each in (whole, alike, cut))
    torch.testing.assert_close(one, same)
    assert (one - other).norm() > 0.01 * one.norm()


def test_dropout_is_for_learning_alone() -> None:
    found = task(data="copy", length=2, layers=2, dropout=0.5, seeds=(0, 1))
    rows = batch(found.train, seeds=2)
    assert torch.equal(found.scores(rows)["loss"], found.scores(rows)["loss"])
    one, other = (found.net.step(found.loss, *rows, lr=0.0)["loss"] for _ in range(2))
    assert not torch.equal(one, other)


# --- what is told


def test_a_run_leaves_a_whole_record_and_a_picture_of_its_gradients(tmp_path: Path) -> None:
    assert run(tmp_path, "--data", "adding", "--length", "12", "--layers", "2") == 0
    for seed in "05":
        folder = tmp_path / "run" / seed
        told, found = json.loads((folder / "run.json").read_text()), summary(folder)
        assert (told["suite"], told["algorithm"], told["task"]) == ("core", "sequence", "adding-12")
        assert found["final/baseline_loss"] == pytest.approx(1 / 6)
        assert 0 < found["final/test_loss"] < 10
        assert "final/accuracy" not in found
        pictures = sorted((folder / "media").glob("gradient_flow-*.png"))
        assert len(pictures) == 2
        drawn = np.asarray(Image.open(pictures[0]).convert("RGB")).astype(int)
        assert (drawn.max(-1) - drawn.min(-1) > 60).sum() > 100, "a coloured line is there"
    assert isinstance(task(data="adding", length=5), Telling)


@pytest.mark.parametrize("flags", ["--data strings", "--data copy --length 1 --net transformer"])
def test_what_has_no_gradient_through_time_to_show_shows_none(flags: str, tmp_path: Path) -> None:
    assert run(tmp_path, *flags.split()) == 0
    assert not list((tmp_path / "run" / "0" / "media").glob("gradient_flow*"))
    assert 0 <= summary(tmp_path / "run" / "0")["final/test_exact"] <= 1


def test_parity_is_tested_on_sequences_five_times_as_long() -> None:
    found = task(data="parity", length=7)
    assert found.validation[0].shape[1] == 7
    assert found.test[0].shape[1] == 35


def test_folds_and_early_stopping(tmp_path: Path) -> None:
    flags = ["--data", "parity", "--length", "5"]
    assert run(tmp_path, *flags, "--folds", "2", seeds=(0,)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-fold-1", "run-fold-2"]
    more = ["--patience", "1", "--monitor", "eval/accuracy", "--baseline", "2"]
    assert run(tmp_path, *flags, *more, name="stops", seeds=(0,)) == 0
    trained = [row for row in lines(tmp_path / "stops" / "0" / "metrics.jsonl") if "train/loss" in row]
    assert trained[-1]["examples_seen"] == 100  # nothing beats an accuracy of 2: one evaluation


def test_folds_deal_out_what_was_there_to_choose_by() -> None:
    config = Config(data="parity", length=5)
    parts: list[Parts] = [divided(load(config), 0.1, 7, k) for k in (1, 2)]
    assert [len(part.validation[0]) for part in parts] == [10, 10]
    assert [len(part.train[0]) for part in parts] == [60, 60]
    assert not np.array_equal(parts[0].validation[0], parts[1].validation[0])


# --- alone, in company, and going on


@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize(
    "flags",
    ["--data parity --length 6 --net gru --tbptt 4", "--data adding --length 6 --net transformer",
     "--data parity --length 6 --layers 2 --dropout 0.3", "--data strings"],
)  # fmt: skip
def test_a_seed_learns_the_same_alone_and_in_company(path: str, flags: str, tmp_path: Path) -> None:
    if path == "vmap" and "dropout" in flags:
        return
    words = [*flags.split(), "--path", path]
    assert run(tmp_path, *words) == run(tmp_path, *words, name="alone", seeds=(5,)) == 0
    both, alone = tmp_path / "run" / "5", tmp_path / "alone" / "5"
    assert without_time(lines(both / "metrics.jsonl")) == without_time(lines(alone / "metrics.jsonl"))
    states = [load_state(folder / "checkpoints" / "last.safetensors")[1] for folder in (both, alone)]
    assert different(*states) == []


@pytest.mark.slow
def test_a_killed_run_resumed_equals_one_that_ran_through(tmp_path: Path) -> None:
    often = "--steps 120 --batch 20 --seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 30"
    flags = "--data parity --length 8 --layers 2 --dropout 0.2 --width 4 --compile off --wandb disabled"
    argv = ["sequence", *often.split(), *flags.split(), "--preset", "none"]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random("sequence"), kills=1)
    assert_equal_runs(killed.cut, killed.whole)


# --- mistakes


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--data addign", "unknown data set 'addign'; did you mean 'adding'"),
        ("--net lsmt", "unknown network 'lsmt'; did you mean 'lstm'"),
        (
            "--data digits --length 10",
            "the length of digits is fixed; adding, copy, copy-tcn, parity take one",
        ),
        ("--data adding --length 1", "adding wants at least 2"),
        ("--data adding --tbptt 10", "copy, copy-tcn and parity, which ask at every step, take it"),
        ("--data copy --tbptt -1", "must be 0 or more"),
        ("--data strings --net transformer", "strings is a vector; name a recurrent cell"),
        ("--net transformer --heads 3", "must be a multiple of --heads 3"),
        ("--net transformer --positions learned", "one of none, sinusoid, rope, alibi"),
        ("--net transformer --width 5 --heads 5", "--positions sinusoid it must be a multiple of 2"),
        ("--dropout 1", "lies in 0 … 1"),
        ("--clip 0", "must be more than 0"),
        ("--batch 5000", "takes 5000 examples, and 60 are there"),
        ("--monitor eval/mse", "eval/loss, eval/baseline_loss"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(flags: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told.replace("'", ".")) as error:
        run(tmp_path, *flags.split())
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_every_cell_of_core_is_there() -> None:
    assert set(CELLS) < set(READERS)
