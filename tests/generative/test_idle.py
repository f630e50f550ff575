"""Flags of trainers that do nothing: told by the door, and truly without effect."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.catalogue import algorithms
from core.cli import main
from generative import train
from generative.build import module_of, trainer_of
from generative.data import LOADERS
from generative.files import Dataset, Images, Pairs, Points, Text
from generative.idle import IDLE, unused

OWN = [name for name, found in algorithms().items() if found.suite == "generative"]
FACTS = {"device": "cpu", "path": "loop", "compile": False}


def data(kind: str) -> Dataset:
    if kind == "points":
        return Points("points", *[np.zeros((4, 2), np.float32)] * 3, 0.1)
    if kind == "pairs":
        rows = np.zeros((4, 2), np.int64)
        return Pairs("pairs", rows, rows, "a", 1)
    if kind in ("text", "lines"):
        tokens = np.zeros(4, np.int64)
        return Text(kind, tokens, tokens, "a\n", kind == "lines")
    side = 8 if kind == "small" else 16
    pixels = (np.arange(4 * side * side) % 251).astype(np.uint8).reshape(4, 1, side, side)
    return Images(kind, pixels, pixels)


def told(name: str, *flags: str, kind: str = "small") -> list[str]:
    return unused(train.read(name, module_of(name), list(flags)), data(kind))


def test_every_row_names_options_that_there_are() -> None:
    sections = [*train.SECTIONS, *(module_of(name).Config for name in OWN)]
    known = {field.name for section in sections for field in dataclasses.fields(section)}
    assert set(IDLE) <= known
    assert {other for cases in IDLE.values() for case in cases for other in case} <= known | {"the data are"}
    assert {name for case in IDLE["data_dir"] for name in case["data"]} <= set(LOADERS)


@pytest.mark.parametrize(
    ("name", "flags", "kind", "line"),
    [
        ("gan", "--binarise dynamic", "points", "--binarise has no effect while the data are points"),
        ("gan", "--binarise dynamic", "small", ""),
        ("vae", "--lr-end 1 --schedule constant", "small", "--lr-end has no effect while --schedule is constant"),
        ("vae", "--hidden 8 --net conv", "small", "--hidden has no effect while --net is conv"),
        ("vae", "--clip 1", "small", ""),
        ("vae", "--warmup 0.5 --beta 0", "small", "--warmup has no effect while --beta is 0.0"),
        ("ae", "--kind sparse --contraction 1", "small", "--contraction has no effect while --kind is sparse"),
        ("ae", "--kind contractive --contraction 1", "small", ""),
        ("ae", "--strength 0.5", "small", "--strength has no effect while --kind is plain"),
        ("ae", "--kind denoising --strength 0.5", "small", ""),
        ("wgan-gp", "--clip 1", "small", "--clip has no effect while --constraint is penalty"),
        ("wgan-gp", "--constraint clip --penalty 1", "small", "--penalty has no effect while --constraint is clip"),
        ("wgan-gp", "--optimiser rmsprop --beta1 0.1", "small", "--beta1 has no effect while --optimiser is rmsprop"),
        ("gan", "--width 8", "small", "--width has no effect while --net is auto and the data are small images"),
        ("gan", "--width 8", "large", ""),
        ("gan", "--hidden 8", "large", "--hidden has no effect while --net is auto and the data are images"),
        ("gan", "--hidden 8", "points", ""),
        ("translate", "--dropout 0.1", "pairs", "--dropout has no effect while --net is gru and the data are pairs"),
        ("translate", "--dropout 0.1 --net gpt", "pairs", ""),
        ("translate", "--layers 2", "pairs", "--layers has no effect while --net is gru and the data are pairs"),
        ("translate", "--heads 2 --net lstm", "pairs", "--heads has no effect while --net is lstm"),
        ("translate", "--attention dot --net gpt", "pairs", "--attention has no effect while --net is gpt"),
        ("translate", "--reverse --net transformer", "pairs", "--reverse has no effect while --net is transformer"),
        ("translate", "--data-dir /tmp --data sort", "pairs", "--data-dir has no effect while --data is sort"),
        ("lm", "--layers 2 --net lstm", "text", ""),
        ("lm", "--positions rope --net lstm", "text", "--positions has no effect while --net is lstm"),
        ("lm", "--positions rope --dropout 0.1 --characters 9", "text", ""),
        ("lm", "--dropout 0.1 --net gru --layers 1", "text",
         "--dropout has no effect while --net is gru and --layers is 1"),
        ("lm", "--dropout 0.1 --net gru --layers 2", "text", ""),
        ("lm", "--characters 9", "lines", "--characters has no effect while the data are lines"),
        ("vae", "--data-dir /tmp", "small", "--data-dir has no effect while --data is digits"),
    ],
)  # fmt: skip
def test_what_does_nothing_is_told(name: str, flags: str, kind: str, line: str) -> None:
    assert told(name, *flags.split(), kind=kind) == ([line] if line else [])


@pytest.mark.parametrize(
    ("name", "beside", "option", "values", "nothing"),
    [
        ("ae", {}, "strength", (0.1, 0.9), True),
        ("ae", {"kind": "denoising"}, "strength", (0.1, 0.9), False),
        ("ae", {}, "rho", (0.1, 0.9), True),
        ("ae", {"kind": "sparse"}, "rho", (0.1, 0.9), False),
        ("ae", {"kind": "sparse"}, "contraction", (0.1, 0.9), True),
        ("ae", {"kind": "contractive"}, "contraction", (0.1, 0.9), False),
        ("vae", {"net": "conv"}, "hidden", ((8,), (4, 4)), True),
        ("vae", {"schedule": "constant"}, "lr_end", (0.1, 0.9), True),
        ("vae", {"schedule": "linear"}, "lr_end", (0.1, 0.9), False),
        ("gan", {"net": "mlp"}, "width", (4, 8), True),
        ("gan", {"net": "mlp"}, "norm", ("batch", "none"), True),
        ("wgan-gp", {"optimiser": "rmsprop"}, "beta1", (0.1, 0.9), True),
        ("wgan-gp", {"optimiser": "adam"}, "beta1", (0.1, 0.9), False),
        ("wgan-gp", {"constraint": "clip"}, "penalty", (0.1, 0.9), True),
        ("wgan-gp", {"constraint": "penalty"}, "clip", (0.1, 0.9), True),
        ("wgan-gp", {"constraint": "clip"}, "clip", (0.01, 0.02), False),
    ],
)
def test_what_is_told_to_do_nothing_does_nothing(
    name: str, beside: dict[str, Any], option: str, values: tuple[Any, Any], nothing: bool
) -> None:
    def learned(value: Any) -> dict[str, torch.Tensor]:
        config = module_of(name).Config(**{**beside, option: value})
        trainer = trainer_of(name, config, data("small"), (0,), 4, FACTS)
        batch = torch.linspace(0, 1, trainer.batch * 64).reshape(1, trainer.batch, 1, 8, 8)
        for _ in range(3):
            trainer.step(batch)
        return {key: weight.clone() for key, weight in trainer.weights().items()}

    first, second = learned(values[0]), learned(values[1])
    assert all(torch.equal(first[key], second[key]) for key in first) is nothing


def test_the_door_says_it_once_before_it_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = "train gan --data ring --steps 2 --seeds 0 --wandb disabled --binarise static --data-dir /nowhere"
    assert main([*argv.split(), "--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "no effect" in line] == [
        "--data-dir has no effect while --data is ring",
        "--binarise has no effect while the data are points",
    ]
