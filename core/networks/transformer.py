"""The Transformer (Vaswani et al. 2017): its form, its two kinds of layer, encoder, and encoder with decoder.

The decoder, which also reads step by step, stands in decoder.py; models over tokens in language.py and bert.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.networks.embedding import check_features
from core.networks.multihead import KeysValues, MultiHead
from core.networks.net import ACTIVATIONS, LayerNorm, Linear, Memory, Net, draw, pick
from core.networks.positions import added, alibi, check_kind, since


@dataclass(frozen=True)
class Form:
    """The sizes and habits of a Transformer's layers."""

    width: int = 128  # features of every place
    heads: int = 4  # parts of an attention
    hidden: int = 512  # units between the two linear maps of a layer
    layers: int = 4  # layers of a stack
    activation: str = "relu"  # between those maps: a key of ACTIVATIONS
    pre_norm: bool = True  # normalise before each part of a layer, x + f(norm x); False: after, norm(x + f x)
    final_norm: bool = True  # normalise what leaves the last layer
    bias: bool = True  # of the linear maps and the norms
    eps: float = 1e-5  # of the norms
    dropout: float = 0.0  # share dropped in training, by torch's global generator: seeds take the loop
    spread: float | None = None  # standard deviation of the first weights; None: Xavier's


class Norm(LayerNorm):
    """Layer normalisation that may go without its bias."""

    def __init__(self, form: Form) -> None:
        super().__init__(form.width, form.eps)
        if not form.bias:
            self.bias = None  # type: ignore[assignment]

    def forward(self, input: Tensor) -> Tensor:
        if self.bias is not None or self.weight.dim() == 1:
            return super().forward(input)
        lead = (input.shape[0], *[1] * (input.dim() - 2), -1)
        return nn.functional.layer_norm(input, self.normalized_shape, eps=self.eps) * self.weight.reshape(
            lead
        )


class FeedForward(nn.Module):
    """Two linear maps with an activation between them, for every place by itself."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.first = Linear(form.width, form.hidden, form.bias)
        self.second = Linear(form.hidden, form.width, form.bias)
        self.activation: Callable[[Tensor], Tensor] = pick(ACTIVATIONS, form.activation, "activation")
        self.drop = nn.Dropout(form.dropout) if form.dropout else nn.Identity()
        for layer in (self.first, self.second):
            draw(layer, "xavier")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.drop(self.activation(self.first(x))))
        return y


class Residual(nn.Module):
    """x + f(norm x), or norm(x + f x): how every part of a layer is joined to what goes past it."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.norm, self.pre_norm = Norm(form), form.pre_norm
        self.drop = nn.Dropout(form.dropout) if form.dropout else nn.Identity()

    def forward(self, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre_norm:
            y: Tensor = x + self.drop(part(self.norm(x)))
        else:
            y = self.norm(x + self.drop(part(x)))
        return y


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward part."""

    def __init__(self, form: Form, rotary: bool = False) -> None:
        super().__init__()
        self.attention = MultiHead(
            form.width, form.heads, bias=form.bias, dropout=form.dropout, rotary=rotary
        )
        self.feed = FeedForward(form)
        self.around_attention, self.around_feed = Residual(form), Residual(form)

    def forward(
        self,
        x: Tensor,
        allowed: Tensor | None = None,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """x [..., T, width]; allowed and bias as in `attend`, positions for RoPE."""
        own = self.attention

        def look(y: Tensor) -> Tensor:
            return own.read(y, own.remember(y, None, positions), allowed, bias, False, positions)

        y: Tensor = self.around_feed(self.around_attention(x, look), self.feed)
        return y


class DecoderLayer(nn.Module):
    """Masked self-attention, then (with `cross`) attention to a source, then the feed-forward part."""

    def __init__(self, form: Form, cross: bool = False, rotary: bool = False) -> None:
        super().__init__()
        self.attention = MultiHead(
            form.width, form.heads, bias=form.bias, dropout=form.dropout, rotary=rotary
        )
        self.cross = (
            MultiHead(form.width, form.heads, bias=form.bias, dropout=form.dropout) if cross else None
        )
        self.feed = FeedForward(form)
        self.around_attention, self.around_feed = Residual(form), Residual(form)
        self.around_cross = Residual(form) if cross else None

    def recall(self, source: Tensor) -> KeysValues:
        """Keys and values of a source [..., S, width]; ValueError without `cross`."""
        if self.cross is None:
            raise ValueError("this decoder reads no source: build it with cross=True")
        return self.cross.remember(source)

    def forward(
        self,
        x: Tensor,
        cached: KeysValues | None,
        view: "View",
        source: KeysValues | None = None,
        real: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """x [..., T, width] after the keys and values cached before it → (y, all keys and values).

        Args:
            view: what each query may see.
            source: keys and values of the source, for `cross`.
            real: [..., S] bool: which of them are real.
        """
        own, kept = self.attention, []

        def look(y: Tensor) -> Tensor:
            new = own.remember(y, None, view.positions)
            seen = (
                new
                if cached is None
                else (torch.cat([cached[0], new[0]], -2), torch.cat([cached[1], new[1]], -2))
            )
            kept.append(seen)
            return own.read(y, seen, view.allowed, view.bias, view.causal, view.positions)

        x = self.around_attention(x, look)
        if self.cross is not None and self.around_cross is not None and source is not None:
            cross, allowed = self.cross, None if real is None else real[..., None, None, :]
            x = self.around_cross(x, lambda y: cross.read(y, source, allowed))
        return self.around_feed(x, self.feed), kept[0]


@dataclass(frozen=True)
class View:
    """What each query of a decoder sees of the keys, cached ones first: the arguments of `attend`."""

    positions: Tensor  # [T] or [..., T] steps since the sequence began
    allowed: Tensor | None = None  # [..., 1, T, cached + T]
    bias: Tensor | None = None  # [heads, T, cached + T]
    causal: bool = False  # the same without a mask: nothing cached, nothing forgotten


class Encoder(Net):
    """A stack of EncoderLayers: every place reads every real one, before and behind it.

    Args:
        form: sizes.
        positions: a key of POSITIONS.
        length: rows of the table of learned positions.
    """

    def __init__(self, form: Form, positions: str = "none", length: int | None = None) -> None:
        super().__init__()
        self.form, self.kind = form, check_kind(positions)
        self.added = added(positions, length, form.width)
        self.drop = nn.Dropout(form.dropout) if form.dropout else nn.Identity()
        self.layers = nn.ModuleList(EncoderLayer(form, positions == "rope") for _ in range(form.layers))
        self.norm = Norm(form) if form.final_norm else nn.Identity()
        self.stacks = not form.dropout
        spread(self, form)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x [..., T, width], valid [..., T] bool (True = real) → [..., T, width]; padding's own rows mean nothing."""
        return self.unroll(x, (), None, valid)[0]

    def unroll(
        self, x: Tensor, state: Memory = (), start: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """As `forward`; start [..., T] bool: a new sequence begins, and no place reads one of another."""
        check_features(x, self.form.width, start=start, valid=valid)
        places = torch.arange(x.shape[-2], device=x.device)
        positions = since(places, start)
        if self.added is not None:
            x = self.added(x, positions)
        x = self.drop(x)
        bias = alibi(places[:, None] - places, self.form.heads, x.dtype) if self.kind == "alibi" else None
        allowed = None if valid is None else valid[..., None, None, :]
        if start is not None:
            number = start.cumsum(-1)  # of the sequence each place belongs to
            own = (number.unsqueeze(-1) == number.unsqueeze(-2)).unsqueeze(-3)
            allowed = own if allowed is None else own & allowed
        for layer in self.layers:
            x = layer(x, allowed, bias, positions)
        return self.norm(x), ()

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        raise ValueError(
            "an encoder reads a whole sequence at once, it has no single step: call it, or use a Decoder"
        )


def spread(net: nn.Module, form: Form) -> None:
    """With `form.spread`: normal first weights of that deviation, narrower by √(2·layers) where a part ends.

    So every sum along the residual path starts at the same size, however deep (GPT-2).
    """
    if form.spread is None:
        return
    for name, part in net.named_modules():
        if isinstance(part, Linear):
            ends = name.endswith((".output", "feed.second"))
            nn.init.normal_(part.weight, std=form.spread / ((2 * form.layers) ** 0.5 if ends else 1.0))
