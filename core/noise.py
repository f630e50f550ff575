"""Chance: one generator per seed and purpose. The only place in the house that draws random numbers.

A *stream* is a purpose ("acting", "minibatches", "data", …): streams never share a generator, so drawing more
in one of them leaves the numbers of every other one as they were. Seeds never share one either, so seed 3
draws the same numbers alone and in company.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = dict[str, Any]
States: TypeAlias = list[State]
"""What is saved: one plain tree per seed."""


def mix(*words: int | str) -> int:
    """A 63-bit number that depends on every word and on their order: a seed for what the words name."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class Noise:
    """Random tensors ``[seed, …]``, row ``k`` drawn from the generator of seed ``k`` alone.

    Args:
        seeds: the run's seeds, in order.
        stream: what the numbers are for.
        device: where they are drawn; the CPU and a GPU draw different numbers from the same seed.
    """

    def __init__(self, seeds: Sequence[int], stream: str, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.generators = [
            torch.Generator(self.device).manual_seed(mix("noise", stream, int(seed))) for seed in seeds
        ]

    def _each(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        if len(self.generators) == 1:
            return draw(self.generators[0]).unsqueeze(0)
        return torch.stack([draw(generator) for generator in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        """``[seed, *shape]`` float32, uniform on [0, 1)."""
        return self._each(lambda g: torch.rand(shape, generator=g, device=self.device))

    def normal(self, *shape: int) -> Tensor:
        """``[seed, *shape]`` float32, standard normal."""
        return self._each(lambda g: torch.randn(shape, generator=g, device=self.device))

    def integers(self, high: int, *shape: int) -> Tensor:
        """``[seed, *shape]`` int64, uniform on 0 … high − 1."""
        return self._each(lambda g: torch.randint(high, shape, generator=g, device=self.device))

    def permutation(self, count: int) -> Tensor:
        """``[seed, count]`` int64: an order of 0 … count − 1 for every seed."""
        return self._each(lambda g: torch.randperm(count, generator=g, device=self.device))

    def bernoulli(self, probability: Tensor) -> Tensor:
        """Zeros and ones of the shape of ``probability`` ``[seed, …]``, one with that probability."""
        return (self.uniform(*probability.shape[1:]) < probability).to(probability.dtype)

    def gumbel(self, *shape: int) -> Tensor:
        """``[seed, *shape]`` standard Gumbel: ``argmax(logits + gumbel)`` draws from ``softmax(logits)``."""
        return gumbel_of(self.uniform(*shape))

    def state_dict(self) -> States:
        return [{"generator": generator.get_state()} for generator in self.generators]

    def load_state_dict(self, states: States) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state["generator"].cpu())


def gumbel_of(uniform: Tensor) -> Tensor:
    """−log(−log u), kept finite at u = 0 (float32 draws 0 once in 2²⁴)."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -torch.log(-torch.log(uniform.clamp(min=tiny)))
