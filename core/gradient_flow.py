"""How much of a gradient arrives: ‖∂h_T/∂h_t‖ of a recurrent network, from the last step back to the first.

A plain network's dies out or explodes like a power of its matrix; an LSTM whose forget gate stays open passes it on
through the memory (Hochreiter & Schmidhuber 1997; Pascanu et al. 2013).
"""

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor

from core.networks.net import Memory, Net


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
    squares = torch.zeros(len(states), dtype=x.dtype)
    units = states[-1].shape[-1]
    for unit in range(units):  # rows of a batch do not meet: one pass serves all of them
        found = torch.autograd.grad(states[-1][:, unit].sum(), states, retain_graph=True, allow_unused=True)
        squares += torch.stack([g.square().sum() if g is not None else squares.new_zeros(()) for g in found])
    return (squares / len(x)).sqrt().detach()


def figure(flows: Mapping[str, Tensor]) -> Figure:
    """A curve for each network by name, against how many steps lie between, relative to the last step's."""
    drawn = Figure(figsize=(6, 3.6), layout="constrained")
    axes = drawn.subplots()
    for name, values in flows.items():
        back = (values / values[-1]).flip(0).clamp(min=1e-12)
        axes.plot(range(len(back)), back.tolist(), label=name)
    axes.set_yscale("log")
    axes.set_xlabel("steps back, T − t")
    axes.set_ylabel("‖∂s_T/∂s_t‖ / ‖∂s_T/∂s_T‖")
    axes.axhline(1.0, color="grey", linewidth=0.5)
    axes.legend(frameon=False)
    return drawn
