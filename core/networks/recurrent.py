"""Recurrent networks out of linear maps, so that they stack over seeds like any other; CELLS names them all.

A cell read step by step and torch's own layer give the same numbers. The layer learns faster on the CPU, but has no
rule for batching over seeds, and costs three times as much for a single step: `unroll` chooses by what it is given.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from core.networks.cell import SHUT, Cell
from core.networks.net import Linear, Memory, draw, pick
from core.networks.peephole import ABLATIONS, PeepholeLSTM


class RNN(Cell):
    """The plain recurrent network (Elman 1990): h' = tanh(W x + U h + b); state (h,).

    Args:
        activation: "tanh" or "relu".
    """

    gates, tensors = 1, 1

    def __init__(
        self,
        inputs: int,
        width: int,
        initialise: str = "orthogonal",
        initialise_recurrent: str | None = None,
        activation: str = "tanh",
    ) -> None:
        super().__init__(inputs, width, initialise, initialise_recurrent)
        self.activation, self.kernel = pick(RNN_ACTIVATIONS, activation, "activation")

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        return (self.activation(fed + self.recurrent(state[0])),)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, forget gate Gers et al. 2000); state (h, c).

    i, f, o = σ(·), g = tanh(·) of W x + U h + b, in the order i, f, g, o;  c' = f c + i g;  h' = o tanh c'.

    Args:
        forget_bias: where the forget gate's only bias starts; the other biases start at zero.
    """

    gates, tensors = 4, 2
    kernel = torch.lstm
    waste = 4.0  # oneDNN's is that much faster than the loop

    def __init__(
        self,
        inputs: int,
        width: int,
        initialise: str = "orthogonal",
        forget_bias: float = 1.0,
        initialise_recurrent: str | None = None,
    ) -> None:
        super().__init__(inputs, width, initialise, initialise_recurrent)
        with torch.no_grad():
            self.input.bias[width : 2 * width] = forget_bias

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        h, c = state
        i, f, g, o = (fed + self.recurrent(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def frozen(self, x: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """At padding the new feature is 1: i = σ(−∞) = 0 and f = σ(∞) = 1, so that c' = c, to the last bit."""
        column = weight.new_zeros(len(weight), 1)
        column[: self.width], column[self.width : 2 * self.width] = -SHUT, SHUT
        padding = (~inside).to(x.dtype).unsqueeze(-1)
        return torch.cat([x, padding], -1), torch.cat([weight, column], -1)


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014); state (h,). It is written in two ways that no weights make equal.

    r, z = σ(W x + U h + b), in the order r, z, n, and h̃ with the reset
        "before": h̃ = tanh(W_n x + U_n (r ⊙ h) + b_n), the paper's;
        "after":  h̃ = tanh(W_n x + b_n + r ⊙ (U_n h + b'_n)), cuDNN's and PyTorch's.
    And z is the share of what is
        "new": h' = (1 − z) h + z h̃;
        "old": h' = z h + (1 − z) h̃, which is "new" with z's weights negated.

    Args:
        reset: "before" or "after" the product with the recurrent matrix.
        share: "new" or "old"; None for the one that goes with it: "new" before, "old" after.
    """

    gates, tensors = 3, 1
    kernel = torch.gru

    def __init__(
        self,
        inputs: int,
        width: int,
        initialise: str = "orthogonal",
        initialise_recurrent: str | None = None,
        reset: str = "after",
        share: str | None = None,
    ) -> None:
        before = pick({"before": True, "after": False}, reset, "reset")
        self.new = pick({"new": True, "old": False}, share or ("new" if before else "old"), "share")
        self.before, self.recurrent_bias = before, not before
        self.recurrent_gates = 2 if before else 3
        super().__init__(inputs, width, initialise, initialise_recurrent)
        if before:
            self.candidate = Linear(width, width, bias=False)
            draw(self.candidate, initialise_recurrent or initialise, 1.0)

    def suits(self, x: Tensor) -> bool:
        return not self.before and not self.new and super().suits(x)

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        (h,) = state
        (fr, fz, fn), (hr, hz, *hn) = fed.chunk(3, -1), self.recurrent(h).split(self.width, -1)
        r, z = torch.sigmoid(fr + hr), torch.sigmoid(fz + hz)
        n = torch.tanh(fn + (self.candidate(r * h) if self.before else r * hn[0]))
        return ((1 - z) * h + z * n if self.new else (1 - z) * n + z * h,)


RNN_ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., object]]] = {
    "tanh": (torch.tanh, torch.rnn_tanh),
    "relu": (torch.relu, torch.rnn_relu),
}

CELLS: dict[str, Callable[..., Cell]] = {
    "rnn": RNN,
    "rnn-relu": partial(RNN, activation="relu"),
    "lstm": LSTM,
    "gru": GRU,
    "gru-before": partial(GRU, reset="before"),
    "peephole": PeepholeLSTM,
    "peephole-full": partial(PeepholeLSTM, peephole="full"),
    **{f"peephole-{name.lower()}": partial(PeepholeLSTM, ablate=(name,)) for name in ABLATIONS},
}
"""Name → how to make that cell from (inputs, width, …): each obeys `Net`, with stacked weights too."""
