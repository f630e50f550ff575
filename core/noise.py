"""Chance: one generator per seed and purpose. The only place in the house that draws random numbers.

A *stream* is a purpose ("acting", "minibatches", "data", …): streams never share a generator, so drawing more
in one of them leaves the numbers of every other one as they were. Seeds never share one either, so seed 3
draws the same numbers alone and in company.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.draws import mix

State: TypeAlias = dict[str, Any]
States: TypeAlias = list[State]
"""What is saved: one plain tree per seed."""


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


class Chance:
    """The chance of acting: one small array per step for every seed, drawn ahead in blocks because that is cheap.

    All steps of one stream have the same shape and kind; row ``k`` comes from the generator of seed ``k`` alone.
    """

    BLOCK = 256  # steps drawn at once

    def __init__(self, seeds: Sequence[int], stream: str) -> None:
        self.noise = Noise(seeds, stream)
        self._kind: tuple[str, tuple[int, ...]] | None = None
        self._drawn = np.zeros(0, np.float32)  # [step, seed, *shape]
        self._before = self.noise.state_dict()  # the generators before this block
        self._used = 0

    def uniform(self, *shape: int) -> NDArray[np.float32]:
        """``[seed, *shape]`` float32, uniform on [0, 1)."""
        return self._next("uniform", shape)

    def normal(self, *shape: int) -> NDArray[np.float32]:
        """``[seed, *shape]`` float32, standard normal."""
        return self._next("normal", shape)

    def gumbel(self, *shape: int) -> NDArray[np.float32]:
        """``[seed, *shape]`` float32, standard Gumbel: see ``Noise.gumbel``."""
        return self._next("gumbel", shape)

    def _next(self, kind: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if self._kind != (kind, shape):
            if self._kind is not None:
                raise ValueError(f"one stream of steps is {self._kind} throughout, asked for {(kind, shape)}")
            self._kind = (kind, shape)
            self._draw()
        elif self._used == self.BLOCK:
            self._draw()
        self._used += 1
        row: NDArray[np.float32] = self._drawn[self._used - 1]
        return row

    def _draw(self) -> None:
        assert self._kind is not None
        kind, shape = self._kind
        self._before = self.noise.state_dict()
        draws = {"uniform": self.noise.uniform, "normal": self.noise.normal, "gumbel": self.noise.gumbel}
        block = draws[kind](self.BLOCK, *shape).numpy()
        self._drawn = np.ascontiguousarray(np.moveaxis(block, 0, 1))
        self._used = 0

    def state_dict(self) -> States:
        kind, shape = self._kind if self._kind is not None else ("", ())
        return [{**state, "kind": kind, "shape": list(shape), "used": self._used} for state in self._before]

    def load_state_dict(self, states: States) -> None:
        self.noise.load_state_dict(states)
        self._before, self._kind, self._used = self.noise.state_dict(), None, 0
        if states[0]["kind"]:
            self._kind = (states[0]["kind"], tuple(states[0]["shape"]))
            self._draw()
            self._used = states[0]["used"]


def gumbel_of(uniform: Tensor) -> Tensor:
    """−log(−log u), kept finite at u = 0 (float32 draws 0 once in 2²⁴)."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -torch.log(-torch.log(uniform.clamp(min=tiny)))
