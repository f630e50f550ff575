"""From settings to a trainer for some images: what training, evaluation and loading have in common."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core import catalogue
from core.errors import UserError, nearest
from core.machine import Machine, facts_of
from generative.files import Dataset, Points
from generative.trainer import Spec, Trainer

REPAYS = 20_000  # updates, over all seeds, from which compiling saves more seconds than it takes


def module_of(algorithm: str) -> Any:
    """The module of a trainer's id: ``wgan-gp`` is generative/trainers/wgan_gp.py."""
    name = algorithm.replace("-", "_")
    known = [path.stem for path in (Path(__file__).parent / "trainers").glob("[!_]*.py")]
    if name not in known:
        raise UserError(f"unknown algorithm {algorithm!r}{nearest(name, known)}")
    return importlib.import_module(f"generative.trainers.{name}")


def serving_points() -> list[str]:
    """The trainers whose tags say that their data may be points."""
    known = catalogue.algorithms().values()
    return [a.id for a in known if a.suite == "generative" and "points" in a.tags.get("data", "")]


def decide(machine: Machine, seeds: int, steps: int, dataset: Dataset) -> dict[str, Any]:
    """The facts to record and to build from."""
    images = not isinstance(dataset, Points)
    return facts_of(machine, images=images, seeds=seeds, repays=steps * seeds >= REPAYS)


def trainer_of(
    algorithm: str,
    config: Any,
    dataset: Dataset,
    seeds: tuple[int, ...],
    steps: int,
    facts: Mapping[str, Any],
) -> Trainer:
    """The trainer for these images or points, built as the facts say.

    Raises:
        UserError: they are points and it serves images alone; those that serve points are named.
    """
    points = isinstance(dataset, Points)
    if points and algorithm not in (able := serving_points()):
        raise UserError(
            f"{algorithm} models images and {dataset.name} is points; {' and '.join(able)} take them"
        )
    mean = torch.from_numpy(dataset.train.mean(axis=0, dtype="float64"))
    spec = Spec(
        seeds=seeds,
        shape=dataset.train.shape[1:],
        pixel_mean=(mean if points else mean / 255).float(),
        steps=steps,
        device=facts["device"],
        path=facts["path"],
        compiled=bool(facts["compile"]),
    )
    trainer: Trainer = module_of(algorithm).TRAINER(spec, config)
    return trainer
