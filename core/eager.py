"""One update that is not compiled: gradients of all seeds, then every seed moved where its weights lie.

A network of a million weights is memory that is read and written: every pass over it counts, and so does every
temporary. What one seed learns does not depend on the others: each row is worked on by itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from core import trees
from core.clipping import By, clip_rows
from core.draws import mix
from core.gradients import Metrics, Params, by_tape, by_transform
from core.layout import Layout
from core.optimisers import Moments, Optimiser


class Turn:
    """Whose turn it is on the loop: only buffers tell seeds' modules apart, and those are never compiled."""

    seed = 0
    drops = False  # whether a network with dropout was ever built: else nothing is drawn in a turn

    def chances(self, name: str, seeds: Sequence[int], t: Tensor, training: bool) -> list[int | None]:
        """What dropout draws from in the step after t ``[seed, 1]``, by seed; None where nothing is dropped."""
        if not (training and self.drops):
            return [None] * len(seeds)
        counts = t.flatten().long().tolist()
        return [mix("dropout", name, seed, count) for seed, count in zip(seeds, counts, strict=True)]


def drawn(chance: int | None, device: torch.device, run: Callable[..., Any], *given: Any) -> Any:
    """``run(*given)``, whose dropout draws from ``chance``; torch's global generators are left as they were."""
    if chance is None:
        return run(*given)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(chance)
        return run(*given)


def in_turn(
    loss: Callable[..., tuple[Tensor, Metrics]],
    layout: Layout,
    weights: Tensor,
    gradient: Tensor,
    batch: Any,
    turn: Turn,
    chances: Sequence[int | None],
) -> Metrics:
    """One seed's gradient after the other, from rows ``[seed, P]`` into rows; the loss's metrics ``[seed]``."""
    found = []
    for k, (row, out) in enumerate(zip(weights, gradient, strict=True)):
        turn.seed, own = k, trees.of_seed(batch, k)
        one = partial(drawn, chances[k], row.device, by_tape)
        parts, metrics = one(lambda views, own=own: loss(views, *own), layout.views(row))
        layout.write(parts, out)
        found.append(metrics)
    turn.seed = 0
    return {name: torch.stack([metrics[name] for metrics in found]) for name in found[0]}


def together(
    loss: Callable[..., tuple[Tensor, Metrics]],
    layout: Layout,
    weights: Tensor,
    gradient: Tensor,
    batch: Any,
) -> Metrics:
    """The same in one batched computation."""

    def one(row: Tensor, own: Any) -> tuple[Params, Metrics]:
        return by_transform(lambda views: loss(views, *own), layout.views(row))

    parts, metrics = in_company(vmap(one), len(weights), (weights, batch))
    layout.write(parts, gradient)
    return dict(metrics)


def in_company(run: Callable[..., Any], seeds: int, given: tuple[Any, ...]) -> Any:
    """``run(*given)``, leaves ``[seed, …]``; a lone seed is doubled, so that its sums are taken as in company."""
    if seeds == 1:
        given = trees.map(lambda leaf: torch.cat([leaf, leaf]), given)
    return trees.map(lambda leaf: leaf[:seeds], run(*given))


def descend(
    optimiser: Optimiser,
    weights: Tensor,
    moments: Moments,
    gradient: Tensor,
    t: Tensor,
    alive: Tensor,
    lr: float,
    clip: float | None = None,
    clip_by: By = "global",
    layout: Layout | None = None,
) -> Tensor:
    """Clip the gradients and follow them, in place; a seed whose own is not finite stays as it is from then on.

    Args:
        layout: where each weight stands; needed to clip by tensor.

    Returns:
        The norms ``[seed]`` before clipping.
    """
    norms = torch.stack(
        [row.norm() for row in gradient]
    )  # one by one: the sum of a row is the same in company
    if clip is not None:
        clip_rows(gradient, norms, clip, clip_by, layout)
    alive &= norms.isfinite()
    able = alive.nonzero().flatten().tolist()

    def rows(matrix: Tensor) -> list[Tensor]:
        return [matrix[k] for k in able]

    if able:
        optimiser.in_place(
            rows(weights), rows(gradient), tuple(rows(moment) for moment in moments), rows(t), lr
        )
    return norms
