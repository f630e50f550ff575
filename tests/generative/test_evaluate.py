"""`lab eval`, `lab sample` and `load`: a trained run asked again."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import cli, records
from core.errors import UserError
from generative import benchmark, evaluate, train
from generative.benchmark import Options


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    flags = ["--hidden", "16", "--latent", "4", "--steps", "60", "--batch", "50", "--lr", "5e-3"]
    flags += ["--eval-every", "20", "--binarise", "dynamic", "--wandb", "disabled", "--quiet"]
    assert train.main(["vae", "--root", str(root), "--name", "run", "--seeds", "0", "5", *flags]) == 0
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_loaded_model_is_the_one_that_was_recorded(root: Path) -> None:
    before = contents(root)
    model = evaluate.load("run", root=str(root))
    assert model.seeds == (0, 5)
    recorded = [record.summary["final/bound"] for record in records.find(root, "run")]
    assert model.evaluate()["eval/bound"].tolist() == recorded
    alone = evaluate.load("run/5", root=str(root))
    assert alone.evaluate()["eval/bound"].tolist() == recorded[1:]
    assert contents(root) == before


def test_samples_follow_their_seed(root: Path) -> None:
    model = evaluate.load("last", root=str(root))
    one, again, other = model.sample(5), model.sample(5), model.sample(5, seed=1)
    assert one.shape == (2, 5, 1, 8, 8)
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() <= 1
    assert (one == again).all()
    assert not (one == other).any()
    assert not np.allclose(one[0], one[1])
    assert (evaluate.load("run/5", root=str(root)).sample(5)[0] == one[1]).all()


def test_likelihood_lies_below_the_bound_and_falls_with_samples(root: Path) -> None:
    model = evaluate.load("run", root=str(root))
    few, many = model.negative_log_likelihood(2).mean(1), model.negative_log_likelihood(200).mean(1)
    assert (many < few).all()
    assert (many < model.evaluate()["eval/bound"]).all()
    assert model.negative_log_likelihood(2, images=7).shape == (2, 7)


def test_eval_prints_a_line_per_seed_and_their_mean(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(records.find(root, "run"), ["--samples", "20", "--images", "50"]) == 0
    title, header, *lines = capsys.readouterr().out.splitlines()
    assert title == "run: the first 50 of 297 test images, last checkpoint, nats per image"
    assert header.split() == ["seed", "bound", "reconstruction", "kl", "nll@20"]
    assert [line.split()[0] for line in lines] == ["0", "5", "mean"]
    bounds = [float(line.split()[1]) for line in lines]
    assert bounds[2] == pytest.approx((bounds[0] + bounds[1]) / 2, abs=2e-3)
    assert evaluate.main(records.find(root, "run/0"), ["--samples", "0", "--checkpoint", "best"]) == 0
    assert "nll" not in capsys.readouterr().out


def test_sample_writes_a_grid_or_arrays(root: Path, tmp_path: Path) -> None:
    runs = records.find(root, "run")
    grid, arrays = tmp_path / "grid.png", tmp_path / "samples.npz"
    assert evaluate.sample(runs, ["--count", "6", "--out", str(grid)]) == 0
    # 8x8 digits are shown 4 times as large: 3 columns of 32, 2 gaps of 2; 2 rows for each of 2 seeds, 8 between
    with Image.open(grid) as picture:
        assert picture.size == (3 * 32 + 2 * 2, 2 * (2 * 32 + 2) + 8)
    assert evaluate.sample(runs, ["--count", "6", "--out", str(arrays), "--seed", "3"]) == 0
    with np.load(arrays) as held:
        assert held["seeds"].tolist() == [0, 5]
        assert (held["images"] == evaluate.load("run", root=str(root)).sample(6, seed=3)).all()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--out", "a.jpg"], "--out a.jpg ends neither in .png"),
        (["--count", "0"], "--count is 0"),
        (["--out", "/proc/none/a.png"], "cannot write /proc/none/a.png"),
        (["--cuont", "3"], "did you mean --count?"),
    ],
)
def test_a_wrong_sample_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], flags: list[str], line: str
) -> None:
    runs = records.find(root, "run")
    assert cli.run(lambda argv: evaluate.sample(runs, argv), flags) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_damaged_checkpoint_is_refused_by_name(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "0"
    for path, content in contents(root / "run" / "0").items():
        target = folder / Path(path).relative_to(root / "run" / "0")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    best = folder / "checkpoints" / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"best\.safetensors is truncated"):
        evaluate.load("run/0", root=str(tmp_path), checkpoint="best")


@pytest.mark.skipif(not os.environ.get("LAB_DATA"), reason="LAB_DATA does not name a folder with mnist")
def test_the_benchmark_trains_once_and_keeps_its_figures(tmp_path: Path) -> None:
    options = Options(seeds=(0,), samples=5, images=20, steps=3, root=str(tmp_path), wandb="disabled")
    figures = benchmark.vae_mnist(options)
    assert figures[0]["epochs"] == 3 * 100 / 60_000
    assert 100 < figures[0]["nll"] < figures[0]["bound"] < 600
    assert benchmark.vae_mnist(options) == figures
    assert len(records.scan(tmp_path)) == 1
    lines = benchmark.report(figures, options)
    assert "88.5" in lines[0]
    assert lines[1].split() == ["seed", "bound", "nll", "epochs", "seconds"]
