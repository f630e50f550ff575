"""The map of settings: what is trained, that it goes on where it was stopped, and how it is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generative import sensitivity
from generative.build import module_of, trainer_of
from generative.data import Batches
from generative.points import mixture

SMALL: dict[str, Any] = {
    "STEPS": {"smoke": 3}, "RATES": {"smoke": (1e-3, 1e-2)}, "GAINS": {"smoke": (0.5, 2.0)}
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(sensitivity, name, value)


@pytest.mark.usefixtures("small")
def test_every_setting_is_trained_once_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sensitivity.figures(tmp_path, "smoke")["rows"]
    assert [row["what"].split(",")[0] for row in rows] == [
        "gan: modes of 8", "gan: high-quality share", "wgan-gp: modes of 8", "wgan-gp: high-quality share"
    ]  # fmt: skip
    assert all(len(row["scores"]) == 2 for row in rows)
    assert (tmp_path / "sensitivity.md").read_text().count("first weights ×0.5") == 4

    def never(*args: Any) -> Any:
        raise AssertionError("trained again")

    monkeypatch.setattr(sensitivity, "_covered", never)
    assert sensitivity.figures(tmp_path, "smoke")["rows"] == rows


@pytest.mark.usefixtures("small")
def test_one_trainer_for_all_settings_learns_what_each_would(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Weights, moments, noise and rate are those of a trainer of the setting's own."""
    last: list[Any] = []
    inner = sensitivity._covered

    def watched(worker: Any, *args: Any) -> Any:
        found = inner(worker, *args)
        last.append({name: view.clone() for name, view in worker.weights().items()})
        return found

    monkeypatch.setattr(sensitivity, "_covered", watched)
    sensitivity.trained("wgan-gp", (1e-3, 1e-2), (0.5, 2.0), "smoke", {}, tmp_path / "kept.json")
    settings = {**sensitivity.SHARED, **sensitivity.SETTINGS["wgan-gp"], "lr": 1e-2, "gain": 2.0}
    facts = {"device": "cpu", "path": "vmap", "compile": False}
    data, seeds = mixture("ring"), sensitivity.SEEDS["smoke"]
    own: Any = trainer_of("wgan-gp", module_of("wgan-gp").Config(**settings), data, seeds, 3, facts)
    batches = Batches(data.train, seeds, own.batch, "none")
    for _ in range(3):
        own.step(batches.next())
    assert all(torch.equal(view, last[-1][name]) for name, view in own.weights().items())
    assert not torch.equal(last[0]["critic.body.layers.0.weight"], last[-1]["critic.body.layers.0.weight"])


def test_a_map_by_hand() -> None:
    found = {
        "gan lr 0.1 gain 1": {"modes": [8.0, 8.0]},
        "gan lr 0.01 gain 1": {"modes": [1.0, 2.0]},
    }
    assert sensitivity.heat_map("gan", "modes", (0.01, 0.1), (1.0,), found) == (
        "| gan: modes of 8 | lr 0.01 | lr 0.1 |\n| --- | ---: | ---: |\n| first weights ×1 | 1.5 (1–2) | 8 |"
    )
    assert sensitivity._shown(np.array([0.25])) == "0.25"
