"""A network's named weights as one row of numbers, and back."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

_ALIGN = 16  # floats: every weight starts on a 64-byte border, so kernels round alike for every seed


class Layout:
    """Where each weight of a network stands in its row of ``width`` numbers."""

    def __init__(self, module: nn.Module) -> None:
        self._places: list[tuple[str, int, torch.Size]] = []
        self.width = 0
        for name, parameter in module.named_parameters():
            self._places.append((name, self.width, parameter.shape))
            self.width += -(-parameter.numel() // _ALIGN) * _ALIGN

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Named weights out of rows: ``[…, P]`` to ``{name: […, *shape]}``, sharing memory."""
        lead = flat.shape[:-1]
        return {
            name: flat[..., start : start + shape.numel()].view(*lead, *shape)
            for name, start, shape in self._places
        }

    def join(self, parts: dict[str, Tensor]) -> Tensor:
        """Named tensors of one network laid end to end, zeros between: ``[P]``.

        Differentiating by the parts and joining them here costs one pass over memory; by the row itself, one
        pass for every part.
        """
        pieces = []
        for name, _, shape in self._places:
            piece = parts[name].reshape(-1)
            pieces += [piece, piece.new_zeros(-shape.numel() % _ALIGN)]
        return torch.cat(pieces)

    def write(self, parts: dict[str, Tensor], flat: Tensor) -> None:
        """The same into rows ``[…, P]`` that are there, from ``{name: […, *shape]}``; what lies between is left."""
        for name, view in self.views(flat).items():
            view.copy_(parts[name])

    def mask(self, names: Collection[str]) -> Tensor:
        """A row with ones where the weights of these names stand, zeros elsewhere: ``[P]``."""
        flat = torch.zeros(self.width)
        for name, view in self.views(flat).items():
            view.fill_(float(name in names))
        return flat
