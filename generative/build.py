"""From settings to a trainer for some images: what training, evaluation and loading have in common."""

import importlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from core.errors import UserError, nearest
from generative.files import Images
from generative.trainer import Spec, Trainer

NO_PRESET = "none"
REPAYS = 20_000  # updates, over all seeds, from which compiling saves more seconds than it takes


@dataclass(frozen=True)
class Machine:
    """Where and how the numbers are computed; recorded with a run, so that it resumes the same way."""

    device: str = "auto"  # cpu, cuda, cuda:N; auto: a GPU where there is one
    compile: Literal["auto", "on", "off"] = "auto"  # auto: when the run is long enough to repay it
    path: Literal["loop", "vmap"] = "loop"  # seeds one after the other, or all in one batched computation
    threads: int = 1  # of torch; small networks are often slower with two


def module_of(algorithm: str) -> Any:
    """The module of a trainer's id: ``wgan-gp`` is generative/trainers/wgan_gp.py."""
    name = algorithm.replace("-", "_")
    known = [path.stem for path in (Path(__file__).parent / "trainers").glob("[!_]*.py")]
    if name not in known:
        raise UserError(f"unknown algorithm {algorithm!r}{nearest(name, known)}")
    return importlib.import_module(f"generative.trainers.{name}")


def preset_of(module: Any, preset: str, data: str) -> tuple[dict[str, Any], str]:
    """The settings a preset has for some data, and the preset's name; ``auto`` takes the first that knows it.

    Raises:
        UserError: no preset of that name, or it does not know the data set.
    """
    presets: Mapping[str, Mapping[str, dict[str, Any]]] = module.PRESETS
    if preset == NO_PRESET:
        return {}, ""
    if preset == "auto":
        name = next((name for name, known in presets.items() if data in known), "")
        return (dict(presets[name][data]), name) if name else ({}, "")
    if preset not in presets:
        raise UserError(f"unknown preset {preset!r}{nearest(preset, [*presets, 'auto', NO_PRESET])}")
    if data not in presets[preset]:
        raise UserError(
            f"preset {preset!r} has no settings for {data}; it knows {', '.join(presets[preset])}"
        )
    return dict(presets[preset][data]), preset


def decide(machine: Machine, updates: int) -> dict[str, Any]:
    """Turn every ``auto`` into what it means for this run: the facts to record and to build from.

    Args:
        machine: what was asked for.
        updates: how many will be made, over all seeds.
    """
    device = machine.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: this torch sees no GPU; use --device cpu")
    able = device != "cpu" or bool(shutil.which("g++") or shutil.which("c++"))
    if machine.compile == "on" and not able:
        raise UserError("--compile on needs a C++ compiler (g++) on the PATH; use --compile off")
    compiled = machine.compile == "on" or (machine.compile == "auto" and able and updates >= REPAYS)
    return {"device": device, "path": machine.path, "compile": compiled, "threads": machine.threads}


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
