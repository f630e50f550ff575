"""Recurrent networks out of linear maps, so that they stack over seeds like any other; CELLS names them all.

A cell read step by step and its kernel give the same numbers; the kernel learns faster. The LSTM also has torch's
own layer, faster still on the CPU, but without a rule for batching over seeds: `unroll` chooses by what it is given.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from core.networks import gru_kernel, peephole_kernel, rnn_kernel
from core.networks.cell import SHUT, Cell, choose, forget
from core.networks.net import Linear, Memory, draw, pick, transformed
from core.networks.peephole import ABLATIONS, PeepholeLSTM
from core.networks.segments import Segments, cut, lengths


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
        self.activation = pick(RNN_ACTIVATIONS, activation, "activation")

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        return (self.activation(fed + self.recurrent(state[0])),)

    def advance_by(self, x: Tensor, state: Memory) -> tuple[Tensor, ...]:
        if not self.plain(x):
            return super().advance_by(x, state)
        step = torch.rnn_relu_cell if self.activation is torch.relu else torch.rnn_tanh_cell
        return (step(x, state[0], self.input.weight, self.recurrent.weight, self.input.bias),)

    def has_kernel(self) -> bool:
        return True

    def trajectory(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, ...]:
        (fed, h), start = self.by_weights(self.input(x), state, start)
        relu = self.activation is torch.relu
        found = rnn_kernel.run(fed, self.recurrent.weight, h, start, relu)
        return (found.reshape(*x.shape[:-1], self.width),)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, forget gate Gers et al. 2000); state (h, c).

    i, f, o = σ(·), g = tanh(·) of W x + U h + b, in the order i, f, g, o;  c' = f c + i g;  h' = o tanh c'.

    Args:
        forget_bias: where the forget gate's only bias starts; the other biases start at zero.
    """

    gates, tensors = 4, 2
    waste = 2.0  # how many times as many steps padding may make before the kernel is the better way

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

    def advance_by(self, x: Tensor, state: Memory) -> tuple[Tensor, ...]:
        if not self.plain(x):
            return super().advance_by(x, state)
        return torch.lstm_cell(x, state, self.input.weight, self.recurrent.weight, self.input.bias)

    def has_kernel(self) -> bool:
        return True

    def trajectory(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, ...]:
        (fed, h, c), start = self.by_weights(self.input(x), state, start)
        found = peephole_kernel.run(fed, self.recurrent.weight, None, h, c, start)
        return tuple(leaf.reshape(*x.shape[:-1], self.width) for leaf in found[:2])

    def at_once(
        self, x: Tensor, state: Memory, start: Tensor | None, valid: Tensor | None
    ) -> tuple[Tensor, Memory] | None:
        """By torch's layer (oneDNN) in float32, for one seed, on the CPU, outside of vmap and compilation.

        That cannot begin anew in between: it reads the segments as rows, where that makes little padding.
        """
        found = self.by_layer(x, state, start, valid) if self.suits(x) else None
        return super().at_once(x, state, start, valid) if found is None else found

    def suits(self, x: Tensor) -> bool:
        """Whether oneDNN may read this input."""
        plain = x.dtype == torch.float32 == self.recurrent.weight.dtype and x.device.type == "cpu"
        return plain and self.recurrent.weight.dim() == 2 and x.numel() > 0 and not transformed()

    def by_layer(
        self, x: Tensor, state: Memory, start: Tensor | None, valid: Tensor | None
    ) -> tuple[Tensor, Memory] | None:
        """`unroll` by `layer`, on segments that each begin once; None where they would be padded too much."""
        lead = x.shape[:-2]
        x = x.reshape(-1, *x.shape[-2:])
        state = tuple(leaf.reshape(-1, self.width) for leaf in state)
        if start is not None:
            start = start.reshape(x.shape[:2])
            if not bool(start[:, 1:].any()):
                state, start = forget(state, start[:, 0]), None
        if valid is not None:
            valid = valid.reshape(x.shape[:2])
            valid = None if bool((lengths(valid) == x.shape[1]).all()) else valid
        if start is None and valid is None:
            y, state = self.layer(x, state)
        else:
            every = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            if valid is not None and not bool(valid.any()):
                return None
            segments = cut(~every if start is None else start, every if valid is None else valid)
            if segments.steps() > self.waste * every.numel():
                return None
            y, state = self._repacked(x, state, segments)
        return y.reshape(*lead, *y.shape[1:]), tuple(leaf.reshape(*lead, self.width) for leaf in state)

    def _repacked(self, x: Tensor, state: Memory, segments: Segments) -> tuple[Tensor, Memory]:
        before = [segments.begin(leaf) for leaf in state]
        outputs, cells = [], []
        for group in segments.groups:
            packed, inside = segments.pack(x, group)
            y, (_, c) = self.layer(packed, tuple(leaf[slice(*group[:2])] for leaf in before), inside)
            outputs.append(y)
            cells.append(c)
        y = segments.unpack(outputs)
        h = y[torch.arange(len(y), device=y.device), segments.ends]
        c = torch.cat(cells).index_select(0, segments.last)
        return y, choose(~segments.empty, (h, c), state)

    def layer(self, x: Tensor, state: Memory, inside: Tensor | None = None) -> tuple[Tensor, Memory]:
        """`unroll` of x [B, T, F] by torch's layer; behind the steps `inside` [B, T] the cell state stays."""
        weight, recurrent = self.input.weight, self.recurrent.weight
        if inside is not None:
            x, weight = self._frozen(x, weight, inside)
        weights = [weight, recurrent, self.input.bias, self.input.bias.new_zeros(len(recurrent))]
        before = [leaf.unsqueeze(0) for leaf in state]
        # with biases, one layer, no dropout, whether training, one direction, batch first
        y, h, c = torch.lstm(x, before, weights, True, 1, 0.0, self.training, False, True)
        return y, (h[0], c[0])

    def _frozen(self, x: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """One more input, 1 at padding: there i = σ(−∞) = 0 and f = σ(∞) = 1, so that c' = c, to the last bit."""
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

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        (h,) = state
        (fr, fz, fn), (hr, hz, *hn) = fed.chunk(3, -1), self.recurrent(h).split(self.width, -1)
        r, z = torch.sigmoid(fr + hr), torch.sigmoid(fz + hz)
        n = torch.tanh(fn + (self.candidate(r * h) if self.before else r * hn[0]))
        return ((1 - z) * h + z * n if self.new else (1 - z) * n + z * h,)

    def advance_by(self, x: Tensor, state: Memory) -> tuple[Tensor, ...]:
        if self.before or self.new or not self.plain(x):
            return super().advance_by(x, state)
        (own, bias), (across, its) = ((part.weight, part.bias) for part in (self.input, self.recurrent))
        return (torch.gru_cell(x, state[0], own, across, bias, its),)

    def has_kernel(self) -> bool:
        return True

    def trajectory(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, ...]:
        (fed, h), start = self.by_weights(self.input(x), state, start)
        weight, bias = self.recurrent.weight, self.recurrent.bias
        if self.before:
            weight = torch.cat([weight, self.candidate.weight], -2)
        found = gru_kernel.run(fed, weight, bias, h, start, self.new)
        return (found.reshape(*x.shape[:-1], self.width),)


RNN_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}

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
