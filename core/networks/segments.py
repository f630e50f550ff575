"""Sequences with beginnings in their middle, and of different lengths, cut into rows that each begin once.

A kernel that reads [B, T, …] in one call cannot forget in between. So the segments between the beginnings become
the rows, padded behind to the longest; what it puts out is gathered back to where it belongs.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Segments(NamedTuple):
    """Where each of N segments lies in [B, T]; all on the data's device."""

    row: Tensor  # [N] the sequence it is cut from
    fresh: Tensor  # [N] bool: it begins with an empty state, not with the one handed in
    places: Tensor  # [N, L] of its steps in the B·T flattened ones
    inside: Tensor  # [N, L] bool: real, not padding
    back: Tensor  # [B, T] where among the N·L packed steps each one lies
    valid: Tensor  # [B, T] bool
    last: Tensor  # [B] the segment each sequence ends in
    ends: Tensor  # [B] the place of each sequence's last valid step in its time
    empty: Tensor  # [B] bool: no valid step at all

    def pack(self, x: Tensor) -> Tensor:
        """[B, T, …] → [N, L, …], zeros for padding."""
        rows = x.flatten(0, 1)[self.places]
        return rows.masked_fill(~self.inside.reshape(*self.inside.shape, *[1] * (rows.dim() - 2)), 0)

    def unpack(self, y: Tensor) -> Tensor:
        """[N, L, H] → [B, T, H], zeros for padding."""
        return y.flatten(0, 1)[self.back].masked_fill(~self.valid.unsqueeze(-1), 0)

    def begin(self, state: Tensor) -> Tensor:
        """[B, H] → [N, H]: where each segment sets out from."""
        return torch.where(self.fresh.unsqueeze(-1), 0, state[self.row])


def lengths(valid: Tensor) -> Tensor:
    """How many steps of each row are real, valid [..., T] → [...]; ValueError if padding stands before a real one."""
    if bool((valid[..., 1:] & ~valid[..., :-1]).any()):
        raise ValueError("`valid` must be True up to each row's length and False behind it")
    return valid.sum(-1)


def cut(start: Tensor, valid: Tensor) -> Segments:
    """The segments of sequences [B, T]: start says where one begins, valid (True = real) how long each row is."""
    batch, time = valid.shape
    size = lengths(valid)
    begins = (start | (torch.arange(time, device=valid.device) == 0)) & valid
    row, first = begins.nonzero(as_tuple=True)
    flat = row * time + first
    beyond = torch.cat([flat[1:], flat.new_full((1,), batch * time)])
    length = torch.minimum(beyond, row * time + size[row]) - flat
    longest = int(length.max()) if len(length) else 1
    offset = torch.arange(longest, device=valid.device)
    number = begins.flatten().cumsum(0) - 1  # of the segment each step lies in
    back = number * longest + torch.arange(batch * time, device=valid.device) - flat[number]
    last = number.reshape(batch, time).gather(1, (size - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return Segments(
        row=row,
        fresh=(first > 0) | start[row, first],
        places=(flat.unsqueeze(1) + offset).clamp(max=batch * time - 1),
        inside=offset < length.unsqueeze(1),
        back=torch.where(valid.flatten(), back, 0).reshape(batch, time),
        valid=valid,
        last=last.clamp(min=0),
        ends=(size - 1).clamp(min=0),
        empty=size == 0,
    )
