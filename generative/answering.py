"""Networks that learn from pairs of texts, and answer by themselves: what a translator is made of."""

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from core.networks.language import GPT_FORM, LanguageModel, Translator
from core.networks.net import Memory
from core.networks.seq2seq import Seq2Seq
from core.networks.transformer import Form
from generative.pairs import BEGIN, PADDING

KINDS: dict[str, tuple[str, str | None]] = {
    "none": ("none", None), "additive": ("bahdanau", "additive"), "dot": ("luong", "dot")
}  # fmt: skip


class Settings(Protocol):
    """What the network is made from."""

    @property
    def net(self) -> str: ...  # transformer, gpt, or a key of CELLS
    @property
    def attention(self) -> str: ...  # a key of KINDS
    @property
    def reverse(self) -> bool: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def dropout(self) -> float: ...


class Onward(nn.Module):
    """A decoder alone: source and answer are one text, and the answer goes on where the source ends (GPT).

    Padding is a character like others here: the answer begins at the same place whatever the source's length.

    Args:
        size: tokens there are.
        form: sizes.
        length: of the longest source and answer together.
    """

    def __init__(self, size: int, form: Form, length: int) -> None:
        super().__init__()
        self.model = LanguageModel(size, form, length, tied=False)
        self.stacks = self.model.stacks

    def begin(self, source: Tensor, valid: Tensor | None = None) -> Memory:
        """The state after a source [..., S]; `valid` is not needed."""
        return self.model.unroll(source)[1]

    def step(self, x: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        """Tokens [...] → (scores of the next ones [..., V], state)."""
        return self.model.step(x, state)

    def forward(self, source: Tensor, given: Tensor, valid: Tensor | None = None) -> Tensor:
        """Source [..., S], delayed answer [..., T] → scores [..., T, V]."""
        scores: Tensor = self.model(torch.cat([source, given], -1))
        return scores[..., source.shape[-1] :, :]


class Answering(nn.Module):
    """A network that learns from pairs, and answers by itself."""

    def __init__(self, net: Seq2Seq | Translator | Onward) -> None:
        super().__init__()
        self.net, self.stacks = net, net.stacks

    def forward(self, source: Tensor, given: Tensor) -> Tensor:
        """Source [..., S], the target delayed by one [..., T] → scores of each one's next [..., T, V]."""
        scores: Tensor = self.net(source, given, source != PADDING)
        return scores

    def answer(self, source: Tensor, room: Tensor) -> Tensor:
        """The likeliest character after the other, given those before it: as many [..., T] as there is room for."""
        state = self.net.begin(source, source != PADDING)
        token, found = torch.full_like(source[..., 0], BEGIN), []
        for _ in range(room.shape[-1]):
            scores, state = self.net.step(token, state)
            token = scores.argmax(-1)
            found.append(token)
        return torch.stack(found, -1)

    def alignment(self, source: Tensor, given: Tensor) -> Tensor:
        """How much of each place of the source [..., S] every step of the decoder read: [..., T, S]."""
        assert isinstance(self.net, Seq2Seq)
        return self.net.look(given, self.net.begin(source, source != PADDING))[2]


def build(settings: Settings, size: int, length: int) -> Answering:
    """The network that the settings name, for so many tokens and sources and targets of so many places together."""
    width = settings.width
    form = Form(width, settings.heads, 4 * width, settings.layers, dropout=settings.dropout)
    if settings.net == "transformer":
        return Answering(Translator(size, size, form))
    if settings.net == "gpt":  # as minGPT's: GELU, normal first weights of 0.02, with biases
        return Answering(
            Onward(size, replace(form, activation=GPT_FORM.activation, spread=GPT_FORM.spread), length)
        )
    kind, score = KINDS[settings.attention]
    made = Seq2Seq(
        size, size, width, cell=settings.net, attention=kind, score=score, reverse=settings.reverse
    )
    return Answering(made)
