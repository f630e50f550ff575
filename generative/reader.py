"""A network that reads characters and writes on: a GPT, or an embedding under recurrent layers."""

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from core.networks.embedding import Embedding
from core.networks.generation import sampled
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


class Reader(nn.Module):
    """A network over characters that forgets at every newline, where there is one."""

    def __init__(self, net: Net, newline: int | None, context: int) -> None:
        super().__init__()
        self.net, self.newline, self.context = net, newline, context
        self.stacks = net.stacks

    def forward(self, x: Tensor, state: Memory = ()) -> tuple[Tensor, Memory]:
        """Tokens [..., T] → (scores of each one's next [..., T, V], state)."""
        return self.net.unroll(x, state, None if self.newline is None else x == self.newline)

    def write(self, text: Tensor, uniform: Tensor) -> Tensor:
        """Go on from text [..., P] by as many characters as uniform [..., N] has numbers: [..., P + N].

        After ``context`` characters the last half is read anew: behind that a GPT has no position.
        """
        (scores, state), age = self(text[..., -self.context :]), min(text.shape[-1], self.context)
        for number in uniform.unbind(-1):
            text = torch.cat([text, sampled(scores[..., -1, :], number).unsqueeze(-1)], -1)
            if age == self.context:
                age = max(self.context // 2, 1)
                scores, state = self(text[..., -age:])
            else:
                age += 1
                scores, state = self(text[..., -1:], state)
        return text


def build(settings: Settings, size: int, newline: int | None) -> Reader:
    """A GPT as in nanoGPT, without biases, or an embedding, recurrent layers and a linear map."""
    width = settings.width
    if settings.net == "gpt":
        form = replace(GPT_FORM, width=width, heads=settings.heads, hidden=4 * width, layers=settings.layers)
        return Reader(LanguageModel(size, form, settings.context), newline, settings.context)
    layers: list[nn.Module] = [deep(settings.net, width, width, settings.layers), Linear(width, size)]
    return Reader(Chain(Embedding(size, width), *layers), newline, settings.context)
