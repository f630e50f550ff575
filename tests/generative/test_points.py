"""Points in the plane: the data sets, their batches, and a run on them from training to samples."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import cli, records
from core.errors import UserError
from core.noise import Noise
from generative import evaluate, train
from generative.data import DATASETS, LOADERS, Batches, Data, held_still, load
from generative.files import Images, Points
from generative.loop import scores
from generative.points import MIXTURES
from generative.trainer import Metrics

ROOT_HALF = math.sqrt(0.5)


def points_of(name: str) -> Points:
    found = load(Data(data=name))
    assert isinstance(found, Points)
    return found


@pytest.mark.parametrize(
    ("name", "modes", "sigma", "centre", "apart"),
    [
        ("ring", 8, 0.01, [ROOT_HALF, ROOT_HALF], math.sqrt(2 - math.sqrt(2))),
        ("grid", 25, 0.05, [-2.0, 4.0], 2.0),
        ("ring-wgan-gp", 8, 0.02 / 1.414, [2 / 1.414, 0.0], 2 / 1.414 * math.sqrt(2 - math.sqrt(2))),
        ("grid-wgan-gp", 25, 0.05 / 2.828, [0.0, 2 / 2.828], 2 / 2.828),
    ],
)
def test_a_mixture_is_the_published_one(
    name: str, modes: int, sigma: float, centre: list[float], apart: float
) -> None:
    """Every mode holds equal parts, with its centre and sigma within the error of that many points."""
    data = points_of(name)
    assert data.centres is not None
    assert (data.train.shape, data.test.shape, data.train.dtype) == ((100_000, 2), (10_000, 2), np.float32)
    assert (len(data.centres), data.sigma) == (modes, pytest.approx(sigma))
    assert np.abs(data.centres - centre).max(axis=1).min() < 1e-6
    between = np.linalg.norm(data.centres[:, None] - data.centres[None], axis=2)
    assert between[between > 1e-6].min() == pytest.approx(apart, rel=1e-5)
    for part in (data.train, data.test):
        nearest = np.linalg.norm(part[:, None] - data.centres[None], axis=2).argmin(axis=1)
        assert np.bincount(nearest).tolist() == [len(part) // modes] * modes
        off = (part - data.centres[nearest]) / sigma
        assert np.abs(off.std(axis=0) - 1).max() < 4 / math.sqrt(2 * len(part))
        for k in range(modes):
            assert np.abs(off[nearest == k].mean(axis=0)).max() < 5 / math.sqrt(len(part) / modes)
    mixed = np.linalg.norm(data.train[:1000, None] - data.centres[None], axis=2).argmin(axis=1)
    assert len(set(mixed.tolist())) == modes  # in no order


def test_the_swiss_roll_is_rolled_out_again() -> None:
    """r = t along the spiral, and the angle is t: scaled back, what is left is the noise of 0.25 across it."""
    data = points_of("swiss-roll")
    assert data.centres is None
    radius = np.linalg.norm(data.train * 7.5, axis=1)
    angle = np.arctan2(data.train[:, 1], data.train[:, 0])
    across = (radius - angle + math.pi) % (2 * math.pi) - math.pi
    assert across.std() == pytest.approx(0.25, rel=0.1)  # it is measured aslant: the spiral is no circle
    assert radius.min() > 1.5 * math.pi - 1.3
    assert radius.max() < 4.5 * math.pi + 1.3
    assert radius.mean() == pytest.approx(3 * math.pi, rel=0.01)  # t is uniform


def test_points_never_change_and_train_is_apart_from_test() -> None:
    digests = {
        name: hashlib.sha256(np.concatenate([points_of(name).train, points_of(name).test]).tobytes()).digest()
        for name in (*MIXTURES, "swiss-roll")
    }
    assert len(set(digests.values())) == 5
    again = points_of("ring")
    assert hashlib.sha256(np.concatenate([again.train, again.test]).tobytes()).digest() == digests["ring"]
    rows = np.concatenate([again.train, again.test])
    assert len(np.unique(rows, axis=0)) > 109_900


def test_every_set_of_points_is_listed_and_takes_no_size() -> None:
    assert {*MIXTURES, "swiss-roll"} <= set(DATASETS) & set(LOADERS)
    with pytest.raises(UserError, match="ring is a set of points; --size and --channels are for images"):
        load(Data(data="ring", size=8))


def test_an_epoch_shows_every_point_once_as_it_is() -> None:
    points = np.arange(20, dtype=np.float32).reshape(10, 2) * -3.5
    batches = Batches(points, (0, 1), 5, "dynamic")  # how images would be binarised is no matter to points
    seen = [batches.next() for _ in range(4)]
    assert seen[0].shape == (2, 5, 2)
    for k in (0, 1):
        orders = [torch.cat([seen[2 * e][k], seen[2 * e + 1][k]])[:, 0].tolist() for e in (0, 1)]
        assert all(sorted(order, reverse=True) == points[:, 0].tolist() for order in orders)
        assert orders[0] != orders[1]
    assert not torch.equal(seen[0][0], seen[0][1])
    assert torch.equal(Batches(points, (1,), 5, "none").next()[0], seen[0][1])
    assert torch.equal(held_still(points, "dynamic"), torch.from_numpy(points))
    with pytest.raises(
        UserError, match="an update takes 11 training points, and 10 are there: make it 1 to 10"
    ):
        Batches(points, (0,), 11, "none")


class Known:
    """Samples the first 1, 2, … of the modes, one to a seed, one time in two 1σ too far away to count."""

    def __init__(self, centres: np.ndarray, sigma: float) -> None:
        self.centres, self.sigma = torch.from_numpy(centres), sigma

    def evaluate(self, images: torch.Tensor, noise: Noise) -> Metrics:
        return {"eval/own": torch.zeros(2)}

    def sample(self, count: int, noise: Noise) -> torch.Tensor:
        off = torch.tensor([2.9, 4.0]).repeat(count // 2)[:, None] * torch.tensor([0.0, self.sigma])
        return torch.stack([self.centres[torch.arange(count) // 2 % (k + 1)] + off for k in (0, 1)])


def test_the_modes_of_a_mixture_are_counted_whatever_is_trained() -> None:
    ring = points_of("ring")
    assert ring.centres is not None
    found = scores(Known(ring.centres, ring.sigma), ring, torch.from_numpy(ring.test), (0, 1))  # type: ignore[arg-type]
    assert {name: value.tolist() for name, value in found.items() if name != "eval/reverse_kl"} == {
        "eval/own": [0, 0],
        "eval/modes": [1, 2],
        "eval/high_quality": [0.5, 0.5],
    }
    assert found["eval/reverse_kl"].tolist() == pytest.approx([math.log(8), math.log(4)], abs=1e-5)
    roll = points_of("swiss-roll")
    assert scores(Known(ring.centres, 1.0), roll, torch.zeros(1, 2), (0, 1)).keys() == {"eval/own"}  # type: ignore[arg-type]


# --- a run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("points")
    flags = ["--data", "ring", "--hidden", "16", "--batch-size", "20", "--steps", "6", "--eval-every", "3"]
    flags += ["--root", str(root), "--name", "run", "--seeds", "0", "5", "--wandb", "disabled", "--quiet"]
    assert train.main(["gan", *flags]) == 0
    return root


def test_a_run_on_points_counts_modes_and_draws_samples(root: Path) -> None:
    for record in records.find(root, "run"):
        assert (record.task, record.status, record.run["facts"]["path"]) == ("ring", "finished", "vmap")
        assert record.run["facts"]["device"] == "cpu"
        rows = [json.loads(line) for line in (record.path / "metrics.jsonl").read_text().splitlines()]
        counted = [row for row in rows if "eval/modes" in row]
        assert [row["examples_seen"] for row in counted] == [60, 120]
        assert {"eval/high_quality", "eval/reverse_kl"} <= counted[0].keys()
        assert record.summary["final/modes"] == counted[-1]["eval/modes"]
        for step in (60, 120):
            with Image.open(record.path / "media" / f"samples-{step}.png") as picture:
                assert picture.size == (320, 320)


def test_a_run_on_points_is_evaluated_and_sampled(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = records.find(root, "run")
    assert evaluate.main(runs, []) == 0
    title, header, *lines = capsys.readouterr().out.splitlines()
    assert title == "run: the first 2000 of 10000 test points, last checkpoint"  # what the critics judge
    assert {"modes", "high_quality", "reverse_kl"} <= set(header.split())
    assert [line.split()[0] for line in lines] == ["0", "5", "mean"]
    modes = header.split().index("modes")
    assert [float(line.split()[modes]) for line in lines[:2]] == [run.summary["final/modes"] for run in runs]
    picture, arrays = tmp_path / "points.png", tmp_path / "points.npz"
    assert evaluate.sample(runs, ["--count", "50", "--out", str(picture)]) == 0
    with Image.open(picture) as image:
        assert image.size == (320, 2 * 320 + 8)
    assert evaluate.sample(runs, ["--count", "50", "--out", str(arrays)]) == 0
    with np.load(arrays) as held:
        assert (held["points"].shape, held["seeds"].tolist()) == ((2, 50, 2), [0, 5])
        assert (held["points"] == evaluate.load("run", root=str(root)).sample(50)).all()
    assert "50 points of each of 2 seeds" in capsys.readouterr().out


def test_a_trainer_of_images_refuses_points_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(train.main, ["vae", "--data", "ring", "--wandb", "disabled"]) == 2
    said = capsys.readouterr()
    assert said.err == "lab: vae models images and ring is points; gan and wgan-gp take them\n"
    assert list(tmp_path.iterdir()) == []
    assert isinstance(load(Data()), Images)
