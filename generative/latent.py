"""Pictures of a latent space: where the images of each class lie, and what is decoded all over it."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from core.media import grid
from generative.drawing import FINER, TEXT, axes, dots
from generative.trainer import Encoder

SIDE = 480  # pixels of the map, without its legend
MARGIN = 56  # right of the map: the legend
HEAD = 24  # above it: what is shown
MAPPED = 2_000  # images at most
TILES = 20  # along each side of the decoded grid
PALETTE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
           "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")  # fmt: skip


def pictures(trainer: Encoder, images: Tensor, labels: NDArray[np.int64] | None) -> dict[str, Tensor]:
    """What there is to see of a latent space, by name.

    ``latent``: the codes of the images as they are, of one or two numbers. ``latent_pca``: of wider codes the first
    two principal components, each seed's own. ``manifold``: of two numbers also the images they decode to.

    Args:
        images: ``[N, C, H, W]``; the first 2,000 are mapped.
        labels: their classes ``[N]``, where they are known.

    Returns:
        Each ``[seed, 1, channels, height, width]`` in [0, 1].
    """
    codes = trainer.codes(images[:MAPPED]).double().cpu().numpy()
    width, classes = codes.shape[-1], None if labels is None else labels[:MAPPED]
    if width > 2:
        return {"latent_pca": torch.stack([_projected(own, classes) for own in codes])}
    flat = np.concatenate([codes, np.zeros_like(codes)], axis=-1)[..., :2]
    found = {"latent": torch.stack([_map(own, classes, "codes of test images") for own in flat])}
    return {**found, "manifold": manifold(trainer, len(codes))} if width == 2 else found


def manifold(trainer: Encoder, seeds: int, tiles: int = TILES) -> Tensor:
    """Images decoded from a grid of equal steps of probability under N(0, 1) (Kingma & Welling 2014, figure 4).

    ``[seed, 1, C, height, width]``: the first coordinate grows to the right, the second upwards.
    """
    steps = torch.special.ndtri((torch.arange(tiles, dtype=torch.float64) + 0.5) / tiles).float()
    up, right = torch.meshgrid(steps.flip(0), steps, indexing="ij")
    z = torch.stack([right, up], dim=-1).flatten(0, 1).expand(seeds, -1, -1)
    images = trainer.generate(z).cpu().numpy()
    joined = np.stack([grid(own, columns=tiles).transpose(2, 0, 1) for own in images])
    return torch.from_numpy(joined.astype(np.float32) / 255)[:, None]


def principal(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Codes ``[N, latent]`` along their two directions of most variance ``[N, 2]``, and its share there.

    A direction points to where its largest entry is positive.
    """
    centred = codes - codes.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[:2]
    first = first * np.sign(first[np.arange(2), np.abs(first).argmax(1)])[:, None]
    total = float((sizes**2).sum())
    return centred @ first.T, float((sizes[:2] ** 2).sum()) / total if total else 0.0


def _projected(codes: NDArray[np.float64], classes: NDArray[np.int64] | None) -> Tensor:
    """The map of codes of more than two numbers; an empty one for a seed that failed."""
    if not np.isfinite(codes).all():
        return _map(codes[:0, :2], None, "no codes: they are not finite")
    places, share = principal(codes)
    told = f"principal components 1 and 2 of {codes.shape[1]}: {share:.0%} of the variance"
    return _map(places, classes, told)


def _map(places: NDArray[np.float64], classes: NDArray[np.int64] | None, told: str) -> Tensor:
    """Places ``[N, 2]`` as dots in the colour of their class, the same scale along both axes: ``[1, 3, h, w]``."""
    finite = np.isfinite(places).all(axis=1)
    places, classes = places[finite], None if classes is None else classes[finite]
    low, high = (places.min(0), places.max(0)) if len(places) else (np.full(2, -1.0), np.full(2, 1.0))
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.06 or 1.0
    wide = SIDE * FINER
    paper = Image.new("RGB", (wide, wide), "white")
    pen = ImageDraw.Draw(paper)
    axes(pen, middle.tolist(), half, wide)
    at = ((places - middle) / half * (1, -1) + 1) / 2 * wide
    kinds = np.unique(classes) if classes is not None else np.zeros(0, np.int64)
    colour = {kind: PALETTE[k % len(PALETTE)] for k, kind in enumerate(kinds.tolist())}
    radius = 2.6 if len(at) <= 500 else 1.8
    for k in range(len(at)):  # in the order of the images, so that no class covers the others
        dots(pen, at[k : k + 1], PALETTE[0] if classes is None else colour[int(classes[k])], radius)
    sheet = Image.new("RGB", (SIDE + (MARGIN if colour else 0), SIDE + HEAD), "white")
    sheet.paste(paper.resize((SIDE, SIDE), Image.Resampling.BOX), (0, HEAD))
    pen = ImageDraw.Draw(sheet)
    pen.text((4, HEAD / 2), told, fill=TEXT, font_size=13, anchor="lm")
    if len(colour) <= len(PALETTE):  # more classes share colours, and a legend would say nothing
        for row, (kind, tint) in enumerate(colour.items()):
            y = HEAD + 16 + 20 * row
            pen.ellipse((SIDE + 10, y - 5, SIDE + 20, y + 5), fill=tint)
            pen.text((SIDE + 27, y), str(kind), fill=TEXT, font_size=14, anchor="lm")
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32).transpose(2, 0, 1) / 255)[None]
