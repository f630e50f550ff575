"""Recurrent cells out of linear maps, so that they stack over seeds like any other network.

`nn.LSTM` learns faster on long CPU sequences, but has no rule for batching over seeds, cannot forget in the
middle of a sequence, and costs three times as much for a single step.
"""

import torch
from torch import Tensor, nn

from core.networks.net import Linear, Memory, Net, draw


def forget(state: Memory, start: Tensor | None) -> Memory:
    """The state with zeros where a new sequence begins: start [B] bool, leaves [B, H]; None begins none."""
    if start is None:
        return state
    return tuple(
        forget(leaf, start) if isinstance(leaf, tuple) else torch.where(start.unsqueeze(-1), 0.0, leaf)
        for leaf in state
    )


class Cell(Net):
    """What the cells share; each says how its state moves on (`advance`). The output is its first tensor.

    Args:
        inputs: features of x.
        width: features of the output, H.
        initialise: a key of INITIALISERS, for each gate's matrices apart, gain 1; biases are zero.
    """

    stacks = True
    gates: int  # blocks of the weights
    tensors: int  # in the state
    recurrent_bias = False

    def __init__(self, inputs: int, width: int, initialise: str = "orthogonal") -> None:
        super().__init__()
        self.width = width
        self.input = Linear(inputs, self.gates * width)
        self.recurrent = Linear(width, self.gates * width, bias=self.recurrent_bias)
        for layer in (self.input, self.recurrent):
            draw(layer, initialise, 1.0, self.gates)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        """The next state, from what the input feeds to the gates [B, gates·H] and the state before."""
        raise NotImplementedError

    def init_state(self, *batch: int) -> Memory:
        """Zeros [*batch, H]."""
        return tuple(self.recurrent.weight.new_zeros(*batch, self.width) for _ in range(self.tensors))

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        after = self.advance(self.input(x), forget(state or self.init_state(*x.shape[:-1]), start))
        return after[0], after

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        state, outputs = state or self.init_state(*x.shape[:-2]), []
        # The inputs of all steps pass their matrix at once; only the recurrence must wait.
        for t, fed in enumerate(self.input(x).unbind(-2)):
            state = after = self.advance(fed, forget(state, None if start is None else start[..., t]))
            outputs.append(after[0])
        return torch.stack(outputs, -2), state

    def forward(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """The same as `unroll`."""
        return self.unroll(x, state, start)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, forget gate Gers et al. 2000); state (h, c).

    i, f, o = σ(·), g = tanh(·) of W x + U h + b, in the order i, f, g, o;  c' = f c + i g;  h' = o tanh c'.

    Args:
        forget_bias: where the forget gate's only bias starts; the other biases start at zero.
    """

    gates, tensors = 4, 2

    def __init__(
        self, inputs: int, width: int, initialise: str = "orthogonal", forget_bias: float = 1.0
    ) -> None:
        super().__init__(inputs, width, initialise)
        with torch.no_grad():
            self.input.bias[width : 2 * width] = forget_bias

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        h, c = state
        i, f, g, o = (fed + self.recurrent(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014) as in cuDNN: r acts after the matrix, z keeps; state (h,).

    r, z = σ(W x + U h + b);  n = tanh(W_n x + r (U_n h + b_n));  h' = (1 − z) n + z h.
    """

    gates, tensors, recurrent_bias = 3, 1, True

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        (h,) = state
        (fr, fz, fn), (hr, hz, hn) = fed.chunk(3, -1), self.recurrent(h).chunk(3, -1)
        r, z = torch.sigmoid(fr + hr), torch.sigmoid(fz + hz)
        return ((1 - z) * torch.tanh(fn + r * hn) + z * h,)


CELLS: dict[str, type[Cell]] = {"lstm": LSTM, "gru": GRU}
