"""What recurrent cells share: a step, a loop over steps, and torch's own kernel where it does the same faster."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from core.networks.embedding import check_features
from core.networks.net import Linear, Memory, Net, draw, transformed
from core.networks.segments import Segments, cut, lengths

SHUT = 1e4  # an infinity to a sigmoid: 0 or 1 exactly, with slope 0


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
    kernel: Callable[..., Any] | None = None  # torch's own layer of the same formula
    waste = 1.0  # how many times as many steps padding may make before the loop is the better way

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
        after = self.advance(self.input(x), forget(state or self.init_state(*x.shape[:-1]), start))
        return after[0], after

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """x [B, T, F] → (y [B, T, H], state), as Reader's.

        Takes torch's kernel (`layer`) where that gives the same: float32, one seed, on the CPU, outside of vmap and
        compilation. Otherwise, and where resets would make too much padding, the loop (`fold`).
        """
        check_sequence(x, self.inputs, start, valid)
        state = state or self.init_state(*x.shape[:-2])
        if state[0].shape != (*x.shape[:-2], self.width):
            expected = [*x.shape[:-2], self.width]
            raise ValueError(
                f"the state must be {expected} for x {list(x.shape)}, not {list(state[0].shape)}"
            )
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

    def suits(self, x: Tensor) -> bool:
        """Whether torch's own kernel may read this input."""
        plain = x.dtype == torch.float32 == self.recurrent.weight.dtype and x.device.type == "cpu"
        whole = self.recurrent.weight.dim() == 2 and x.numel() > 0
        return self.kernel is not None and plain and whole and not transformed()

    def layer(self, x: Tensor, state: Memory, inside: Tensor | None = None) -> tuple[Tensor, Memory]:
        """`unroll` of x [B, T, F] by torch's kernel; behind the steps `inside` [B, T] all but the output stays."""
        if self.kernel is None:
            raise ValueError(f"torch has no kernel for {type(self).__name__}")
        weight, recurrent = self.input.weight, self.recurrent.weight
        if inside is not None and self.tensors > 1:
            x, weight = self.frozen(x, weight, inside)
        own = (
            self.input.bias.new_zeros(len(recurrent)) if self.recurrent.bias is None else self.recurrent.bias
        )
        before = tuple(leaf.unsqueeze(0) for leaf in state)
        parameters = [weight, recurrent, self.input.bias, own]
        given = before if self.tensors > 1 else before[0]
        y, *after = self.kernel(x, given, parameters, True, 1, 0.0, self.training, False, True)
        return y, tuple(leaf.squeeze(0) for leaf in after)

    def frozen(self, x: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Input and input matrix with one feature more, that keeps the state at padding; for cells with several."""
        raise NotImplementedError

    def at_once(
        self, x: Tensor, state: Memory, start: Tensor | None, valid: Tensor | None
    ) -> tuple[Tensor, Memory] | None:
        """`unroll` by torch's kernel, on segments that each begin once; None where the loop must do."""
        if not self.suits(x):
            return None
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
        outputs, afters = [], []
        for group in segments.groups:
            packed, inside = segments.pack(x, group)
            y, after = self.layer(packed, tuple(leaf[slice(*group[:2])] for leaf in before), inside)
            outputs.append(y)
            afters.append(after[1:])
        y = segments.unpack(outputs)
        h = y[torch.arange(len(y), device=y.device), segments.ends]
        kept = (torch.cat(leaves).index_select(0, segments.last) for leaves in zip(*afters, strict=True))
        return y, choose(~segments.empty, (h, *kept), state)
