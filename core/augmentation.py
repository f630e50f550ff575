"""Pictures changed in ways that leave their label as it is; for training alone, never for evaluation.

Every function takes images ``[B, C, H, W]`` and its random numbers, one draw for each image.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.errors import UserError, nearest
from core.noise import Noise


def shift(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each image moved by its own whole numbers of pixels ``[B]``; what comes in at the edge is 0.

    The same as a crop, at a random place, of the image with a black border around it.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - down[:, None]  # [B, H]: where each row comes from
    columns = torch.arange(width, device=images.device) - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    place = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
    source = place[:, None].expand(-1, images.shape[1], -1, -1).flatten(2)
    moved = images.flatten(2).gather(2, source).view_as(images)
    return moved * inside[:, None]


def flip(images: Tensor, flipped: Tensor) -> Tensor:
    """Left and right exchanged where ``flipped`` ``[B]`` is true."""
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def noisy(images: Tensor, noise: Tensor, deviation: float) -> Tensor:
    """Noise of that deviation added, from standard normal numbers of the images' shape; held inside [0, 1]."""
    return (images + deviation * noise).clamp(0, 1)


# Name → how to do it to images [seed, B, C, H, W], by how much, with which numbers.
AUGMENTATIONS: dict[str, Callable[[Tensor, float, Noise], Tensor]] = {
    "shift": lambda images, pixels, noise: _shifted(images, int(pixels), noise),
    "flip": lambda images, share, noise: _each(
        flip, images, noise.uniform(images.shape[1]).to(images.device) < share
    ),
    "noise": lambda images, deviation, noise: noisy(
        images, noise.normal(*images.shape[1:]).to(images.device), deviation
    ),
}


def _shifted(images: Tensor, pixels: int, noise: Noise) -> Tensor:
    """By −pixels … pixels along both sides, all equally likely."""
    down, right = (
        noise.integers(2 * pixels + 1, images.shape[1]).to(images.device) - pixels for _ in range(2)
    )
    return _each(shift, images, down, right)


def _each(change: Callable[..., Tensor], images: Tensor, *draws: Tensor) -> Tensor:
    """All seeds' images are one batch to it."""
    flat = change(images.flatten(0, 1), *(draw.flatten(0, 1) for draw in draws))
    return flat.view_as(images)


def parsed(words: Sequence[str]) -> list[tuple[str, float]]:
    """``shift=2``, ``flip=0.5``, ``noise=0.1`` as pairs.

    Raises:
        UserError: no such name, or an amount that cannot be.
    """
    found = []
    for word in words:
        name, _, amount = word.partition("=")
        if name not in AUGMENTATIONS:
            raise UserError(f"unknown augmentation {name!r}{nearest(name, AUGMENTATIONS)}")
        try:
            value = float(amount)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf") or (name == "flip" and value > 1):
            raise UserError(f"augmentation {word!r}: write {name}=NUMBER, as in shift=2, flip=0.5, noise=0.1")
        found.append((name, value))
    return found


def augmented(images: Tensor, plan: Sequence[tuple[str, float]], noise: Noise) -> Tensor:
    """Images ``[seed, B, C, H, W]`` changed by every augmentation of the plan, in its order."""
    for name, amount in plan:
        images = AUGMENTATIONS[name](images, amount, noise)
    return images
