"""Chance by words: the same for the same words, and without torch."""

import subprocess
import sys

import numpy as np
import pytest

from core import draws as light

WORDS: list[tuple[int | str, ...]] = [(), ("a",), (1, "a"), ("a", 1), (12,), (1, 2), ("", "é", -3)]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ((), 8238016292129134938),
        (("a",), 2340832890917691671),
        ((1, "a"), 475944544596965755),
        (("", "é", -3), 3278637382106369562),
    ],
)
def test_words_mix_to_the_same_numbers_for_ever(words: tuple[int | str, ...], number: int) -> None:
    """Recorded runs were seeded by them."""
    assert light.mix(*words) == number


def test_the_same_words_draw_the_same_and_others_do_not() -> None:
    assert np.array_equal(light.draws("bench", 3).random(9), light.draws("bench", 3).random(9))
    assert len({tuple(light.draws(*words).integers(0, 1000, 9).tolist()) for words in WORDS}) == len(WORDS)


def test_what_is_drawn_is_what_it_says() -> None:
    chance = light.draws("ranges")
    assert set(chance.integers(2, 5, 500).tolist()) == {2, 3, 4}
    uniform, normal = chance.random((100, 50)), chance.standard_normal(5000)
    assert uniform.shape == (100, 50)
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() < 1
    assert (normal.mean(), normal.std()) == pytest.approx((0, 1), abs=0.06)  # four standard errors
    rows = chance.permuted(np.tile(np.arange(6), (50, 1)), axis=1)
    assert (np.sort(rows, 1) == np.arange(6)).all()
    assert len({tuple(row) for row in rows.tolist()}) > 40


def test_statistics_load_neither_torch_nor_all_of_scipy() -> None:
    code = (
        "import sys, core.aggregates, core.curves, core.references, core.coverage\n"
        "assert not (seen := {'torch', 'scipy.stats', 'pandas', 'wandb', 'matplotlib'} & set(sys.modules)), seen"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
