"""Multi-head attention (Vaswani et al. 2017): several small attentions side by side, then one linear map.

Masks are `valid` or `allowed`, True where something real may be read; a query that may read nothing gets zeros.
"""

import math
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.attention import masked_softmax
from core.networks.embedding import check_features, check_mask
from core.networks.net import Linear, draw
from core.networks.positions import rotate

KeysValues: TypeAlias = tuple[Tensor, Tensor]  # each [..., heads, Tk, d]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    bias: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(q k⊤/√d + bias) v over what is allowed, zeros for a query that may read nothing.

    Args:
        query, key, value: [..., heads, T, d].
        allowed: bool, broadcast to [..., heads, Tq, Tk].
        bias: added to the scores, broadcast to [heads, Tq, Tk].
        causal: only keys up to the query's own place, for as many queries as keys, without `allowed` and `bias`.
        dropout: share of weights dropped, by torch's global generator.
    """
    if key.shape[-2] == 0:
        return query.new_zeros(*query.shape[:-1], value.shape[-1])
    if allowed is None:
        return _kernel(query, key, value, bias, causal, dropout)
    some = allowed.any(-1, keepdim=True)
    mask = allowed | ~some  # a row with nothing reads anything, and is emptied behind
    if bias is not None:
        mask = torch.where(mask, bias, -math.inf)
    return torch.where(some, _kernel(query, key, value, mask, False, dropout), 0.0)


def _kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float) -> Tensor:
    """torch's own, which is quick for exactly four axes, and has no rule for batching over seeds: written out there."""
    if torch._C._functorch.maybe_current_level() is not None and not dropout:
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if causal:
            mask = before(q.shape[-2], q.device)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        return scores.softmax(-1) @ v
    if q.dim() == 4:
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
    lead = q.shape[:-3]
    if mask is not None:
        mask = mask.reshape(*[1] * (q.dim() - mask.dim()), *mask.shape)
        mask = mask.expand(*lead, *mask.shape[-3:]).reshape(-1, *mask.shape[-3:])
    q, k, v = (x.reshape(-1, *x.shape[-3:]) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal).reshape(*lead, *q.shape[-3:-1], -1)


class MultiHead(nn.Module):
    """Attention in `heads` parts of width/heads features each.

    Args:
        width: features of queries and of what comes out.
        heads: a divisor of width.
        key_width, value_width: features of keys and of values; None for `width`.
        bias: whether the four linear maps have one.
        dropout: share of weights dropped while training, by torch's global generator; seeds then go one by one.
        rotary: turn queries and keys by their positions (RoPE).
    """

    stacks = True

    def __init__(
        self,
        width: int,
        heads: int,
        key_width: int | None = None,
        value_width: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} does not divide into {heads} heads")
        self.width, self.heads, self.rotary = width, heads, rotary
        self.query = Linear(width, width, bias)
        self.key = Linear(key_width or width, width, bias)
        self.value = Linear(value_width or width, width, bias)
        self.output = Linear(width, width, bias)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.stacks = not dropout
        for layer in (self.query, self.key, self.value, self.output):
            draw(layer, "xavier")

    def _split(self, x: Tensor) -> Tensor:
        """[..., T, width] → [..., heads, T, d]."""
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        return heads

    def remember(
        self, key: Tensor, value: Tensor | None = None, positions: Tensor | None = None
    ) -> KeysValues:
        """The keys and values of what is read, each [..., heads, Tk, d]: to be kept where queries come one by one.

        Args:
            key: [..., Tk, key_width].
            value: [..., Tk, value_width]; None for `key`.
            positions: [..., Tk], for RoPE.
        """
        k, v = self._split(self.key(key)), self._split(self.value(key if value is None else value))
        return (rotate(k, positions) if self.rotary and positions is not None else k), v

    def _ask(self, query: Tensor, positions: Tensor | None) -> Tensor:
        q = self._split(self.query(query))
        return rotate(q, positions) if self.rotary and positions is not None else q

    def read(
        self,
        query: Tensor,
        memory: KeysValues,
        allowed: Tensor | None = None,
        bias: Tensor | None = None,
        causal: bool = False,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Query [..., Tq, width] what `remember` gave → [..., Tq, width]; masks as in `attend`."""
        dropped = self.dropout.p if self.dropout is not None and self.training else 0.0
        y = attend(self._ask(query, positions), *memory, allowed, bias, causal, dropped)
        out: Tensor = self.output(y.transpose(-2, -3).flatten(-2))
        return out

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        valid: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Read once; `look` gives the weights too.

        Args:
            query: [..., Tq, width].
            key, value: [..., Tk, key_width] and [..., Tk, value_width]; None for the query and for the key.
            valid: [..., Tk] bool, True = real.
            causal: only keys up to the query's own place.
        """
        key, allowed, causal, positions = self._asked(query, key, valid, causal)
        memory = self.remember(key, value, positions)
        return self.read(query, memory, allowed, None, causal and allowed is None, positions)

    def look(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        valid: Tensor | None = None,
        causal: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As `forward` without dropout, and the weights [..., heads, Tq, Tk] beside."""
        key, allowed, causal, positions = self._asked(query, key, valid, causal)
        k, v = self.remember(key, value, positions)
        scores = self._ask(query, positions) @ k.mT / math.sqrt(k.shape[-1])
        if causal:
            order = before(query.shape[-2], query.device)
            allowed = order if allowed is None else allowed & order
        weights = masked_softmax(scores, allowed)
        y = self.output((weights @ v).transpose(-2, -3).flatten(-2))
        return y, weights

    def _asked(
        self, query: Tensor, key: Tensor | None, valid: Tensor | None, causal: bool
    ) -> tuple[Tensor, Tensor | None, bool, Tensor | None]:
        """The key, what is allowed [..., 1, 1 or Tq, Tk], whether causal, and the positions for RoPE."""
        check_features(query, self.width)
        found = query if key is None else key
        check_features(found, self.key.in_features)
        check_mask("valid", valid, list(found.shape[:-1]))
        if causal and found.shape[-2] != query.shape[-2]:
            raise ValueError(
                f"causal: as many queries as keys, not {list(query.shape)} and {list(found.shape)}"
            )
        allowed = None if valid is None else valid[..., None, None, :]
        if causal and allowed is not None:
            allowed = allowed & before(query.shape[-2], query.device)
        positions = (
            torch.arange(found.shape[-2], device=query.device) if self.rotary and key is None else None
        )
        return found, allowed, causal, positions


def before(count: int, device: torch.device) -> Tensor:
    """[count, count] bool: the key stands at the query's place or before it."""
    return torch.ones(count, count, dtype=torch.bool, device=device).tril()
