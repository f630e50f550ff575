"""Reading from many places at once: scores between a query and keys, a softmax over them, the mean of the values.

Masks have one polarity: `valid` and `allowed` are True where something real may be read. A query that may read
nothing gets zeros, and gradients stay finite.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.embedding import check_mask
from core.networks.net import Linear, draw, pick


def masked_softmax(scores: Tensor, allowed: Tensor | None = None) -> Tensor:
    """softmax over the last axis among what is allowed; zeros there where nothing is."""
    if allowed is None:
        return scores.softmax(-1)
    some = allowed.any(-1, keepdim=True)
    return torch.where(allowed, scores.masked_fill(~allowed & some, -math.inf).softmax(-1), 0.0)


class Score(nn.Module):
    """How well keys answer queries: forward(query [..., Tq, queries], prepare(key [..., Tk, keys])) → [..., Tq, Tk].

    As it stands: the dot product q·k, for queries and keys of one width.

    Args:
        queries, keys: features of each.
        width: of the hidden layer where there is one; None for the queries' width.
        length: how many keys there may be at most, where that must be known.
    """

    stacks = True

    def __init__(self, queries: int, keys: int, width: int | None = None, length: int | None = None) -> None:
        super().__init__()
        self.queries, self.keys, self.width = queries, keys, width or queries
        self.build(length)

    def build(self, length: int | None) -> None:
        """Make the weights, or refuse the sizes."""
        if self.queries != self.keys:
            raise ValueError(
                f"queries of {self.queries} and keys of {self.keys} features have no such product"
            )

    def prepare(self, keys: Tensor) -> Tensor:
        """What of the keys is the same for every query: computed once where queries come one by one."""
        return keys

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        return query @ prepared.mT


class Dot(Score):
    """q·k (Luong et al. 2015)."""


class ScaledDot(Score):
    """q·k/√d (Vaswani et al. 2017)."""

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        return query @ prepared.mT / math.sqrt(self.queries)


class General(Score):
    """q⊤W k (Luong et al. 2015); W = I gives the dot product."""

    def build(self, length: int | None) -> None:
        self.weight = Linear(self.keys, self.queries, bias=False)
        draw(self.weight, "xavier")

    def prepare(self, keys: Tensor) -> Tensor:
        y: Tensor = self.weight(keys)
        return y

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        return query @ prepared.mT


class Additive(Score):
    """v⊤tanh(W[q; k]) = v⊤tanh(W_q q + W_k k) (Bahdanau et al. 2015); Keras' AdditiveAttention has W_q = W_k = I."""

    def build(self, length: int | None) -> None:
        self.of_query = Linear(self.queries, self.width, bias=False)
        self.of_key = Linear(self.keys, self.width, bias=False)
        self.value = Linear(self.width, 1, bias=False)
        for layer in (self.of_query, self.of_key, self.value):
            draw(layer, "xavier")

    def prepare(self, keys: Tensor) -> Tensor:
        y: Tensor = self.of_key(keys)
        return y

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        hidden = torch.tanh(self.of_query(query).unsqueeze(-2) + prepared.unsqueeze(-3))
        y: Tensor = self.value(hidden).squeeze(-1)
        return y


class Cosine(Score):
    """cos(q, k) (Graves et al. 2014), times `sharpness`; 0 for a vector of length 0."""

    sharpness = 1.0

    def prepare(self, keys: Tensor) -> Tensor:
        return F.normalize(keys, dim=-1)

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        return self.sharpness * F.normalize(query, dim=-1) @ prepared.mT


class Location(Score):
    """W q: the query alone says which place it reads (Luong et al. 2015); for at most `length` keys."""

    def build(self, length: int | None) -> None:
        if length is None:
            raise ValueError("location scores need `length`, the largest number of keys")
        self.length, self.weight = length, Linear(self.queries, length, bias=False)
        draw(self.weight, "xavier")

    def forward(self, query: Tensor, prepared: Tensor) -> Tensor:
        count = prepared.shape[-2]
        if count > self.length:
            raise ValueError(
                f"location scores know {self.length} places, not the {count} keys of {list(prepared.shape)}"
            )
        y: Tensor = self.weight(query)[..., :count]
        return y


SCORES: dict[str, type[Score]] = {
    "dot": Dot,
    "scaled-dot": ScaledDot,
    "general": General,
    "additive": Additive,
    "cosine": Cosine,
    "location": Location,
}


class Attention(nn.Module):
    """The mean of values, weighted by a softmax of scores.

    Args:
        queries, keys: features of each.
        score: a key of SCORES.
        width, length: see Score.
    """

    stacks = True

    def __init__(
        self,
        queries: int,
        keys: int,
        score: str = "scaled-dot",
        width: int | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__()
        self.queries, self.keys = queries, keys
        self.score = pick(SCORES, score, "score")(queries, keys, width, length)

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read with every query.

        Args:
            query: [..., Tq, queries].
            keys: [..., Tk, keys].
            values: [..., Tk, d]; None for the keys themselves.
            valid: [..., Tk] bool, True = real.

        Returns:
            What was read [..., Tq, d], and the weights [..., Tq, Tk].
        """
        for name, x, features in (("queries", query, self.queries), ("keys", keys, self.keys)):
            if x.dim() < 2 or x.shape[-1] != features:
                raise ValueError(f"{name} have shape [B, T, {features}], not {list(x.shape)}")
        check_mask("valid", valid, list(keys.shape[:-1]))
        return self.read(query, self.score.prepare(keys), keys if values is None else values, valid)

    def read(
        self, query: Tensor, prepared: Tensor, values: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`forward` with keys that were prepared already."""
        allowed = None if valid is None else valid.unsqueeze(-2)
        weights = masked_softmax(self.score(query, prepared), allowed)
        return weights @ values, weights
