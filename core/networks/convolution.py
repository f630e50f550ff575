"""Convolution and pooling by their definitions: every window of an image, times a kernel, or its greatest or mean.

Local connection (an output sees one window) and shared weights (every window meets the same kernel). The networks use
torch's own, which compute the same faster. Images are [N, C, H, W], kernels [channels out, C, k, k].
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Side of the output, (n + 2p − k)/s + 1 rounded down; ValueError where no window fits."""
    if min(n, kernel, stride) < 1 or padding < 0 or n + 2 * padding < kernel:
        found = f"side {n}, kernel {kernel}, stride {stride}, padding {padding}"
        raise ValueError(
            f"expected a kernel of at most side + 2·padding, and a stride from 1 up; got {found}"
        )
    return (n + 2 * padding - kernel) // stride + 1


def windows(x: Tensor, kernel: int, stride: int = 1, padding: int = 0, fill: float = 0.0) -> Tensor:
    """x [N, C, H, W] → [N, C, H', W', k, k]: what every output sees; ``fill`` stands around the image."""
    if x.dim() != 4:
        raise ValueError(f"expected images [N, C, H, W], got {tuple(x.shape)}")
    for n in x.shape[2:]:
        size(n, kernel, stride, padding)
    padded = F.pad(x, (padding, padding, padding, padding), value=fill)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride)


def correlate(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """The unflipped form, which networks mean by convolution: y = Σ_uv w_uv x_uv, over all channels.

    One output channel for each kernel: x [N, C, H, W], kernel [O, C, k, k], bias [O] → [N, O, H', W'].
    """
    if kernel.dim() != 4 or kernel.shape[2] != kernel.shape[3] or kernel.shape[1] != x.shape[1]:
        expected = f"[channels out, {x.shape[1]}, k, k] for images {tuple(x.shape)}"
        raise ValueError(f"expected a kernel {expected}, got {tuple(kernel.shape)}")
    y = torch.einsum("nchwuv,ocuv->nohw", windows(x, kernel.shape[-1], stride, padding), kernel)
    return y if bias is None else y + bias[:, None, None]


def convolve(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """The flipped form, which mathematics means by it: y = Σ_uv w_uv x_{m−u+1, n−v+1}."""
    return correlate(x, kernel.flip(-1, -2), bias, stride, padding)


def max_pool(x: Tensor, kernel: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """The greatest value of each window; no weights. The stride is the kernel's side unless said otherwise."""
    return windows(x, kernel, stride or kernel, padding, fill=-torch.inf).flatten(-2).max(-1).values


def average_pool(x: Tensor, kernel: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """The mean of each window, the zeros around the image counted; no weights."""
    return windows(x, kernel, stride or kernel, padding).mean((-2, -1))
