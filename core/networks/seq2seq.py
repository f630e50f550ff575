"""Recurrent encoder and decoder over tokens, plain or with attention to every place of the source.

Plain (Sutskever et al. 2014): the decoder knows the source by its first state alone. Bahdanau et al. 2015 read the
source *before* each step of the cell, with the output of the step before; Luong et al. 2015 *after* it, with its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.networks.attention import Attention
from core.networks.cell import Reader, choose
from core.networks.embedding import Embedding, check_mask, check_pairs, check_text
from core.networks.net import Linear, Memory, Net, draw, pick
from core.networks.recurrent import CELLS
from core.networks.sequences import Bidirectional


class Source(NamedTuple):
    """What the decoder may read."""

    values: Tensor  # [..., S, width] the encoder's outputs, in the source's order
    prepared: Tensor  # [..., S, …] the same as its scores want them
    valid: Tensor  # [..., S] bool, True = real


class Plain(nn.Module):
    """The cell alone."""

    attention: Attention | None = None

    def __init__(
        self, cell: str, embed: int, width: int, keys: int, score: str | None, length: int | None
    ) -> None:
        super().__init__()
        self.cell = pick(CELLS, cell, "cell")(embed, width)

    def unroll(self, x: Tensor, state: Memory, source: Source) -> tuple[Tensor, Memory, Tensor]:
        """x [..., T, embed] → (y [..., T, width], the cell's state, weights [..., T, S], none here: zeros)."""
        y, state = self.cell.unroll(x, state)
        return y, state, x.new_zeros(*x.shape[:-1], source.values.shape[-2])


class Bahdanau(nn.Module):
    """s_t = cell([x_t; c_t], s_{t−1}) with c_t read by s_{t−1}; puts out W[s_t; c_t] + b."""

    def __init__(
        self, cell: str, embed: int, width: int, keys: int, score: str | None, length: int | None
    ) -> None:
        super().__init__()
        self.cell = pick(CELLS, cell, "cell")(embed + keys, width)
        self.attention = Attention(width, keys, score or "additive", width, length)
        self.join = Linear(width + keys, width)
        draw(self.join, "xavier")

    def unroll(self, x: Tensor, state: Memory, source: Source) -> tuple[Tensor, Memory, Tensor]:
        """As Plain's, with the weights of every step; one after the other, as each reads with the one before."""
        outputs, looked = [], []
        for now in x.unbind(-2):
            query = self.cell.output(state).unsqueeze(-2)
            context, weights = self.attention.read(query, source.prepared, source.values, source.valid)
            h, state = self.cell.step(torch.cat([now, context.squeeze(-2)], -1), state)
            outputs.append(torch.cat([h, context.squeeze(-2)], -1))
            looked.append(weights)
        return self.join(torch.stack(outputs, -2)), state, torch.cat(looked, -2)


class Luong(nn.Module):
    """h_t = cell(x_t, h_{t−1}), c_t read by h_t; puts out tanh(W[c_t; h_t] + b). Without input feeding."""

    def __init__(
        self, cell: str, embed: int, width: int, keys: int, score: str | None, length: int | None
    ) -> None:
        super().__init__()
        self.cell = pick(CELLS, cell, "cell")(embed, width)
        self.attention = Attention(width, keys, score or "general", width, length)
        self.join = Linear(width + keys, width)
        draw(self.join, "xavier")

    def unroll(self, x: Tensor, state: Memory, source: Source) -> tuple[Tensor, Memory, Tensor]:
        """As Plain's, with the weights of every step: all steps of the cell first, then all readings at once."""
        h, state = self.cell.unroll(x, state)
        context, weights = self.attention.read(h, source.prepared, source.values, source.valid)
        return torch.tanh(self.join(torch.cat([context, h], -1))), state, weights


DECODERS: dict[str, type[Plain] | type[Bahdanau] | type[Luong]] = {
    "none": Plain,
    "bahdanau": Bahdanau,
    "luong": Luong,
}


class Seq2Seq(Net):
    """Scores for the next token of the answer, from the source and the answer so far.

    The decoder is given the answer delayed by one (`delayed`); at test it is given what it wrote itself
    (`generate(net, prompt, steps, state=net.begin(source))`). As a Net, `begin` reads the source and gives the state
    from which `step` and `unroll` go on; `start` begins the answer to the same source anew.

    Args:
        source, target: how many tokens each side has.
        width: of the cells.
        embed: of the embeddings; None for `width`.
        cell: a key of CELLS.
        attention: a key of DECODERS.
        score: a key of SCORES; None for the paper's: additive (Bahdanau) or general (Luong).
        length: the longest source, for location scores.
        reverse: the encoder reads the source from its end, so that its beginning is fresh when the answer begins.
        bidirectional: the encoder reads both ways (Bahdanau et al. 2015): places are [h→; h←], 2·width wide, and the
            decoder begins with tanh(W [last h→; first h←] + b), for each tensor of its state.
    """

    stacks = True

    def __init__(
        self,
        source: int,
        target: int,
        width: int = 128,
        embed: int | None = None,
        cell: str = "gru",
        attention: str = "none",
        score: str | None = None,
        length: int | None = None,
        reverse: bool = False,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        embed, self.keys = embed or width, 2 * width if bidirectional else width
        self.reverse, self.bidirectional = reverse, bidirectional
        self.source, self.target = Embedding(source, embed), Embedding(target, embed)
        make = pick(CELLS, cell, "cell")
        ahead = make(embed, width)
        self.encoder: Reader = Bidirectional(ahead, make(embed, width)) if bidirectional else ahead
        self.bridges = nn.ModuleList(
            Linear(2 * width, width) for _ in range(ahead.tensors if bidirectional else 0)
        )
        self.decoder = pick(DECODERS, attention, "attention")(cell, embed, width, self.keys, score, length)
        self.output = Linear(width, target)
        for layer in (*self.bridges, self.output):
            draw(layer, "xavier")

    def init_state(self, *batch: int) -> Memory:
        """Without any source; `begin` reads one. (The cell's state, its first state, the source)."""
        first = self.decoder.cell.init_state(*batch)
        nothing = self.output.weight.new_zeros(*batch, 0, self.keys)
        valid = torch.zeros(*batch, 0, dtype=torch.bool, device=nothing.device)
        return first, first, tuple(self._source(nothing, valid))

    def begin(self, source: Tensor, valid: Tensor | None = None) -> Memory:
        """Read the source's tokens [..., S]; valid [..., S] bool, True up to each row's length."""
        check_text(source)
        check_mask("valid", valid, list(source.shape))
        real = torch.ones_like(source, dtype=torch.bool) if valid is None else valid
        x = self.source(source)
        order = backwards(real) if self.reverse else None
        if order is not None:
            x = x.take_along_dim(order.unsqueeze(-1), -2)
        y, first = self.encoder.unroll(x, (), None, valid)
        if self.bidirectional:
            both = zip(self.bridges, *first, strict=True)
            first = tuple(torch.tanh(bridge(torch.cat(ends, -1))) for bridge, *ends in both)
        if order is not None:  # a reversal is its own inverse
            y = y.take_along_dim(order.unsqueeze(-1), -2)
        return first, first, tuple(self._source(y, real))

    def _source(self, values: Tensor, valid: Tensor) -> Source:
        attention = self.decoder.attention
        prepared = values if attention is None else attention.score.prepare(values)
        return Source(values, prepared, valid)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Tokens of the answer [..., T] → (scores of each one's next [..., T, target], state)."""
        y, state, _ = self.look(x, state, start)
        return y, state

    def look(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None
    ) -> tuple[Tensor, Memory, Tensor]:
        """As `unroll`, and the weights [..., T, S] with which each step read the source: its alignment."""
        check_text(x)
        check_mask("start", start, list(x.shape))
        now, first, source = state or self.init_state(*x.shape[:-1])
        fed, given = self.target(x), Source(*source)
        if given.valid.shape[:-1] != x.shape[:-1]:
            known = list(given.valid.shape[:-1])
            raise ValueError(f"a state of {known} sequences does not go with tokens {list(x.shape)}")
        if start is None:
            y, now, weights = self.decoder.unroll(fed, now, given)
        else:
            parts = []
            for t in range(x.shape[-1]):
                now = choose(start[..., t], first, now)
                y, now, weights = self.decoder.unroll(fed[..., t : t + 1, :], now, given)
                parts.append((y, weights))
            y, weights = (torch.cat(part, -2) for part in zip(*parts, strict=True))
        return self.output(y), (now, first, source), weights

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Tokens [...] → (scores [..., target], state)."""
        y, state = self.unroll(x.unsqueeze(-1), state, None if start is None else start.unsqueeze(-1))
        return y.squeeze(-2), state

    def forward(self, source: Tensor, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Source [..., S], delayed answer [..., T] → scores [..., T, target]; valid [..., S], True = real."""
        check_pairs(source, x)
        return self.unroll(x, self.begin(source, valid))[0]


def delayed(target: Tensor, first: int) -> Tensor:
    """What a decoder is given while it learns `target` [..., T]: the token `first`, then all but the last."""
    check_text(target)
    return torch.cat([torch.full_like(target[..., :1], first), target[..., :-1]], -1)


def backwards(valid: Tensor) -> Tensor:
    """The places [..., S] that turn each row's real part round and leave its padding where it is."""
    place = torch.arange(valid.shape[-1], device=valid.device)
    return torch.where(valid, valid.sum(-1, keepdim=True) - 1 - place, place)
