"""Data and samples apart: what theory says of the generators' gradients, by short trainings; charts by their pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.noise import Noise
from generative import vanishing
from generative.charts import COLOURS, FOOT, HIGH, LEFT, RIGHT, TOP, WIDE, Chart, drawn


def test_segments_lie_apart_by_so_much() -> None:
    real, fake = vanishing.segments(Noise((0, 1), "test"), 0.7)
    assert real.shape == fake.shape == (2, vanishing.BATCH, 2)
    assert torch.equal(real[..., 0], torch.zeros(2, vanishing.BATCH))
    assert (fake[..., 0] == 0.7).all()
    assert all(part[..., 1].min() >= 0 and part[..., 1].max() <= 1 for part in (real, fake))


def test_gradients_of_a_linear_critic_by_hand() -> None:
    """D(x) = 3 x₁ at θ = 0.5: scores 1.5; |∂L/∂θ| is 3 σ(1.5), 3 σ(−1.5) and 3."""
    net = vanishing.critics((0,), "test")
    net.matrix.zero_()
    weights = net.weights()
    # through one unit of each layer: relu(x₁), once, three times
    weights["body.layers.0.weight"][0, 0, 0] = 1.0
    weights["body.layers.1.weight"][0, 0, 0] = 1.0
    weights["body.layers.2.weight"][0, 0, 0] = 3.0
    _, fake = vanishing.segments(Noise((0,), "test"), 0.5)
    found = vanishing.gradients(net, fake, tuple(vanishing.GENERATORS))
    sigmoid = 1 / (1 + np.exp(-1.5))
    expected = {"minimax": 3 * sigmoid, "non-saturating": 3 * (1 - sigmoid), "Wasserstein": 3.0}
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_the_better_the_critic_the_less_minimax_learns() -> None:
    places, found = vanishing.measured(1.0, 400, (0, 1))
    assert (places[0], places[-1]) == (1, 400)
    minimax, wasserstein = found["minimax"], found["Wasserstein"]
    assert (minimax[:, -1] < minimax.max(1) / 10).all()
    assert minimax[:, -1] == pytest.approx(0, abs=0.05)
    assert wasserstein[:, -1] == pytest.approx(1.05, abs=0.1)
    assert found["divergence of GAN"][:, -1] == pytest.approx(np.log(2), abs=0.05)
    assert found["divergence of WGAN-GP"][:, -1] == pytest.approx(1.05, abs=0.1)


def test_the_cell_writes_figures_and_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vanishing, "STEPS", {"smoke": 3})
    monkeypatch.setattr(vanishing, "DISTANCES", (0.5, 1.0))
    rows = vanishing.figures(tmp_path, "smoke")["rows"]
    assert [len(row["scores"]) for row in rows] == [2] * 5
    assert not any("mark" in row for row in rows)
    kept = json.loads((tmp_path / "vanishing.json").read_text())
    assert list(kept["distances"]) == ["0.5", "1.0"]
    assert kept["distances"]["1.0"]["minimax"][1][-1] == rows[0]["scores"][1]
    with Image.open(tmp_path / "vanishing.png") as picture:
        assert picture.size == (2 * WIDE, HIGH)


def test_a_line_is_drawn_where_its_numbers_are() -> None:
    """From (1, 1) to (100, 1e-4): through the middle of the chart, from corner to corner."""
    line = np.array([[1.0, 1e-2, 1e-4], [1.0, 1e-2, 1e-4]])
    picture = drawn([Chart("title", "places", (1, 10, 100), {"one": line})]).astype(int)
    red = np.array([int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)])
    near = np.abs(picture - red).sum(2) < 60

    def coloured(x: float, y: float) -> bool:
        return bool(near[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].any())

    assert coloured((LEFT + WIDE - RIGHT) / 2, (TOP + HIGH - FOOT) / 2)
    assert coloured(LEFT + 3, TOP + 3)
    assert coloured(WIDE - RIGHT - 3, HIGH - FOOT - 3)
    assert not coloured(LEFT + 20, HIGH - FOOT - 20)
    flat = drawn([Chart("t", "p", (1, 10), {"zero": np.zeros((1, 2)), "one": np.ones((1, 2))})])
    assert flat.shape == (HIGH, WIDE, 3)
