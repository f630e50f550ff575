"""Points in the plane: the mixtures on which mode collapse is counted, and the swiss roll.

The same points every time, whatever the run's seed: 100,000 to train on and 10,000 apart to test on.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.noise import Noise
from generative.files import Points

TRAIN, TEST = 100_000, 10_000


@dataclass(frozen=True)
class Mixture:
    """Equal parts of Gaussians with standard deviation ``sigma``; then everything is divided by ``divisor``."""

    centres: tuple[tuple[float, float], ...]
    sigma: float
    divisor: float = 1.0


def _ring(radius: float) -> tuple[tuple[float, float], ...]:
    """Eight places, the first to the right, counter-clockwise."""
    angles = (2 * math.pi * k / 8 for k in range(8))
    return tuple((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles)


GRID = tuple((float(x), float(y)) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4))

# Lin et al. 2018 (PacGAN), section 4, and Gulrajani et al. 2017 (WGAN-GP) in the code of its toy experiments,
# where everything is brought to a standard deviation near 1.
MIXTURES: dict[str, Mixture] = {
    "ring": Mixture(_ring(1.0), 0.01),
    "grid": Mixture(GRID, 0.05),
    "ring-wgan-gp": Mixture(_ring(2.0), 0.02, 1.414),
    "grid-wgan-gp": Mixture(GRID, 0.05, 2.828),
}


def mixture(name: str) -> Points:
    """A data set of ``MIXTURES``: every centre has equally many points, in no order."""
    setting = MIXTURES[name]
    centres = torch.tensor(setting.centres)
    parts = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        noise = Noise((0,), f"points {name} {part}")
        owner = noise.permutation(count)[0] % len(centres)
        points = centres[owner] + setting.sigma * noise.normal(count, 2)[0]
        parts.append(_array(points / setting.divisor))
    train, test = parts
    return Points(name, train, test, _array(centres / setting.divisor), setting.sigma / setting.divisor)


def swiss_roll(name: str) -> Points:
    """(t·cos t, t·sin t) for t from 1.5π to 4.5π, noise of 0.25, divided by 7.5, as in WGAN-GP's toy experiments."""
    parts = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        noise = Noise((0,), f"points {name} {part}")
        t = 1.5 * math.pi * (1 + 2 * noise.uniform(count)[0])
        roll = torch.stack([t * t.cos(), t * t.sin()], dim=1) + 0.25 * noise.normal(count, 2)[0]
        parts.append(_array(roll / 7.5))
    train, test = parts
    return Points(name, train, test)


def _array(points: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = points.float().numpy()
    return array
