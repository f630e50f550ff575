"""A network that reads characters and writes on: a GPT, or an embedding under recurrent layers."""

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from core.networks.embedding import Embedding
from core.networks.generation import greedy, sampled
from core.networks.language import GPT_FORM, LanguageModel
from core.networks.net import Chain, Linear, Memory, Net
from core.networks.sequences import deep


class Settings(Protocol):
    """What the network is made from."""

    @property
    def net(self) -> str: ...  # gpt, or a key of CELLS
    @property
    def layers(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def positions(self) -> str: ...  # of a gpt: a key of POSITIONS
    @property
    def dropout(self) -> float: ...


class Reader(nn.Module):
    """A network over characters that forgets at every newline, where there is one."""

    def __init__(self, net: Net, newline: int | None, context: int | None = None) -> None:
        super().__init__()
        self.net, self.newline, self.context = net, newline, context
        self.stacks = net.stacks

    def forward(self, x: Tensor, state: Memory = ()) -> tuple[Tensor, Memory]:
        """Tokens [..., T] → (scores of each one's next [..., T, V], state)."""
        return self.net.unroll(x, state, None if self.newline is None else x == self.newline)

    def write(self, text: Tensor, uniform: Tensor, temperature: Tensor) -> Tensor:
        """Go on from text [..., P] by as many characters as uniform [..., N] has numbers: [..., P + N].

        Every character is read once and its keys and values (or the state) are kept. Where there is a ``context``, its
        last half is read anew once it is full: behind that a GPT has no position.

        Args:
            text: the prompt.
            uniform: numbers from [0, 1), one for each character to come.
            temperature: one number, the same everywhere; at 0 the likeliest character each time.
        """
        warmth = float(temperature.flatten()[0])
        context = self.context or text.shape[-1] + uniform.shape[-1]  # a state may carry any number
        (scores, state), age = self(text[..., -context:]), min(text.shape[-1], context)
        for number in uniform.unbind(-1):
            last = scores[..., -1, :]
            token = sampled(last, number, warmth) if warmth else greedy(last)
            text = torch.cat([text, token.unsqueeze(-1)], -1)
            if age == context:
                age = max(context // 2, 1)
                scores, state = self(text[..., -age:])
            else:
                age += 1
                scores, state = self(text[..., -1:], state)
        return text


def build(settings: Settings, size: int, newline: int | None) -> Reader:
    """A GPT as in nanoGPT, without biases, or an embedding, recurrent layers and a linear map."""
    width = settings.width
    if settings.net == "gpt":
        form = replace(
            GPT_FORM, width=width, heads=settings.heads, hidden=4 * width, layers=settings.layers,
            dropout=settings.dropout,
        )  # fmt: skip
        model = LanguageModel(size, form, settings.context, settings.positions)
        return Reader(model, newline, settings.context)
    body = deep(settings.net, width, width, settings.layers, settings.dropout)
    layers: list[nn.Module] = [body, Linear(width, size)]
    return Reader(Chain(Embedding(size, width), *layers), newline)
