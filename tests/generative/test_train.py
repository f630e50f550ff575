"""`lab train` and `lab resume` for generative models: the record, stopping, going on, and mistakes."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import cli, doors, records
from core.checkpoint import load
from core.training import Evaluate
from generative import data, train
from generative.trainers import vae
from tests.generative.test_vae import same

QUICK = ["--hidden", "16", "--latent", "4", "--batch", "20", "--wandb", "disabled", "--quiet"]
QUICK += ["--log-every", "3", "--eval-every", "10"]


def run(root: Path, *flags: str, name: str = "run") -> int:
    return train.main(["vae", "--root", str(root), "--name", name, "--seeds", "0", "5", *QUICK, *flags])


def rows(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in lines]


def pixels(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "media").glob("*.png")}


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal in the middle of that step."""
    inner, taken = vae.VAE.step, []

    def step(self: vae.VAE, batch: Tensor) -> dict[str, Tensor]:
        taken.append(1)
        if len(taken) == steps:
            signal.raise_signal(number)
        return inner(self, batch)

    monkeypatch.setattr(vae.VAE, "step", step)


def test_a_run_leaves_a_whole_record(tmp_path: Path) -> None:
    assert run(tmp_path, "--steps", "20") == 0
    for seed in (0, 5):
        folder = tmp_path / "run" / str(seed)
        record = records.find(tmp_path, f"run/{seed}")[0]
        assert (record.status, record.suite, record.algorithm, record.task) == (
            "finished",
            "generative",
            "vae",
            "digits",
        )
        assert record.axis == "examples_seen"
        facts = {"device": "cpu", "path": "loop", "compile": False, "threads": 1}
        assert record.run["facts"] == (
            facts if not torch.cuda.is_available() else {**facts, "device": "cuda"}
        )
        assert record.config["latent"] == 4
        assert record.config["seeds"] == [seed]
        seen = rows(folder)
        assert [row["examples_seen"] for row in seen if "train/bound" in row] == [
            60,
            120,
            180,
            240,
            300,
            360,
            400,
        ]
        assert [row["examples_seen"] for row in seen if "eval/bound" in row] == [200, 400]
        assert {"train/bound", "train/reconstruction", "train/kl", "train/grad_norm"} <= seen[0].keys()
        assert record.summary["final/bound"] == seen[-1]["eval/bound"]
        assert set(pixels(folder)) == {
            f"{n}-{k}.png" for n in ("samples", "reconstructions", "latent_pca") for k in (200, 400)
        }
        assert load(folder / "checkpoints" / "best.safetensors")["step"] in (200, 400)
        histograms = [
            json.loads(line) for line in (folder / "media" / "index.jsonl").read_text().splitlines()
        ]
        names = {name for entry in histograms for name in entry.get("of", {})}
        assert {"weights/encoder.layers.0.weight", "gradients/decoder.layers.1.bias"} <= names


def test_a_row_is_the_mean_of_the_steps_since_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, bounds = vae.VAE.step, []

    def step(self: vae.VAE, batch: Tensor) -> dict[str, Tensor]:
        metrics = inner(self, batch)
        bounds.append(metrics["train/bound"].tolist())
        return metrics

    monkeypatch.setattr(vae.VAE, "step", step)
    assert run(tmp_path, "--steps", "6") == 0
    for k, seed in enumerate((0, 5)):
        found = [row["train/bound"] for row in rows(tmp_path / "run" / str(seed)) if "train/bound" in row]
        expected = [np.mean([bound[k] for bound in bounds[i : i + 3]]) for i in (0, 3)]
        assert found == pytest.approx(expected, rel=1e-7)


def test_looking_more_often_leaves_training_as_it_was(tmp_path: Path) -> None:
    run(tmp_path, "--steps", "12", "--eval-every", "2", name="often")
    run(tmp_path, "--steps", "12", "--eval-every", "0", name="never")
    often, never = (
        [row for row in rows(tmp_path / name / "0") if "train/bound" in row] for name in ("often", "never")
    )
    assert often == never


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_and_resumed_is_as_if_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    assert run(tmp_path, "--steps", "20", "--binarise", "dynamic", name="whole") == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 13, number)
        assert run(tmp_path, "--steps", "20", "--binarise", "dynamic", name="part") == code
    stopped = records.find(tmp_path, "part")
    assert [record.status for record in stopped] == ["stopped", "stopped"]
    assert train.resume(stopped, ["--quiet"]) == 0
    for seed in ("0", "5"):
        whole, part = tmp_path / "whole" / seed, tmp_path / "part" / seed
        assert rows(part) == rows(whole)
        assert pixels(part) == pixels(whole)
        states = [load(folder / "checkpoints" / "last.safetensors")["state"] for folder in (part, whole)]
        assert same(*states)
    assert [record.status for record in records.find(tmp_path, "part")] == ["finished", "finished"]
    assert train.resume(records.find(tmp_path, "part"), []) == 0  # says that there is nothing to do


def test_what_is_loaded_is_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 13)
        run(tmp_path, "--steps", "20")
    loaded = []

    def look(self: doors.Training, evaluate: Evaluate) -> int:
        loaded.append(self.state_dict())
        self.group.finish("stopped")
        return 0

    monkeypatch.setattr(doors.Training, "run", look)
    train.resume(records.find(tmp_path, "run"), ["--quiet"])
    saved = [
        load(tmp_path / "run" / seed / "checkpoints" / "last.safetensors")["state"] for seed in ("0", "5")
    ]
    assert same(loaded, [saved])
    assert [state["step"] for state in saved] == [13, 13]
    assert all(20 < state["best"] < 40 for state in saved)
    assert all(state["averages"]["counts"]["train/bound"] == 1 for state in saved)


def test_resume_auto_starts_or_goes_on_or_says_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["vae", "--root", str(tmp_path), "--seeds", "1", "--steps", "12", "--resume", "auto", *QUICK]
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        assert train.main(flags) == 143
    assert len(list(tmp_path.iterdir())) == 1
    assert train.main(flags) == 0
    (record,) = records.scan(tmp_path)
    assert record.status == "finished"
    assert train.main(flags) == 0  # that one is done, and is kept
    assert len(list(tmp_path.iterdir())) == 1


def test_a_seed_whose_loss_is_not_a_number_ends_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = data.Batches.next
    count = []

    def poisoned(self: data.Batches) -> Tensor:
        batch = inner(self)
        count.append(1)
        if len(count) == 13:
            batch[1] = float("nan")
        return batch

    monkeypatch.setattr(data.Batches, "next", poisoned)
    assert run(tmp_path, "--steps", "20", "--no-quiet") == 1
    good, bad = records.find(tmp_path, "run")
    assert (good.status, bad.status) == ("finished", "failed")
    assert "seed 5 failed at examples_seen 300: train/bound is nan" in capsys.readouterr().out
    last = load(bad.path / "checkpoints" / "last.safetensors")
    assert last["step"] == 200
    assert all(value.isfinite().all() for value in last["state"]["trainer"]["net"]["weights"].values())
    monkeypatch.undo()
    run(tmp_path, "--steps", "20", name="clean")
    assert rows(tmp_path / "run" / "0") == rows(tmp_path / "clean" / "0")


def test_a_config_file_repeats_a_run(tmp_path: Path) -> None:
    run(tmp_path, "--steps", "6", "--beta", "2", name="first")
    file = str(tmp_path / "first" / "5" / "config.yaml")
    again = [
        "vae",
        "--config",
        file,
        "--root",
        str(tmp_path),
        "--name",
        "again",
        "--wandb",
        "disabled",
        "--quiet",
    ]
    assert train.main(again) == 0
    assert rows(tmp_path / "again" / "5") == rows(tmp_path / "first" / "5")


def test_presets_are_applied_and_named() -> None:
    settings = train.read("vae", vae, ["--data", "mnist", "--lr", "0.5"])
    values = settings.flat()
    assert (values["latent"], values["steps"], values["binarise"]) == (50, 90_000, "dynamic")
    assert settings.origin["latent"] == "preset iwae"
    assert values["lr"] == 0.5
    assert train.read("vae", vae, ["--data", "mnist", "--preset", "none"]).flat()["latent"] == 20


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--data", "digit"], "unknown data set 'digit'; did you mean 'digits'?"),
        (["--lernrate", "1"], "unknown option --lernrate"),
        (["--batch", "2000"], "an update takes 2000 training images, and 1500 are there: make it 1 to 1500"),
        (["--net", "convv"], "did you mean 'conv'?"),
        (["--activation", "tan"], "did you mean 'tanh'?"),
        (["--schedule", "cosin"], "did you mean 'cosine'?"),
        (["--preset", "iwea"], "did you mean 'iwae'?"),
        (["--preset", "iwae"], "preset 'iwae' has no settings for digits; it knows mnist"),
        (["--steps", "0"], "--steps is 0; it must be at least 1"),
        (["--seeds", "1", "1"], "give at least one seed, each once"),
        (["--latent", "0"], "--latent is 0; it must be more than 0"),
        (["--device", "cuda:7"], "--device cuda:7"),
        (["--root", "/proc/none"], "cannot write in the runs folder /proc/none"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(train.main, ["vae", "--wandb", "disabled", *flags]) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
