"""From settings to a trainer for some data: what training, evaluation and loading have in common."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core import catalogue
from core.errors import UserError, nearest
from core.machine import Machine, facts_of
from generative.data import Batches
from generative.files import Dataset, Images, Pairs, Points, Text
from generative.texts import NEWLINE, Passages, longest
from generative.trainer import Spec, Trainer, Writer

KINDS: dict[type, str] = {Images: "images", Points: "points", Text: "text", Pairs: "pairs"}
REPAYS = 20_000  # updates, over all seeds, from which compiling saves more seconds than it takes


def module_of(algorithm: str) -> Any:
    """The module of a trainer's id: ``wgan-gp`` is generative/trainers/wgan_gp.py."""
    name = algorithm.replace("-", "_")
    known = [path.stem for path in (Path(__file__).parent / "trainers").glob("[!_]*.py")]
    if name not in known:
        raise UserError(f"unknown algorithm {algorithm!r}{nearest(name, known)}")
    return importlib.import_module(f"generative.trainers.{name}")


def kind_of(dataset: Dataset) -> str:
    """What the data are, as a trainer's tags call it."""
    return KINDS[type(dataset)]


def serving(kind: str) -> list[str]:
    """The trainers whose tags say that their data may be of that kind: images, points, text."""
    known = catalogue.algorithms().values()
    return [a.id for a in known if a.suite == "generative" and kind in a.tags.get("data", "").split(", ")]


def decide(machine: Machine, seeds: int, steps: int, dataset: Dataset) -> dict[str, Any]:
    """The facts to record and to build from."""
    images = not isinstance(dataset, Points)  # a text's networks are no smaller than those
    repays = steps * seeds >= REPAYS and not isinstance(dataset, Text | Pairs)
    return facts_of(machine, images=images, seeds=seeds, repays=repays)


def trainer_of(
    algorithm: str,
    config: Any,
    dataset: Dataset,
    seeds: tuple[int, ...],
    steps: int,
    facts: Mapping[str, Any],
) -> Trainer:
    """The trainer for these data, built as the facts say.

    Raises:
        UserError: they are of a kind that it does not serve; the trainers that do are named.
    """
    if algorithm not in (able := serving(kind := kind_of(dataset))):
        models = catalogue.algorithms()[algorithm].tags["data"]
        take = f"{' and '.join(able)} {'takes' if len(able) == 1 else 'take'} them"
        raise UserError(f"{algorithm} models {models} and {dataset.name} is {kind}; {take}")
    spec = Spec(
        seeds=seeds,
        shape=dataset.train.shape[1:],
        pixel_mean=_mean(dataset),
        steps=steps,
        device=facts["device"],
        path=facts["path"],
        compiled=bool(facts["compile"]),
        **_characters(dataset),
    )
    trainer: Trainer = module_of(algorithm).TRAINER(spec, config)
    return trainer


def _mean(dataset: Dataset) -> Tensor:
    if isinstance(dataset, Text | Pairs):
        return torch.zeros(dataset.train.shape[1:])
    mean = torch.from_numpy(dataset.train.mean(axis=0, dtype="float64"))
    return (mean if isinstance(dataset, Points) else mean / 255).float()


def _characters(dataset: Dataset) -> dict[str, Any]:
    """What a Spec says of texts alone."""
    if isinstance(dataset, Pairs):
        return {"tokens": len(dataset.characters), "source": dataset.source}
    if not isinstance(dataset, Text):
        return {}
    newline = dataset.characters.index(NEWLINE) if dataset.lines else None
    return {"tokens": len(dataset.characters), "newline": newline, "longest": longest(dataset)}


def batches_of(trainer: Trainer, dataset: Dataset, seeds: tuple[int, ...], device: str) -> Batches | Passages:
    """What the trainer is shown, update by update."""
    if isinstance(trainer, Writer) and isinstance(dataset, Text):
        return Passages(dataset, seeds, trainer.batch, trainer.length, trainer.follow, device)
    return Batches(dataset.train, seeds, trainer.batch, trainer.binarise, device)
