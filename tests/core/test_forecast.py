"""`lab train forecast`: parts in order of time, errors in the data's units, and the last value beside them."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core import fit
from core.errors import UserError
from core.forecast_chart import HIGH, LEFT, WIDE, drawn
from core.run_folder import load as load_state
from core.task import Spec, Telling, divided
from core.tasks.forecast import Config, Forecast, load
from tests.core.recorded import lines, without_time
from tests.killing import assert_equal_runs, different, kill_and_resume

QUICK = ["--width", "16", "--window", "16", "--wandb", "disabled", "--quiet", "--compile", "off"]
QUICK += ["--steps", "40", "--log-every", "20", "--eval-every", "20"]


def run(root: Path, *flags: str, name: str = "run", seeds: tuple[int, ...] = (0, 5)) -> int:
    given = ["--root", str(root), "--name", name, "--seeds", *map(str, seeds)]
    return fit.main(["forecast", *given, *QUICK, *flags])


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def table(path: Path, rows: int = 100) -> Config:
    """Two columns: 10, 11, 12 … and thousands that alternate."""
    text = "".join(f"{10 + t},{1000 * (t % 2)}\n" for t in range(rows))
    path.write_text("up,flip\n" + text)
    return Config(data=str(path), window=4, width=8, batch=8)


@pytest.mark.parametrize("net", ["rnn", "lstm", "gru", "mlp"])
def test_every_net_beats_the_last_value_on_the_waves(net: str, tmp_path: Path) -> None:
    assert run(tmp_path, "--net", net, "--steps", "150", "--lr", "1e-2", "--eval-every", "150") == 0
    for seed in "05":
        folder = tmp_path / "run" / seed
        told, found = json.loads((folder / "run.json").read_text()), summary(folder)
        assert (told["suite"], told["algorithm"], told["task"]) == ("core", "forecast", "waves")
        assert found["final/mae"] < found["final/baseline_mae"]
        assert found["final/test_mae"] < found["final/test_baseline_mae"]
        assert found["final/beats_last_value"] == "yes"
        (picture,) = (folder / "media").glob("forecast*.png")
        with Image.open(picture) as image:
            assert image.size == (WIDE, HIGH)


def test_parts_follow_one_another_in_time_and_windows_end_before_their_target(tmp_path: Path) -> None:
    config = table(tmp_path / "a.csv")
    parts = divided(load(config), 0.25)
    np.testing.assert_array_equal(parts.train[0][0][:, 0], [10, 11, 12, 13])
    joined = np.concatenate([part[1][:, 0] for part in (parts.train, parts.validation, parts.test)])
    np.testing.assert_array_equal(joined, np.arange(14, 110))
    assert [len(part[1]) for part in (parts.train, parts.validation, parts.test)] == [64, 22, 10]
    for windows, target in (parts.train, parts.validation, parts.test):
        np.testing.assert_array_equal(windows[:, -1, 0] + 1, target[:, 0])


def test_scaling_is_fitted_to_the_train_part_alone(tmp_path: Path) -> None:
    config = table(tmp_path / "a.csv")
    task = Forecast(Spec((0,)), config, parts := divided(load(config), 0.25))
    np.testing.assert_allclose(task.mean, parts.train[1].mean(0))  # 14 … 77 and half of 0 and 1000
    np.testing.assert_allclose(task.mean, [45.5, 500])
    np.testing.assert_allclose(task.deviation, [np.sqrt((64**2 - 1) / 12), 500])
    assert task.train[1].mean(0) == pytest.approx([0, 0], abs=1e-6)
    assert task.test[1].mean(0)[0] > 1.5


def test_scores_are_in_the_units_of_the_data(tmp_path: Path) -> None:
    config = table(tmp_path / "a.csv")
    task = Forecast(Spec((0,)), config, divided(load(config), 0.25))
    assert isinstance(task, Telling)
    for weight in task.net.weights().values():
        weight.zero_()  # forecasts are the train part's mean
    batch = tuple(torch.from_numpy(array)[None] for array in task.validation)
    found = {name: value.item() for name, value in task.scores(batch).items()}
    up = np.arange(78, 100) - 45.5
    assert found["mae_up"] == pytest.approx(up.mean(), rel=1e-5)
    assert found["mae_flip"] == pytest.approx(500, rel=1e-5)
    assert found["mae"] == pytest.approx((up.mean() + 500) / 2, rel=1e-5)
    assert found["baseline_mae"] == pytest.approx((1 + 1000) / 2, rel=1e-5)
    scaled = (up / task.deviation[0]) ** 2
    assert found["loss"] == pytest.approx((scaled.mean() + 1) / 2, rel=1e-5)
    words = task.words(
        {"eval/test_mae": np.array([1.0, 2.0]), "eval/test_baseline_mae": np.array([2.0, 2.0])}
    )
    assert words["eval/beats_last_value"].tolist() == ["yes", "no"]


def test_a_net_of_zeros_that_says_changes_is_the_last_value(tmp_path: Path) -> None:
    table(tmp_path / "a.csv")
    config = Config(data=str(tmp_path / "a.csv"), window=4, batch=8, says="change", net="mlp", width=8)
    task = Forecast(Spec((0,)), config, divided(load(config), 0.25))
    for weight in task.net.weights().values():
        weight.zero_()
    found = task.scores(tuple(torch.from_numpy(array)[None] for array in task.validation))
    assert found["mae"].item() == pytest.approx(found["baseline_mae"].item())


def test_a_column_that_stands_still_and_large_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("still,large\n" + "".join(f"7,{1_700_000_000 + t % 3}\n" for t in range(60)))
    config = Config(data=str(path), window=4, batch=8, width=8)
    task = Forecast(Spec((0,)), config, divided(load(config), 0.25))
    assert np.isfinite(task.train[0]).all()
    assert task.train[1].std(0) == pytest.approx([0, 1], abs=1e-3)


@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_learns_the_same_alone_and_in_company(path: str, tmp_path: Path) -> None:
    flags = ["--path", path]
    assert run(tmp_path, *flags) == run(tmp_path, *flags, name="alone", seeds=(5,)) == 0
    both, alone = tmp_path / "run" / "5", tmp_path / "alone" / "5"
    assert without_time(lines(both / "metrics.jsonl")) == without_time(lines(alone / "metrics.jsonl"))
    states = [load_state(folder / "checkpoints" / "last.safetensors")[1] for folder in (both, alone)]
    assert different(*states) == []


def test_a_killed_run_resumed_equals_one_that_ran_through(tmp_path: Path) -> None:
    often = "--steps 90 --batch 20 --seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 10"
    argv = ["forecast", *often.split(), "--width", "8", "--compile", "off", "--wandb", "disabled"]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random("forecast"), kills=1)
    assert_equal_runs(killed.cut, killed.whole)


def test_the_chart_has_both_lines_where_the_numbers_are() -> None:
    picture = drawn("t", np.array([0.0, 0.0]), np.array([1.0, np.nan])).transpose(1, 2, 0)
    assert picture.shape == (HIGH, WIDE, 3)
    grey = (np.abs(picture[40:].astype(int) - [0x8A, 0x8F, 0x98]).sum(-1) < 30).any(1)
    assert 0 < grey.sum() < 8, "the truth is one level line"
    level = drawn("t", np.array([0.0, 1.0]), np.array([0.0, 1.0])).transpose(1, 2, 0)
    red = (level[:, :, 0] > 150) & (level[:, :, 1] < 90)
    assert red[HIGH // 2 :, LEFT : WIDE // 2].any()
    assert red[: HIGH // 2, WIDE // 2 : WIDE - 14].any()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--data nothing.csv", "no such file: nothing.csv"),
        ("--columns z", "line 1 has no column 'z'"),
        ("--window 1990", "waves has 2000 rows; with --window 1990 at least 2010 are wanted"),
        ("--window 0", "must be more than 0"),
        ("--batch 5000", "takes 5000 examples, and"),
        ("--net cnn", "cnn"),
        ("--monitor eval/maee", "eval/loss, eval/mae, eval/baseline_mae"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(flags: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told.replace("'", ".")) as error:
        run(tmp_path, *flags.split())
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
