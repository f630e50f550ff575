"""From settings to a trainer for some images: what training, evaluation and loading have in common."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.errors import UserError, nearest
from core.machine import Machine, facts_of
from generative.files import Images
from generative.trainer import Spec, Trainer

REPAYS = 20_000  # updates, over all seeds, from which compiling saves more seconds than it takes


def module_of(algorithm: str) -> Any:
    """The module of a trainer's id: ``wgan-gp`` is generative/trainers/wgan_gp.py."""
    name = algorithm.replace("-", "_")
    known = [path.stem for path in (Path(__file__).parent / "trainers").glob("[!_]*.py")]
    if name not in known:
        raise UserError(f"unknown algorithm {algorithm!r}{nearest(name, known)}")
    return importlib.import_module(f"generative.trainers.{name}")


def decide(machine: Machine, seeds: int, steps: int) -> dict[str, Any]:
    """The facts to record and to build from."""
    return facts_of(machine, images=True, seeds=seeds, repays=steps * seeds >= REPAYS)


def trainer_of(
    algorithm: str, config: Any, images: Images, seeds: tuple[int, ...], steps: int, facts: Mapping[str, Any]
) -> Trainer:
    """The trainer for these images, built as the facts say."""
    channels, height, width = images.train.shape[1:]
    spec = Spec(
        seeds=seeds,
        shape=(channels, height, width),
        pixel_mean=torch.from_numpy(images.train.mean(axis=0, dtype="float64") / 255).float(),
        steps=steps,
        device=facts["device"],
        path=facts["path"],
        compiled=bool(facts["compile"]),
    )
    trainer: Trainer = module_of(algorithm).TRAINER(spec, config)
    return trainer
