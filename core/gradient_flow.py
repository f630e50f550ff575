"""How much of a gradient arrives: ‖∂h_T/∂h_t‖ of a recurrent network, from the last step back to the first.

A plain network's dies out or explodes like a power of its matrix; an LSTM whose forget gate stays open passes it on
through the memory (Hochreiter & Schmidhuber 1997; Pascanu et al. 2013).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from core.networks.cell import Cell
from core.networks.net import Memory, Net
from core.networks.sequences import Stacked


def flow(net: Net, x: Tensor, part: int = -1) -> Tensor:
    """‖∂s_T/∂s_t‖ for t = 0 … T of one part of the state: ``[T + 1]``, the last of them √units.

    The Frobenius norm of the exact Jacobian, root mean square over the batch, when x ``[B, T, in]`` is read from an
    empty state. An LSTM's memory c is its last part, which carries the gradient; an RNN has only h.
    """
    if x.dim() != 3 or x.shape[1] < 1:
        raise ValueError(f"expected sequences [B, T ≥ 1, features], got {tuple(x.shape)}")
    state: Memory = tuple(s.detach().clone().requires_grad_(True) for s in net.init_state(len(x)))
    if not state:
        raise ValueError("this network carries no state: there is nothing to follow through time")
    states = [state[part]]
    for t in range(x.shape[1]):
        _, state = net.step(x[:, t], state)
        states.append(state[part])
    units = torch.eye(states[-1].shape[-1], dtype=x.dtype)
    # Rows of a batch do not meet: one pass serves all of them.
    found = torch.autograd.grad(states[-1].sum(0), states, units, is_grads_batched=True, allow_unused=True)
    squares = [x.new_zeros(()) if g is None else g.square().sum() for g in found]  # g [units, B, H]
    return (torch.stack(squares) / len(x)).sqrt().detach()


def of_last_layer(body: Stacked, x: Tensor) -> Tensor:
    """``flow`` of the layer on top while sequences x ``[B, T, in]`` are read: of its memory c where it has one."""
    *below, last = (layer for layer in body.layers if isinstance(layer, Cell))
    with torch.no_grad():
        for layer in below:
            x = layer.unroll(x)[0]
    return flow(last, x, min(1, last.tensors - 1))


def drawn(flows: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    """``figure`` as an image ``[3, H, W]``."""
    canvas: Any = FigureCanvasAgg(figure(flows))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.uint8)[:, :, :3].transpose(2, 0, 1)


def figure(flows: Mapping[str, Tensor]) -> Figure:
    """A curve for each network by name, against how many steps lie between, relative to the last step's.

    Names that are alike up to the last comma have one colour, and the first of them is dashed.
    """
    drawn = Figure(figsize=(6, 3.6), layout="constrained")
    axes = drawn.subplots()
    colours: dict[str, str] = {}
    for name, values in flows.items():
        back, stem = (values / values[-1]).flip(0).clamp(min=1e-12), name.rpartition(",")[0]
        again = [other for other in flows if stem and other.rpartition(",")[0] == stem]
        colour = colours.setdefault(stem or name, f"C{len(colours)}")
        style = "--" if again[1:] and again[0] == name else "-"
        axes.plot(range(len(back)), back.tolist(), style, color=colour, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("steps back, T − t")
    axes.set_ylabel("‖∂s_T/∂s_t‖ / ‖∂s_T/∂s_T‖")
    axes.axhline(1.0, color="grey", linewidth=0.5)
    axes.legend(frameon=False, fontsize="small")
    return drawn
