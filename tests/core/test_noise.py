"""Chance: the same for a seed wherever it is drawn, and different for everything else."""

import numpy as np
import pytest
import torch

from core.draws import mix
from core.noise import Chance, Noise, gumbel_of

DRAWS = [
    lambda n: n.uniform(4),
    lambda n: n.normal(2, 3),
    lambda n: n.integers(10, 5),
    lambda n: n.permutation(7),
    lambda n: n.gumbel(3),
    lambda n: n.bernoulli(torch.full((len(n.generators), 6), 0.5)),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_draws_the_same_alone_and_in_company(draw) -> None:  # type: ignore[no-untyped-def]
    together = draw(Noise([2, 7, 9], "a"))
    for k, seed in enumerate([2, 7, 9]):
        assert torch.equal(draw(Noise([seed], "a"))[0], together[k])


def test_seeds_and_streams_differ() -> None:
    a, b = Noise([0, 1], "a").uniform(8), Noise([0, 1], "b").uniform(8)
    assert len({tuple(row.tolist()) for row in (*a, *b)}) == 4


def test_mixing_depends_on_every_word_and_its_place() -> None:
    assert len({mix(1, 2), mix(2, 1), mix("1", "2", ""), mix(12), mix(1, "2", 0)}) == 5
    assert mix(1, "a") == mix(1, "a")
    assert 0 <= mix(5) < 2**63


def test_a_saved_generator_goes_on() -> None:
    noise = Noise([0, 3], "a")
    noise.normal(5)
    state, after = noise.state_dict(), noise.normal(5)
    again = Noise([0, 3], "a")
    again.load_state_dict(state)
    assert torch.equal(again.normal(5), after)


@pytest.mark.parametrize("used", [0, 1, 255, 256, 300])
def test_saved_chance_goes_on_within_its_block(used: int) -> None:
    chance = Chance([0, 3], "acting")
    for _ in range(used):
        chance.uniform(4, 2)
    state, after = chance.state_dict(), [chance.uniform(4, 2).copy() for _ in range(300)]
    again = Chance([0, 3], "acting")
    again.load_state_dict(state)
    assert np.array_equal(after, [again.uniform(4, 2) for _ in range(300)])


def test_chance_has_one_shape() -> None:
    chance = Chance([0], "acting")
    chance.uniform(2)
    with pytest.raises(ValueError, match="throughout"):
        chance.normal(2)


def test_gumbel_draws_from_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0])
    draws = (logits + Noise([0], "g").gumbel(40_000, 3)[0]).argmax(-1)
    found = torch.bincount(draws, minlength=3) / 40_000
    torch.testing.assert_close(found, logits.softmax(0), atol=0.01, rtol=0)
    assert gumbel_of(torch.zeros(1)).isfinite().all()
