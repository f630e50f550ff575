"""Fully connected networks."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from core.networks.net import (
    ACTIVATIONS,
    ARRAY_ACTIVATIONS,
    SLOPES,
    Array,
    Arrays,
    Linear,
    Net,
    check_last,
    draw,
    pick,
)
from core.networks.normalisation import NORMS


def _softmax(x: Tensor) -> Tensor:
    return x.softmax(-1)


RANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "real": ACTIVATIONS["identity"],  # all of ℝᵈ: regression
    "unit": torch.sigmoid,  # each in [0, 1]: probabilities of independent things
    "simplex": _softmax,  # in [0, 1] and together 1: probabilities of classes
    "tanh": torch.tanh,  # each in [−1, 1]: actions, pixels
}
"""The last layer by the range that outputs should have."""


class MLP(Net):
    """Linear layers with an activation between them; any leading axes.

    Args:
        sizes: features in, hidden widths, features out: (4, 64, 64, 2) has three layers.
        activation: after every layer but the last; a key of ACTIVATIONS.
        output_activation: after the last layer; None for none.
        initialise: a key of INITIALISERS; biases start at zero, except with "default".
        gain: scale of the hidden weights; None for the initialiser's own (orthogonal √2).
        gain_out: scale of the last layer's weight (PPO: 0.01 for a policy, 1 for a value).
        layer_norm: the same as ``norm="layer"``.
        norm: before every hidden activation; a key of NORMS. Batch norm takes all leading axes as the batch; with
            it the network keeps buffers and does not stack.
        residual: a hidden layer as wide as its input adds it, H(x) = x + F(x) (He et al. 2016).
        output_range: instead of an output activation, where outputs should lie; a key of RANGES.

    Weights are drawn from torch's global generator, layer by layer. UserError for an unknown name.
    """

    stacks = True

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "tanh",
        output_activation: str | None = None,
        initialise: str = "orthogonal",
        gain: float | None = None,
        gain_out: float = 1.0,
        layer_norm: bool = False,
        norm: str = "none",
        residual: bool = False,
        output_range: str = "real",
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"an MLP needs at least the sizes of its input and output, not {tuple(sizes)}")
        if output_activation is not None and output_range != "real":
            raise ValueError(
                f"give an output activation {output_activation!r} or a range {output_range!r}, not both"
            )
        self.activation = pick(ACTIVATIONS, activation, "activation")
        last = pick(RANGES, output_range, "output range")
        self.output_activation = (
            pick(ACTIVATIONS, output_activation, "activation") if output_activation else last
        )
        self.in_features, *hidden, self.out_features = sizes
        norm = "layer" if layer_norm else norm
        build = pick(NORMS, norm, "norm")
        self.norms = nn.ModuleList(build(width) for width in hidden) if build else nn.ModuleList()
        self.stacks, self.residual = norm != "batch", residual
        self.layers = nn.ModuleList(Linear(wide, narrow) for wide, narrow in pairwise(sizes))
        for layer in self.layers[:-1]:
            draw(layer, initialise, gain)
        draw(self.layers[-1], initialise, gain_out)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] → [..., out]."""
        check_last(x, self.in_features)
        *hidden, last = self.layers
        for place, layer in enumerate(hidden):
            y = layer(x)
            y = self.activation(self.norms[place](y) if self.norms else y)
            x = x + y if self.residual and x.shape == y.shape else y
        return self.output_activation(last(x))

    def input_gradient(self, x: Tensor) -> Tensor | None:
        """∂(sum of the outputs)/∂x by the chain rule written out, [..., in] → [..., in].

        An ordinary forward pass, so its own gradient is one backward pass more and not a double one. None where
        the activation's slope is not at hand (SLOPES), or with norms, skips or an output activation.
        """
        slope_of = SLOPES.get(self.activation)
        plain = not self.norms and not self.residual and self.output_activation is ACTIVATIONS["identity"]
        if slope_of is None or not plain:
            return None
        *hidden, last = (layer for layer in self.layers if isinstance(layer, Linear))
        slopes = []
        for layer in hidden:
            before = layer(x)
            slopes.append(slope_of(before))
            x = self.activation(before)
        gradient = last.weight.sum(-2, keepdim=True).expand_as(x)
        for layer, slope in zip(reversed(hidden), reversed(slopes), strict=True):
            gradient = (gradient * slope) @ layer.weight
        return gradient

    def in_numpy(self, method: str = "forward") -> Arrays | None:
        linear = [layer for layer in self.layers if isinstance(layer, Linear)]
        layers = [found for layer in linear if (found := layer.in_numpy()) is not None]
        inner = ARRAY_ACTIVATIONS.get(self.activation)
        outer = ARRAY_ACTIVATIONS.get(self.output_activation)
        if (
            inner is None
            or outer is None
            or self.norms
            or self.residual
            or len(layers) < len(self.layers)
            or method != "forward"
        ):
            return None
        *hidden, last = layers

        def forward(x: Array) -> Array:
            for layer in hidden:
                x = inner(layer(x))
            return outer(last(x))

        return forward
