"""Places of a sequence that count, and what is said of them alone: [..., T] bool beside [..., T]."""

import torch
from torch import Tensor


def mean_where(places: Tensor, values: Tensor) -> Tensor:
    """The mean over the last axis of what stands at these places [..., T] → [...]; there is one at least."""
    return torch.where(places, values, 0.0).sum(-1) / places.sum(-1)


def last_of(places: Tensor, count: int) -> Tensor:
    """The last ``count`` of the places along the last axis, or all if there are fewer."""
    return places & (places.flip(-1).cumsum(-1).flip(-1) <= count)


def accuracies(right: Tensor, asked: Tensor, scored: int = 0) -> dict[str, Tensor]:
    """Over sequences ``[…, n, T]`` of answers that are right or not, and asked for or not; each ``[…]``.

    ``accuracy``: the share that is right of each sequence's last ``scored`` answers (0: of all), averaged; ``exact``:
    sequences without a mistake among them; ``accuracy_last``: whose last answer is right.
    """
    counted = last_of(asked, scored) if scored else asked
    return {
        "accuracy": mean_where(counted, right.float()).mean(-1),
        "exact": (right | ~counted).all(-1).float().mean(-1),
        "accuracy_last": mean_where(last_of(asked, 1), right.float()).mean(-1),
    }
