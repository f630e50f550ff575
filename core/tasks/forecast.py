"""Forecast: the next values of a series, out of the last ones; a recurrent or a fully connected network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from core import losses, series
from core.errors import UserError
from core.forecast_chart import drawn
from core.gradients import Metrics, Params
from core.networks.mlp import MLP
from core.networks.net import Array, Linear, draw
from core.networks.sequences import SeqToVec, deep
from core.noise import Noise
from core.rows import to_numpy
from core.schedules import schedule, warmed_up
from core.task import Batch, Examples, Parts, Rows, Spec
from core.tracking import Group

TAGS: dict[str, str] = {"data": "numbers in order of time"}
TEST = 0.1  # share of the windows, the last ones, that is kept for the end
FEWEST = 20  # windows
SHOWN = 200  # places of a picture


@dataclass(frozen=True)
class Config:
    """Settings of forecasting."""

    data: str = series.WAVES  # waves, which needs no file, or your own FILE.csv
    columns: tuple[str, ...] = ()  # of the file, to read and to forecast; none named: all of numbers
    window: int = 32  # rows that are read before the one to forecast
    net: Literal["rnn", "lstm", "gru", "mlp"] = "gru"  # what reads them
    width: int = 32  # features of a layer
    layers: int = 1  # of them
    says: Literal["value", "change"] = "value"  # what the net puts out: the next value, or how far it moves
    batch: int = 64  # windows per update
    lr: float = 3e-3  # step size at the start
    lr_end: float = 1e-5  # and at the end
    schedule: str = "cosine"  # between the two: constant, linear, cosine, exponential, steps, hundredths
    warmup: float = 0.0  # share of the steps over which the step size rises from 0
    clip: float | None = 1.0  # largest norm of a seed's gradient
    decay: float = 0.0  # decoupled weight decay of kernels, as a share of lr

    def __post_init__(self) -> None:
        for name in (
            "window",
            "width",
            "layers",
            "batch",
            "lr",
            *(("clip",) if self.clip is not None else ()),
        ):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be more than 0")
        for name in ("lr_end", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 or more")
        if not 0 <= self.warmup < 1:
            raise UserError(f"--warmup is {self.warmup}; it lies in 0 … 1, without 1")
        schedule(self.schedule, self.lr, self.lr_end)


PRESETS: dict[str, dict[str, dict[str, Any]]] = {}


def load(config: Config) -> Examples:
    """Every window and the row behind it; the last TEST of them are for the end."""
    found = series.load(config.data, config.columns)
    if (count := len(found.values) - config.window) < FEWEST:
        raise UserError(
            f"{config.data} has {len(found.values)} rows; with --window {config.window} "
            f"at least {config.window + FEWEST} are wanted"
        )
    windows = sliding_window_view(found.values[:-1], config.window, 0).swapaxes(
        1, 2
    )  # [count, window, column]
    rows, last = (windows, found.values[config.window :]), count - round(TEST * count)
    train, test = (tuple(array[part] for array in rows) for part in (slice(last), slice(last, None)))
    return Examples(found.name, train, test, columns=found.columns, ordered=True, notes=found.notes)


def build(config: Config, columns: int) -> nn.Module:
    """Windows [..., window, column] → [..., column]."""
    if config.net == "mlp":
        sizes = (config.window * columns, *[config.width] * config.layers, columns)
        return nn.Sequential(nn.Flatten(-2), MLP(sizes, activation="relu", initialise="he"))
    head = Linear(config.width, columns)
    draw(head, "xavier")
    return SeqToVec(deep(config.net, columns, config.width, config.layers), head)


class Forecast:
    """Mean squared error made small; every column has mean 0 and deviation 1 over the targets of the train part."""

    def __init__(self, spec: Spec, config: Config, parts: Parts) -> None:
        self.spec, self.config, self.batch, self.columns = spec, config, config.batch, parts.columns
        self.mean, spread = parts.train[1].mean(0), parts.train[1].std(0)
        self.deviation = np.where(spread > 1e-12 * np.abs(self.mean), spread, 1.0)
        self.train, self.validation, self.test = map(self.scaled, (parts.train, parts.validation, parts.test))
        self.net = spec.replicas(
            lambda: build(config, len(self.mean)),
            clip=config.clip,
            decay=config.decay,
        )
        self.lr: Callable[[float], float] = warmed_up(
            schedule(config.schedule, config.lr, config.lr_end), config.warmup
        )
        self.unit = torch.from_numpy(self.deviation).float().to(spec.device)

    def scaled(self, rows: Rows) -> Rows:
        return tuple(((array - self.mean) / self.deviation).astype(np.float32) for array in rows)

    def prepared(self, batch: Batch, noise: Noise) -> Batch:
        return batch

    def from_said(self, said: Tensor, windows: Tensor) -> Tensor:
        """The forecast [..., column] out of what the net put out."""
        return said + windows[..., -1, :] if self.config.says == "change" else said

    def loss(self, params: Params, *batch: Tensor) -> tuple[Tensor, Metrics]:
        windows, target = batch
        forecast = self.from_said(self.net.apply(params, windows), windows)
        error = losses.mean_squared_error(forecast, target).mean()
        return error, {"loss": error}

    def scores(self, batch: Batch) -> Metrics:
        windows, target = batch
        forecast = self.from_said(self.net(windows), windows)
        missed = (forecast - target).abs() * self.unit  # [seed, n, column], in the data's units
        naive = (windows[..., -1, :] - target).abs() * self.unit
        found = {
            "loss": losses.mean_squared_error(forecast, target).mean(-1),
            "mae": missed.mean((-1, -2)),
            "baseline_mae": naive.mean((-1, -2)),
        }
        if len(self.columns) > 1:
            found |= {
                f"mae_{name.replace('/', '_')}": missed[..., k].mean(-1)
                for k, name in enumerate(self.columns)
            }
        return found

    def words(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Whether the forecasts of the test set are nearer than its last values."""
        mae, baseline = (to_numpy(scores[f"eval/test_{name}"]) for name in ("mae", "baseline_mae"))
        return {"eval/beats_last_value": np.where(mae < baseline, "yes", "no")}

    def look(self, group: Group, at: int) -> None:
        """Forecasts of the first held-out rows beside what came."""
        windows, target = (torch.from_numpy(array[:SHOWN]).to(self.spec.device) for array in self.validation)
        windows = windows.expand(len(self.spec.seeds), *windows.shape)
        said = to_numpy(self.from_said(self.net(windows), windows)) * self.deviation + self.mean
        truth = target.cpu().numpy() * self.deviation + self.mean
        pictures = [
            [drawn(name, truth[:, k], own[:, k]) for k, name in enumerate(self.columns)] for own in said
        ]
        group.images(at, "forecast", np.array(pictures))


TASK = Forecast
