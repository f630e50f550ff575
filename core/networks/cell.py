"""What recurrent cells share: a step, a loop over steps, and a kernel where it does the same faster."""

from typing import Any

import torch
from torch import Tensor, nn

from core.networks.embedding import check_features
from core.networks.net import Linear, Memory, Net, draw, transformed
from core.networks.segments import lengths

SHUT = 1e4  # an infinity to a sigmoid: 0 or 1 exactly, with slope 0
SHORT = 6  # steps under which the loop is as quick as a kernel


def forget(state: Memory, start: Tensor | None) -> Memory:
    """The state with zeros where a new sequence begins: start [B] bool, leaves [B, H]; None begins none."""
    if start is None:
        return state
    return tuple(
        forget(leaf, start) if isinstance(leaf, tuple) else torch.where(start.unsqueeze(-1), 0.0, leaf)
        for leaf in state
    )


def choose(which: Tensor, new: Memory, old: Memory) -> Memory:
    """The new state where `which` [B] is True, the old one elsewhere."""
    return tuple(
        choose(which, a, b) if isinstance(a, tuple) else torch.where(which.unsqueeze(-1), a, b)
        for a, b in zip(new, old, strict=True)
    )


def check_sequence(x: Tensor, features: int, start: Tensor | None, valid: Tensor | None = None) -> None:
    """ValueError that names shape and expectation, for x [..., T, features], start and valid [..., T]."""
    check_features(x, features, start=start, valid=valid)
    if valid is not None and not transformed():
        lengths(valid)


class Reader(Net):
    """A Net over sequences of different lengths, whose state tells what it put out last."""

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """x [B, T, F] → (y [B, T, H], state); valid [B, T] bool, True = real, False behind a row's length.

        There y is zero, and the state is that after the row's last valid step.
        """
        raise NotImplementedError

    def output(self, state: Memory) -> Tensor:
        """What was put out when this state was left, [B, H]."""
        raise NotImplementedError

    def forward(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> Any:
        """The same as `unroll`."""
        return self.unroll(x, state, start, valid)


class Cell(Reader):
    """A recurrent cell; each kind says how its state moves on (`advance`). The output is its first tensor.

    Args:
        inputs: features of x.
        width: features of the output, H.
        initialise: a key of INITIALISERS, for each gate's input matrix apart, gain 1; biases are zero.
        initialise_recurrent: the same for the recurrent matrices; None for the same as the inputs'.
    """

    stacks = True
    gates: int  # blocks of the input's weights
    recurrent_gates: int | None = None  # blocks of `recurrent`; None for as many
    tensors: int  # in the state
    recurrent_bias = False

    def __init__(
        self,
        inputs: int,
        width: int,
        initialise: str = "orthogonal",
        initialise_recurrent: str | None = None,
    ) -> None:
        super().__init__()
        if min(inputs, width) < 1:
            raise ValueError(f"a cell needs at least one input and one unit, not {inputs} and {width}")
        self.inputs, self.width = inputs, width
        own = self.gates if self.recurrent_gates is None else self.recurrent_gates
        self.input = Linear(inputs, self.gates * width)
        self.recurrent = Linear(width, own * width, bias=self.recurrent_bias)
        draw(self.input, initialise, 1.0, self.gates)
        draw(self.recurrent, initialise_recurrent or initialise, 1.0, own)
        for layer in (self.input, self.recurrent):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        """The next state, from what the input feeds to the gates [B, gates·H] and the state before."""
        raise NotImplementedError

    def init_state(self, *batch: int) -> Memory:
        """Zeros [*batch, H]."""
        return tuple(self.recurrent.weight.new_zeros(*batch, self.width) for _ in range(self.tensors))

    def output(self, state: Memory) -> Tensor:
        h: Tensor = state[0]
        return h

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        if x.dim() < 1 or x.shape[-1] != self.inputs:
            raise ValueError(f"a step has shape [B, {self.inputs}], not {list(x.shape)}")
        if start is not None and start.shape != x.shape[:-1]:
            raise ValueError(f"`start` must be [B] = {list(x.shape[:-1])}, not {list(start.shape)}")
        state = state or self.init_state(*x.shape[:-1])
        self.check_state(state, x, 1)
        after = self.advance_by(x, forget(state, start))
        return after[0], after

    def advance_by(self, x: Tensor, state: Memory) -> tuple[Tensor, ...]:
        """The next state after x [B, F]."""
        return self.advance(self.input(x), state)

    def plain(self, x: Tensor) -> bool:
        """Whether torch's own single steps may read x: one seed, outside of transforms and compilations."""
        return x.dim() == 2 == self.recurrent.weight.dim() and not transformed()

    def check_state(self, state: Memory, x: Tensor, own: int) -> None:
        """ValueError unless every tensor of the state is [B, H] for x, whose last `own` axes are not of the batch."""
        expected = (*x.shape[:-own], self.width)
        for leaf in state:
            if leaf.shape != expected:
                raise ValueError(
                    f"the state must be {list(expected)} for x {list(x.shape)}, not {list(leaf.shape)}"
                )
        if len(state) != self.tensors:
            raise ValueError(f"the state must have {self.tensors} tensors {list(expected)}, not {len(state)}")

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """x [B, T, F] → (y [B, T, H], state), as Reader's.

        Takes a kernel whose backward is derived by hand where the cell has one (and an LSTM torch's own where that is
        faster): once differentiable. In a compilation, and for second derivatives: the loop (`fold`).
        """
        check_sequence(x, self.inputs, start, valid)
        state = state or self.init_state(*x.shape[:-2])
        self.check_state(state, x, 2)
        if valid is not None:
            # What stands at padding may be anything, NaN as well.
            x = torch.where(valid.unsqueeze(-1), x, 0.0)
        found = self.at_once(x, state, start, valid)
        return self.fold(x, state, start, valid) if found is None else found

    def fold(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """`unroll`, step after step."""
        state, outputs = state or self.init_state(*x.shape[:-2]), []
        # The inputs of all steps pass their matrix at once; only the recurrence must wait.
        for t, fed in enumerate(self.input(x).unbind(-2)):
            after: Memory = self.advance(fed, forget(state, None if start is None else start[..., t]))
            state = after if valid is None else choose(valid[..., t], after, state)
            outputs.append(after[0])
        y = torch.stack(outputs, -2)
        return (y if valid is None else torch.where(valid.unsqueeze(-1), y, 0.0)), state

    def at_once(
        self, x: Tensor, state: Memory, start: Tensor | None, valid: Tensor | None
    ) -> tuple[Tensor, Memory] | None:
        """`unroll` by a kernel; None where the loop must do, or is as quick."""
        if not self.has_kernel() or torch.compiler.is_compiling() or x.shape[-2] < SHORT or x.numel() == 0:
            return None
        states = self.trajectory(x, state, start)
        if valid is None:
            return states[0], tuple(leaf[..., -1, :] for leaf in states)
        size = valid.sum(-1)
        ends = (size - 1).clamp(min=0)[..., None, None].expand(*size.shape, 1, self.width)
        last = tuple(leaf.gather(-2, ends).squeeze(-2) for leaf in states)
        return torch.where(valid.unsqueeze(-1), states[0], 0.0), choose(size > 0, last, state)

    def has_kernel(self) -> bool:
        """Whether a hand-derived backward covers this form."""
        return False

    def trajectory(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, ...]:
        """Every state on the way, each of its tensors [B, T, H], by the kernel; differentiable once."""
        raise ValueError(f"{type(self).__name__} has no kernel that keeps every state: call `fold`")

    def by_weights(
        self, fed: Tensor, state: Memory, start: Tensor | None
    ) -> tuple[list[Tensor], Tensor | None]:
        """What a kernel reads, with the axes [S, B, …] or [B, …] that the weights have: fed and states, start."""
        lead, seeds = fed.shape[:-2], self.recurrent.weight.shape[:-2]
        leaves = [fed, *(state or self.init_state(*lead))]
        found = [leaf.reshape(*seeds, -1, *leaf.shape[len(lead) :]) for leaf in leaves]
        return found, None if start is None else start.reshape(*seeds, -1, start.shape[-1])
