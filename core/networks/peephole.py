"""The LSTM whose gates see the cell state, and what is left when parts of it are taken away."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from core.networks.cell import SHUT, Cell
from core.networks.net import Linear, Memory, draw, pick
from core.networks.peephole_kernel import run

# Greff et al. (2017), "LSTM: A Search Space Odyssey", table of variants.
ABLATIONS = {
    "NIG": "no input gate: i = 1",
    "NFG": "no forget gate: f = 1",
    "NOG": "no output gate: o = 1",
    "NIAF": "no input activation: g = ·",
    "NOAF": "no output activation: y = o ⊙ c",
    "CIFG": "coupled input and forget gate: f = 1 − i",
    "NP": "no peepholes",
    "FGR": "full gate recurrence: the gates also see the gates of the step before",
}
REMOVED = {"NIG": "i", "NFG": "f", "NOG": "o", "CIFG": "f"}


class Diagonal(nn.Module):
    """x ⊙ p, also for stacked p [S, width] and x [S, …, width]; p starts at zero."""

    stacks = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 1:
            return x * self.weight
        return x * self.weight.reshape(len(self.weight), *[1] * (x.dim() - 2), -1)


class PeepholeLSTM(Cell):
    """LSTM with peepholes (Gers & Schmidhuber 2000; the formula is Greff et al. 2017's); state (h, c).

    i, f = σ(W x + R h + b + p ⊙ c);  g = tanh(W x + R h + b);  c' = f c + i g;
    o = σ(W x + R h + b + p ⊙ c');  h' = o tanh c'.  Without the p, which start at zero, it is `LSTM`.

    Args:
        peephole: "diagonal" as above, or "full": the gates see [h, x, c], each p is a matrix.
        ablate: keys of ABLATIONS. What is taken away has no parameters. FGR has i, f, o in its state, too.
        forget_bias: where the forget gate's bias starts; the other biases start at zero.

    A sequence takes the hand-derived kernel, in any precision and with stacked weights, except for "full", FGR and
    compilation: they take the loop of autograd.
    """

    tensors = 2

    def __init__(
        self,
        inputs: int,
        width: int,
        initialise: str = "orthogonal",
        forget_bias: float = 1.0,
        initialise_recurrent: str | None = None,
        peephole: str = "diagonal",
        ablate: Collection[str] = (),
    ) -> None:
        for name in ablate:
            pick(ABLATIONS, name, "ablation")
        kind = pick({"diagonal": Diagonal, "full": _matrix}, peephole, "peephole")
        gone = [REMOVED[name] for name in ablate if name in REMOVED]
        if len({*gone}) < len(gone) or ("CIFG" in ablate and "i" in gone) or ("FGR" in ablate and gone):
            raise ValueError(f"these cannot be taken away together: {', '.join(ablate)}")
        self.ablate, self.blocks = frozenset(ablate), [name for name in "ifgo" if name not in gone]
        self.gates, self.tensors = len(self.blocks), 5 if "FGR" in ablate else 2
        super().__init__(inputs, width, initialise, initialise_recurrent)
        seeing = [name for name in self.blocks if name != "g" and "NP" not in ablate]
        self.peepholes = nn.ModuleDict({name: kind(width) for name in seeing})
        if "FGR" in ablate:
            self.between = Linear(3 * width, 3 * width, bias=False)
            draw(self.between, initialise_recurrent or initialise, 1.0, 3)
        if "f" in self.blocks:
            at = self.blocks.index("f") * width
            nn.init.constant_(self.input.bias[at : at + width], forget_bias)

    def advance(self, fed: Tensor, state: Memory) -> tuple[Tensor, ...]:
        h, c, *gates = state
        pre = dict(zip(self.blocks, (fed + self.recurrent(h)).chunk(self.gates, -1), strict=True))
        if gates:
            for name, part in zip("ifo", self.between(torch.cat(gates, -1)).chunk(3, -1), strict=True):
                pre[name] = pre[name] + part

        def gate(name: str, c: Tensor) -> Tensor:
            if name not in pre:
                return torch.ones_like(c)
            return torch.sigmoid(pre[name] + self.peepholes[name](c) if name in self.peepholes else pre[name])

        i = gate("i", c)
        f = 1 - i if "CIFG" in self.ablate else gate("f", c)
        g = pre["g"] if "NIAF" in self.ablate else torch.tanh(pre["g"])
        c = f * c + i * g
        o = gate("o", c)
        h = o * c if "NOAF" in self.ablate else o * torch.tanh(c)
        return (h, c, i, f, o) if gates else (h, c)

    def has_kernel(self) -> bool:
        return "FGR" not in self.ablate and all(isinstance(p, Diagonal) for p in self.peepholes.values())

    def trajectory(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, ...]:
        return self.gated(x, state, start)[:2]

    def gated(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Every h and c [B, T, H] and every gate i, f, g, o [B, T, 4, H] on the way; the gates without a gradient."""
        if not self.has_kernel():
            raise ValueError("only diagonal peepholes without FGR have a kernel that keeps every state")
        across = self._four(self.recurrent.weight, 0.0, -2)
        (fed, h, c), start = self.by_weights(self._four(self.input(x), SHUT, -1), state, start)
        flags = "NIAF" not in self.ablate, "NOAF" not in self.ablate
        found = run(fed, across, self._peeps() if self.peepholes else None, h, c, start, *flags)
        hs, cs, gates = (leaf.reshape(*x.shape[:-1], leaf.shape[-1]) for leaf in found)
        return hs, cs, gates.unflatten(-1, (4, self.width))

    def _four(self, given: Tensor, missing: float, dim: int) -> Tensor:
        """The blocks of all four gates: σ(∞) = 1 is the one that was taken away, and 1 − σ(a) = σ(−a)."""
        if self.gates == 4:
            return given
        parts = dict(zip(self.blocks, given.chunk(self.gates, dim), strict=True))
        if "CIFG" in self.ablate:
            parts["f"] = -parts["i"]
        return torch.cat([parts.get(name, torch.full_like(parts["g"], missing)) for name in "ifgo"], dim)

    def _peeps(self) -> Tensor:
        """The peepholes of i, f, o, [3, H], zeros for those that are not there."""
        parts: dict[str, Tensor] = {}
        for name, peephole in self.peepholes.items():
            assert isinstance(peephole, Diagonal)
            parts[name] = peephole.weight
        if "CIFG" in self.ablate:
            parts["f"] = -parts["i"]
        none = self.recurrent.weight.new_zeros(*self.recurrent.weight.shape[:-2], self.width)
        return torch.stack([parts.get(name, none) for name in "ifo"], -2)


def _matrix(width: int) -> Linear:
    layer = Linear(width, width, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
