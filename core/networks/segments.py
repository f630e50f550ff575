"""Sequences with beginnings in their middle, and of different lengths, cut into rows that each begin once.

A kernel that reads [B, T, …] in one call cannot forget in between. So the segments between the beginnings become
the rows, longest first, in a few groups that are padded behind to their own longest; what the kernel puts out is
gathered back to where it belongs.
"""

from typing import NamedTuple

import torch
from torch import Tensor

CALL = 8  # rows that one step more costs as much as: what a group of its own must save
Group = tuple[int, int, int]  # rows from, to; steps


class Segments(NamedTuple):
    """Where each of N segments lies in [B, T]."""

    row: Tensor  # [N] the sequence it is cut from
    fresh: Tensor  # [N] bool: it begins with an empty state, not with the one handed in
    flat: Tensor  # [N] its first step among the B·T
    length: Tensor  # [N]
    groups: list[Group]
    back: Tensor  # [B·T] where among the packed steps of all groups each one lies
    valid: Tensor  # [B, T] bool
    last: Tensor  # [B] the segment each sequence ends in
    ends: Tensor  # [B] each sequence's last valid step
    empty: Tensor  # [B] bool: no valid step at all

    def steps(self) -> int:
        """How many there are, padding included."""
        return sum((to - begin) * time for begin, to, time in self.groups)

    def pack(self, x: Tensor, group: Group) -> tuple[Tensor, Tensor]:
        """[B, T, F] → [n, L, F] with zeros for padding, and which are real [n, L]."""
        begin, to, time = group
        offset = torch.arange(time, device=x.device)
        inside = offset < self.length[begin:to, None]
        places = torch.where(inside, self.flat[begin:to, None] + offset, 0)
        rows = x.flatten(0, 1).index_select(0, places.flatten()).unflatten(0, places.shape)
        return rows.masked_fill(~inside.unsqueeze(-1), 0), inside

    def unpack(self, outputs: list[Tensor]) -> Tensor:
        """The groups' [n, L, H] → [B, T, H], zeros for padding."""
        steps = torch.cat([y.flatten(0, 1) for y in outputs]).index_select(0, self.back)
        return steps.reshape(*self.valid.shape, -1).masked_fill(~self.valid.unsqueeze(-1), 0)

    def begin(self, state: Tensor) -> Tensor:
        """[B, H] → [N, H]: what each segment sets out from."""
        return torch.where(self.fresh.unsqueeze(-1), 0, state.index_select(0, self.row))


def lengths(valid: Tensor) -> Tensor:
    """How many steps of each row are real, [..., T] → [...]; ValueError if padding stands before a real one."""
    if bool((valid[..., 1:] & ~valid[..., :-1]).any()):
        raise ValueError("`valid` must be True up to each row's length and False behind it")
    return valid.sum(-1)


def cut(start: Tensor, valid: Tensor) -> Segments:
    """The segments of sequences [B, T]: start says where one begins, valid (True = real) how long each row is.

    Some step must be valid.
    """
    batch, time = valid.shape
    size = lengths(valid)
    begins = (start | (torch.arange(time, device=valid.device) == 0)) & valid
    row, first = begins.nonzero(as_tuple=True)
    flat = row * time + first
    beyond = torch.cat([flat[1:], flat.new_full((1,), batch * time)])
    length, order = (torch.minimum(beyond, row * time + size[row]) - flat).sort(descending=True, stable=True)
    rank = order.argsort()
    row, first, flat = row[order], first[order], flat[order]
    parts = groups(length)
    base = torch.cat([torch.arange(to - begin, device=flat.device) * steps for begin, to, steps in parts])
    counts = [(to - begin) * steps for begin, to, steps in parts]
    for place, (begin, _, _) in enumerate(parts):
        base[begin:] += sum(counts[place - 1 : place])
    number = rank[(begins.flatten().cumsum(0) - 1).clamp(min=0)]  # of the segment each step lies in
    back = base[number] + torch.arange(batch * time, device=valid.device) - flat[number]
    ends = (size - 1).clamp(min=0)
    return Segments(
        row=row,
        fresh=(first > 0) | start[row, first],
        flat=flat,
        length=length,
        groups=parts,
        back=torch.where(valid.flatten(), back, 0),
        valid=valid,
        last=number.reshape(batch, time).gather(1, ends.unsqueeze(1)).squeeze(1),
        ends=ends,
        empty=size == 0,
    )


def groups(length: Tensor) -> list[Group]:
    """Rows of falling lengths in groups of about the same one: split where it saves most, as long as it saves."""
    found, waiting = [], [(0, len(length))]
    while waiting:
        begin, to = waiting.pop()
        own = length[begin:to]
        rows = torch.arange(1, to - begin, device=length.device)
        whole = int(own[0]) * (to - begin + CALL)
        cost = own[0] * (rows + CALL) + own[1:] * (to - begin - rows + CALL)
        if to - begin > 1 and int(cost.min()) < 0.9 * whole:
            at = begin + 1 + int(cost.argmin())
            waiting += [(at, to), (begin, at)]
        else:
            found.append((begin, to, int(own[0])))
    return found
