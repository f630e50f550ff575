"""A fully connected network in NumPy whose gradient is written out: back-propagation by the δ rules.

Every node is a sigmoid, o = σ(Σ w o' + b), and the error is ½ Σ (o − t)². With o' = o − o² the derivative of σ:

    last layer      δ_k = (o_k − t_k)(o_k − o_k²)
    layers before   δ_j = (o_j − o_j²) Σ_k δ_k w_jk
    any weight      ∂error/∂w_ij = o_i δ_j          ∂error/∂b_j = δ_j   (the weight of a node that is always 1)

where o_i is the input for the first layer. One sweep backwards gives them all (Rumelhart, Hinton, Williams 1986).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.draws import Draws

Floats: TypeAlias = NDArray[np.float64]


def sigmoid(x: Floats) -> Floats:
    """1/(1 + e⁻ˣ), by tanh: finite for every x."""
    return 0.5 * (1 + np.tanh(0.5 * x))


class HandMLP:
    """A multilayer perceptron of sigmoids.

    Args:
        weights: matrix [in, out] of each layer.
        biases: vector [out] of each layer.
    """

    def __init__(self, weights: Sequence[Floats], biases: Sequence[Floats]) -> None:
        self.weights, self.biases = list(weights), list(biases)

    @classmethod
    def drawn(cls, sizes: Sequence[int], draws: Draws) -> "HandMLP":
        """First weights standard normal, biases zero; sizes (2, 3, 1): two inputs, three hidden nodes, one output."""
        if len(sizes) < 2:
            raise ValueError(f"expected at least the sizes of input and output, got {tuple(sizes)}")
        return cls(
            [draws.standard_normal(shape) for shape in pairwise(sizes)], [np.zeros(n) for n in sizes[1:]]
        )

    def forward(self, x: Floats) -> list[Floats]:
        """What every layer puts out, the input first: x [N, in] → [x, [N, hidden], …, [N, out]]."""
        if x.ndim != 2 or x.shape[1] != len(self.weights[0]):
            raise ValueError(f"expected inputs [N, {len(self.weights[0])}], got {x.shape}")
        outputs = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            outputs.append(sigmoid(outputs[-1] @ weight + bias))
        return outputs

    def deltas(self, outputs: Sequence[Floats], target: Floats) -> list[Floats]:
        """δ of every layer, first layer first: ∂error/∂(what enters the node), [N, nodes]."""
        o = outputs[-1]
        if target.shape != o.shape:
            raise ValueError(f"expected targets {o.shape}, got {target.shape}")
        found = [(o - target) * (o - o**2)]
        for o, weight in zip(reversed(outputs[1:-1]), reversed(self.weights), strict=False):
            found.append((o - o**2) * (found[-1] @ weight.T))
        return found[::-1]

    def gradients(self, x: Floats, target: Floats) -> tuple[list[Floats], list[Floats]]:
        """∂error/∂weights and ∂error/∂biases, summed over the rows of x."""
        outputs = self.forward(x)
        deltas = self.deltas(outputs, target)
        return [o.T @ delta for o, delta in zip(outputs, deltas, strict=False)], [d.sum(0) for d in deltas]

    def error(self, x: Floats, target: Floats) -> float:
        """½ Σ (o − t)², summed over rows."""
        return float(0.5 * ((self.forward(x)[-1] - target) ** 2).sum())


def learn(
    sizes: Sequence[int],
    x: Floats,
    target: Floats,
    draws: Draws,
    rate: float = 0.5,
    rounds: int = 20_000,
    enough: float = 0.01,
) -> tuple[HandMLP, list[float]]:
    """Gradient descent by back-propagation, one example at a time, in the eight steps of the notes.

    Args:
        sizes: as HandMLP.drawn's.
        x, target: examples [N, in] and [N, out], targets within [0, 1].
        draws: for first weights and the order of examples.
        rate: step length along the negative gradient.
        rounds: examples seen at most.
        enough: learning stops at this error over all examples.

    Returns:
        The network, and its error after each round.
    """
    net, errors = HandMLP.drawn(sizes, draws), []  # 1 initialise
    for n in draws.integers(0, len(x), rounds):  # 2 pick an example and what is wanted for it
        outputs = net.forward(x[n : n + 1])  # 3 what enters and leaves every node
        deltas = net.deltas(
            outputs, target[n : n + 1]
        )  # 4 derivatives of the error, from the last layer back
        for layer in reversed(
            range(len(deltas))
        ):  # 5 correct the output layer's weights, 6 then the hidden ones'
            net.weights[layer] -= rate * outputs[layer].T @ deltas[layer]
            net.biases[layer] -= rate * deltas[layer].sum(0)
        errors.append(net.error(x, target))  # 7 the error of the corrected network
        if errors[-1] <= enough:  # 8 repeat until it is small
            break
    return net, errors
