"""What returns at the end is the best: its loss to the bit, with the running statistics of batch norm."""

import math

import pytest
import torch
from torch import nn

from core import fit
from core.averages import Averages
from core.fitting import Fitting
from core.networks import classifiers
from core.networks.classifiers import Form
from core.tasks import classifier
from core.tasks.classifier import Config


def normed(form: Form, shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(1), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes)
    )


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch) -> Fitting:
    monkeypatch.setitem(classifiers.NETS, "bn", normed)
    config = Config(batch=20, net="bn", lr=0.05, schedule="constant")
    options = fit.Options(steps=60, seeds=(0, 1), patience=99)
    facts = {"threads": 1, "device": "cpu", "path": "loop", "compile": False}
    return fit.build("classifier", config, classifier.load(config), options, facts)[0]


def test_the_best_loss_comes_back_also_when_the_steps_run_out(fitting: Fitting) -> None:
    averages, best = Averages(2), [math.inf] * 2
    for step in range(1, 60):
        fitting.advance(averages)
        if step == 40:  # spoil the weights, and what was seen of the data
            with torch.no_grad():
                fitting.task.net.matrix.mul_(1.5)
            for buffers in fitting.task.net.modules:
                dict(buffers.named_buffers())["2.running_mean"].add_(3.0)
        if step % 10 == 0:
            losses = fitting.evaluate(step, False, lambda: None)["eval/loss"]
            best = [min(pair) for pair in zip(best, losses.tolist(), strict=True)]
    last = fitting.evaluate(60, False, lambda: None)["eval/loss"].tolist()
    best = [min(pair) for pair in zip(best, last, strict=True)]
    found = fitting.evaluate(60, True, lambda: None)["eval/loss"].tolist()
    assert found == best
    assert all(one < other for one, other in zip(found, last, strict=True)), "too tame: the last is the best"
