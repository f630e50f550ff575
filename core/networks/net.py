"""What a network is here: a plain module, or one that carries a state from step to step.

State is a value, never hidden in the module: `init_state` makes it, `step` and `unroll` take and return it.
Time stands just before the features, so that any number of axes (seed, environment) may stand before time.

Some modules also run with *stacked* weights, one more leading axis [S, …] on every parameter and on the
input: the networks of S seeds in one call. They say so with `stacks = True`; what is built from `Linear` and
`LayerNorm` alone does so by itself.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import UserError, nearest

Memory: TypeAlias = tuple[Any, ...]  # of tensors, or of tuples of them
Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Callable[[Array], Array]
"""A network as a function of NumPy arrays that shares its weights: see ``Net.in_numpy``."""
T = TypeVar("T")


def _tanh(x: Tensor) -> Tensor:
    """tanh as 2σ(2x) − 1: within 2e-7 of torch's own in float32, in a third of its time."""
    return 2 * torch.sigmoid(2 * x) - 1


def _same(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": _tanh,
    "relu": F.relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "leaky-relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "identity": _same,
}

# The same for NumPy arrays, where there is a quick one.
ARRAY_ACTIVATIONS: dict[Callable[[Tensor], Tensor], Callable[[Array], Array]] = {
    _tanh: np.tanh,
    F.relu: lambda x: np.maximum(x, 0),
    _same: lambda x: x,
}

# The slope of an activation at x, where it is a constant between kinks.
SLOPES: dict[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = {
    F.relu: lambda x: (x > 0).to(x.dtype),
    F.leaky_relu: lambda x: (x > 0).to(x.dtype) * 0.99 + 0.01,
    _same: torch.ones_like,
}

# Without parameters and element by element: a leading seed axis means nothing to them.
ELEMENTWISE = (nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Sigmoid, nn.Softplus, nn.Identity)


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry of that name; UserError naming the nearest one if there is none."""
    if name not in table:
        raise UserError(f"unknown {what} {name!r}{nearest(name, table)}")
    return table[name]


def _scaled_he(weight: Tensor, gain: float) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="linear").mul_(gain)


# name -> (how to draw a weight with a gain, the gain of hidden layers); "default" scales what PyTorch drew.
INITIALISERS: dict[str, tuple[Callable[[Tensor, float], object], float]] = {
    "orthogonal": (nn.init.orthogonal_, math.sqrt(2)),
    "xavier": (nn.init.xavier_uniform_, 1.0),
    "he": (_scaled_he, math.sqrt(2)),
    "default": (lambda weight, gain: weight.mul_(gain), 1.0),
}


def draw(layer: nn.Module, name: str, gain: float | None = None, blocks: int = 1) -> None:
    """Draw a layer's first weight from torch's global generator; its bias becomes zero (not with "default").

    Args:
        layer: a linear or convolutional layer.
        name: a key of INITIALISERS.
        gain: scale of the weight; None for the initialiser's hidden gain.
        blocks: matrices stacked along the weight's first axis (a cell's gates), each drawn by itself.
    """
    fill, hidden = pick(INITIALISERS, name, "initialiser")
    weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
    with torch.no_grad():
        for block in weight.chunk(blocks):
            fill(block, hidden if gain is None else gain)
        if bias is not None and name != "default":
            bias.zero_()


def transformed() -> bool:
    """Inside vmap, a function transform or a compilation: where values cannot be looked at."""
    level = torch._C._functorch.maybe_current_level()
    return level is not None or torch.compiler.is_compiling()


def check_last(x: Tensor, features: int) -> None:
    """ValueError unless x is [..., features]."""
    if x.dim() < 1 or x.shape[-1] != features:
        raise ValueError(f"expected {features} features in [..., {features}], got {list(x.shape)}")


class Linear(nn.Linear):
    """y = x Wᵀ + b, also for stacked weights [S, out, in], bias [S, out] and x [S, …, in]."""

    stacks = True

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.dim() == 2:
            return F.linear(input, self.weight, self.bias)
        if input.dim() != 3:
            rows = input.reshape(input.shape[0], math.prod(input.shape[1:-1]), input.shape[-1])
            return self.forward(rows).reshape(*input.shape[:-1], self.weight.shape[-2])
        if self.bias is None:
            return torch.bmm(input, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), input, self.weight.mT)

    def in_numpy(self) -> Arrays | None:
        """For stacked weights alone: x [S, …, in] → [S, …, out], one matrix product per seed."""
        if self.weight.dim() != 3 or self.bias is None:
            return None
        weight = self.weight.detach().numpy().swapaxes(1, 2)
        bias = self.bias.detach().numpy()[:, None]

        def forward(x: Array) -> Array:
            rows = x if x.ndim == 3 else x.reshape(len(x), -1, x.shape[-1])
            y: Array = np.matmul(rows, weight) + bias
            return y if x.ndim == 3 else y.reshape(*x.shape[:-1], y.shape[-1])

        return forward


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the last axis, also for stacked weights [S, width] and x [S, …, width]."""

    stacks = True

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__(width, eps)

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.dim() == 1:
            return super().forward(input)
        lead = (input.shape[0], *[1] * (input.dim() - 2), -1)
        normal = F.layer_norm(input, self.normalized_shape, eps=self.eps)
        return normal * self.weight.reshape(lead) + self.bias.reshape(lead)


class Net(nn.Module):
    """A network that may carry a state. As it stands: a stateless one, whose subclass writes `forward(x)`."""

    stacks: bool = False

    def init_state(self, *batch: int) -> Memory:
        """The state before anything was read, for inputs with these leading sizes; () for none."""
        return ()

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Read a sequence: x [B, T, …], start [B, T] bool → (y [B, T, …], state).

        `start[b, t]` means: forget before reading x[b, t]. () stands for the initial state.
        """
        return self(x), state

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Read one element: x [B, …], start [B] bool → (y [B, …], state); one step of `unroll`."""
        return self(x), state

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        """This network (or a method of it) for NumPy arrays, or None where it has no such form.

        For small networks on the CPU a call costs a third of PyTorch's. Weights are stacked over seeds and
        shared: what is trained later counts.
        """
        return None


class Chain(Net):
    """Modules one after the other, plain or with a state; its state has one entry for each of the latter."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.stacks = all(getattr(part, "stacks", isinstance(part, ELEMENTWISE)) for part in parts)
        self._stateful = [isinstance(part, Net) and bool(part.init_state(1)) for part in parts]

    def forward(self, x: Tensor) -> Tensor:
        """Without a state: for chains of plain parts only (ValueError otherwise: use `step` or `unroll`)."""
        if any(self._stateful):
            raise ValueError("this chain carries a state: call step or unroll")
        for part in self.parts:
            x = part(x)
        return x

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        parts = [part.in_numpy() if isinstance(part, Net | Linear) else None for part in self.parts]
        found = [part for part in parts if part is not None]
        if method != "forward" or len(found) < len(parts) or any(self._stateful):
            return None

        def forward(x: Array) -> Array:
            for part in found:
                x = part(x)
            return x

        return forward

    def init_state(self, *batch: int) -> Memory:
        states = (part.init_state(*batch) for part in self.parts if isinstance(part, Net))
        return tuple(state for state in states if state)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self._through("unroll", x, state, start)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self._through("step", x, state, start)

    def _through(self, verb: str, x: Tensor, state: Memory, start: Tensor | None) -> tuple[Tensor, Memory]:
        before, after = iter(state), []
        for part, stateful in zip(self.parts, self._stateful, strict=True):
            if stateful:
                x, kept = getattr(part, verb)(x, next(before, ()), start)
                after.append(kept)
            else:
                x = part(x)
        return x, tuple(after)
