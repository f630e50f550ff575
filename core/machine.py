"""Where and how the numbers are computed, and what ``auto`` means there."""

import shutil
from dataclasses import dataclass
from typing import Any, Literal

import torch

from core.errors import UserError


@dataclass(frozen=True)
class Machine:
    """Where and how the numbers are computed; recorded with a run, so that it resumes the same way."""

    device: str = "auto"  # cpu, cuda, cuda:N; auto: a GPU for images where there is one, else the CPU
    compile: Literal["auto", "on", "off"] = "auto"  # auto: when the run is long enough to repay it
    path: Literal["auto", "loop", "vmap"] = "auto"  # seeds in turn or at once; auto: in turn for images
    threads: int = 1  # of torch; small networks are often slower with two


def facts_of(machine: Machine, *, images: bool, seeds: int, repays: bool) -> dict[str, Any]:
    """Turn every ``auto`` into what it means for this run: the facts to record and to build from.

    Args:
        machine: what was asked for.
        images: whether the networks are made for images.
        seeds: how many are trained together.
        repays: whether the run is long enough for compiling to save more seconds than it takes.
    """
    device = machine.device
    if device == "auto":
        device = "cuda" if images and torch.cuda.is_available() else "cpu"
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: this torch sees no GPU; use --device cpu")
    able = device != "cpu" or bool(shutil.which("g++") or shutil.which("c++"))
    if machine.compile == "on" and not able:
        raise UserError("--compile on needs a C++ compiler (g++) on the PATH; use --compile off")
    return {
        "device": device,
        "path": machine.path if machine.path != "auto" else "vmap" if seeds > 1 and not images else "loop",
        "compile": machine.compile == "on" or (machine.compile == "auto" and able and repays),
        "threads": machine.threads,
    }
