"""What is asked of weights and outputs beside the loss, and of which weights.

Of kernels alone: the matrices and filters of layers. Biases, the scales of norms, and what works element by element,
such as a cell's peepholes, are few, do not overfit, and are spared.
"""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from core.gradients import Params

# Whose "weight…" multiplies what comes in: everything else that is learned is no kernel.
LAYERS: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Bilinear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.RNNBase,
    nn.MultiheadAttention,
)


def kernels(network: nn.Module) -> tuple[str, ...]:
    """The names of its kernels as ``named_parameters`` gives them: one that is shared is named once.

    Tables of embeddings are no kernels: a row that is not looked up would shrink for nothing.
    """
    once = {name for name, _ in network.named_parameters()}
    found = []
    for path, part in network.named_modules():
        if isinstance(part, LAYERS):
            own = (name for name, _ in part.named_parameters(recurse=False) if "weight" in name)
            found += [f"{path}.{name}".removeprefix(".") for name in own]
    return tuple(name for name in found if name in once)


def matrices(network: nn.Module) -> tuple[str, ...]:
    """The names of all weights of two axes or more, tables of embeddings too: what GPT-2's kin let decay."""
    return tuple(name for name, weight in network.named_parameters() if weight.dim() >= 2)


def l1(parts: Iterable[Tensor]) -> Tensor:
    """Σ|θ|; gradient sign θ."""
    return torch.stack([part.abs().sum() for part in parts]).sum()


def l2(parts: Iterable[Tensor]) -> Tensor:
    """Σθ²; gradient 2θ, twice what weight decay of the same strength takes."""
    return torch.stack([part.square().sum() for part in parts]).sum()


def penalty(params: Params, names: Collection[str], strength1: float, strength2: float) -> Tensor:
    """λ₁ Σ|θ| + λ₂ Σθ² over the weights of these names: L1, L2 or both."""
    return _both([params[name] for name in names], strength1, strength2)


def activity(outputs: Tensor, strength1: float, strength2: float) -> Tensor:
    """The same of a layer's outputs ``[B, …]``, for each example: what keeps few units on."""
    return _both([outputs], strength1, strength2) / len(outputs)


def _both(parts: list[Tensor], strength1: float, strength2: float) -> Tensor:
    total = parts[0].new_zeros(()) if parts else torch.zeros(())
    for strength, norm in ((strength1, l1), (strength2, l2)):
        if strength and parts:
            total = total + strength * norm(parts)
    return total


def l0(params: Params, names: Collection[str], above: float = 0.0) -> Tensor:
    """How many of these weights are not zero (|θ| > ``above``). To report: it is flat, and has no gradient."""
    counts = [(params[name].detach().abs() > above).sum() for name in names]
    return torch.stack(counts).sum()
