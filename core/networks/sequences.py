"""What is built from recurrent cells: both directions, layers in depth, and heads for the shapes of a task.

Sequence to sequence of the same length (forecasting, tagging), sequence to vector (sentiment), vector to sequence
(captions). One that writes a sequence of another length than it read is an encoder–decoder.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.cell import Reader
from core.networks.net import ELEMENTWISE, Memory, pick
from core.networks.recurrent import CELLS


class Bidirectional(Reader):
    """One reader from the front and one from the back, [h→; h←] (Schuster & Paliwal 1997); state (ahead, back).

    Where a row is shorter than the batch, the second one begins at its last valid step; where `start` begins a new
    sequence, no reader crosses. There is no single step: y_t depends on what comes after t.
    """

    def __init__(self, ahead: Reader, back: Reader) -> None:
        super().__init__()
        self.ahead, self.back = ahead, back
        self.stacks = ahead.stacks and back.stacks

    def init_state(self, *batch: int) -> Memory:
        return self.ahead.init_state(*batch), self.back.init_state(*batch)

    def output(self, state: Memory) -> Tensor:
        """[h→ of the last valid step; h← of the first]."""
        return torch.cat([self.ahead.output(state[0]), self.back.output(state[1])], -1)

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        first, second = state or ((), ())
        ahead, first = self.ahead.unroll(x, first, start, valid)
        if start is not None:  # going back, the step before a beginning is the one to forget at
            start = F.pad(start[..., 1:], (0, 1))
            start = start if valid is None else start & F.pad(valid[..., 1:], (0, 1))
        back, second = self.back.unroll(
            backwards(x, valid),
            second,
            None if start is None else backwards(start.unsqueeze(-1), valid)[..., 0],
            valid,
        )
        return torch.cat([ahead, backwards(back, valid)], -1), (first, second)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        raise ValueError(
            "a bidirectional network needs the whole sequence, it has no single step: call unroll"
        )


def backwards(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Time turned round, [B, T, …] → [B, T, …]; each row's valid steps only, its padding stays behind them."""
    if valid is None:
        return x.flip(-2)
    time = torch.arange(x.shape[-2], device=x.device)
    places = torch.where(valid, valid.sum(-1, keepdim=True) - 1 - time, time)
    return x.gather(-2, places.unsqueeze(-1).expand_as(x))


class Stacked(Reader):
    """Readers in depth, each over the outputs of the one before; state: a tuple of theirs.

    Args:
        layers: from the input up.
        dropout: share of the features between two layers that are zero in training, drawn from torch's global
            generator at every call; nothing before the first layer or after the last. Then seeds do not stack: they
            would have one mask.
    """

    def __init__(self, *layers: Reader, dropout: float = 0.0) -> None:
        super().__init__()
        if not layers or not 0 <= dropout < 1:
            raise ValueError(
                f"needs a layer or more and a dropout in [0, 1), not {len(layers)} and {dropout}"
            )
        self.layers = nn.ModuleList(layers)
        # A module, so that what trains it sees that something is drawn, and switches it off to evaluate.
        self.drop = nn.Dropout(dropout) if dropout else nn.Identity()
        self.stacks = all(layer.stacks for layer in layers) and dropout == 0

    def init_state(self, *batch: int) -> Memory:
        return tuple(layer.init_state(*batch) for layer in self._readers())

    def output(self, state: Memory) -> Tensor:
        return self._readers()[-1].output(state[-1])

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        return self._through(lambda layer, x, own: layer.unroll(x, own, start, valid), x, state)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self._through(lambda layer, x, own: layer.step(x, own, start), x, state)

    def _through(
        self, read: Callable[[Reader, Tensor, Memory], tuple[Tensor, Memory]], x: Tensor, state: Memory
    ) -> tuple[Tensor, Memory]:
        after = []
        for depth, layer in enumerate(self._readers()):
            if depth:
                x = self.drop(x)
            x, kept = read(layer, x, state[depth] if state else ())
            after.append(kept)
        return x, tuple(after)

    def _readers(self) -> list[Reader]:
        return [layer for layer in self.layers if isinstance(layer, Reader)]


def deep(
    cell: str, inputs: int, width: int, depth: int = 1, dropout: float = 0.0, bidirectional: bool = False
) -> Stacked:
    """Layers of one kind of cell (a key of CELLS), of the same width; in both directions if asked for."""
    make = pick(CELLS, cell, "cell")
    layers: list[Reader] = []
    for _ in range(depth):
        layers.append(
            Bidirectional(make(inputs, width), make(inputs, width)) if bidirectional else make(inputs, width)
        )
        inputs = 2 * width if bidirectional else width
    return Stacked(*layers, dropout=dropout)


class SeqToSeq(Reader):
    """A head for every step: y_t = head(h_t), of the same length as what was read.

    Args:
        body: what reads.
        head: features → outputs, for any leading axes.
    """

    def __init__(self, body: Reader, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.stacks = body.stacks and bool(getattr(head, "stacks", isinstance(head, ELEMENTWISE)))

    def init_state(self, *batch: int) -> Memory:
        return self.body.init_state(*batch)

    def output(self, state: Memory) -> Tensor:
        y: Tensor = self.head(self.body.output(state))
        return y

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        h, state = self.body.unroll(x, state, start, valid)
        y = self.head(h)
        return (y if valid is None else torch.where(valid.unsqueeze(-1), y, 0.0)), state

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        h, state = self.body.step(x, state, start)
        return self.head(h), state


class SeqToVec(SeqToSeq):
    """Called, a sequence becomes one vector: the head of what its last *valid* step put out.

    `unroll` and `step` give what it would say after each step.
    """

    def forward(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """x [B, T, F] → [B, out]; valid [B, T] bool, True = real. A row without a step gets the head of zeros."""
        return self.output(self.body.unroll(x, state, start, valid)[1])


class VecToSeq(SeqToSeq):
    """Called, a vector becomes a sequence: it is read at every step, or at the first alone and zeros after it.

    Args:
        body, head: as SeqToSeq's.
        steps: how long a sequence.
        repeat: read the vector at every step.
    """

    def __init__(self, body: Reader, head: nn.Module, steps: int, repeat: bool = True) -> None:
        super().__init__(body, head)
        if steps < 1:
            raise ValueError(f"a sequence needs at least one step, not {steps}")
        self.steps, self.repeat = steps, repeat

    def forward(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """x [B, F] → [B, steps, out]."""
        again = x.unsqueeze(-2)
        rest = again if self.repeat else torch.zeros_like(again)
        fed = torch.cat([again, rest.expand(*x.shape[:-1], self.steps - 1, x.shape[-1])], -2)
        return self.unroll(fed, state, start, valid)[0]
