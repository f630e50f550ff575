"""Back-propagation through time, cut off: gradients reach back to the beginning of a piece, the state goes on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core import trees
from core.networks.net import Memory, Net

Unroll = Callable[[Tensor, Memory, Tensor | None], tuple[Tensor, Memory]]
"""As ``Net.unroll``: inputs, state, where to forget → outputs, state."""


def cut(state: Memory) -> Memory:
    """The same numbers without a past: no gradient passes."""
    found: Memory = trees.map(lambda leaf: leaf.detach(), state)
    return found


def truncated(
    unroll: Unroll,
    x: Tensor,
    state: Memory,
    steps: int,
    start: Tensor | None = None,
    axis: int = -2,
) -> tuple[Tensor, Memory]:
    """Outputs of a whole sequence, where no gradient crosses from one piece of ``steps`` steps into the one before.

    A loss of the outputs then has the gradient of truncated BPTT (Williams & Peng 1990), all pieces together; with
    ``steps`` as long as the sequence, that of full BPTT. The state that is returned is cut as well: it can be
    carried into the next update.

    Args:
        unroll: how the network reads a piece.
        x: inputs with time along ``axis``: ``[…, T, features]``, or tokens ``[…, T]`` with axis −1.
        state: before the first step; () for the initial one.
        steps: in one piece; 0: not cut.
        start: ``[…, T]``, see ``Net.unroll``.
        axis: of time in x; in the outputs it is −2.
    """
    if steps < 0:
        raise ValueError(f"pieces have 1 step or more, or 0 for the whole sequence, not {steps}")
    length = x.shape[axis]
    outputs = []
    for begin in range(0, length, steps or max(length, 1)):
        size = min(steps or length, length - begin)
        here = None if start is None else start.narrow(-1, begin, size)
        y, state = unroll(x.narrow(axis, begin, size), cut(state), here)
        outputs.append(y)
    if not outputs:
        raise ValueError(f"a sequence needs at least one step, got none in {tuple(x.shape)}")
    return torch.cat(outputs, -2), cut(state)


class InPieces(nn.Module):
    """What a net puts out after each step of a whole sequence, [..., T, features] → [..., T, outputs], cut off so.

    Args:
        net: what reads it, from an empty state.
        steps: see ``truncated``.
    """

    def __init__(self, net: Net, steps: int) -> None:
        super().__init__()
        self.net, self.steps, self.stacks = net, steps, net.stacks

    def forward(self, x: Tensor) -> Tensor:
        return truncated(self.net.unroll, x, (), self.steps)[0]
