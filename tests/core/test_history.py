"""Under-fitting, over-fitting or fine: the rule by hand."""

import pytest

from core.history import History, word


@pytest.mark.parametrize(
    ("train", "held_out", "expected"),
    [
        ([2, 1, 0.5, 0.5, 0.5], [2, 1.1, 0.6, 0.6, 0.6], "fine"),
        ([2, 1, 0.5, 0.3, 0.2], [2, 1.1, 0.6, 0.7, 0.76], "over-fitting"),  # rose by 0.16, learnt 1.4
        ([2, 1, 0.5, 0.4, 0.38], [2, 1.1, 0.6, 0.65, 0.7], "fine"),  # rose by 0.1: less than a tenth
        ([2, 1, 0.5, 0.6, 0.62], [2, 1.1, 0.6, 0.7, 0.76], "fine"),  # both rose: that is no over-fitting
        ([2, 1, 0.5, 0.1, 0.1], [2, 1.1, 0.6, 0.6, 0.6], "over-fitting"),  # the gap is 0.5, learnt 1.4
        ([2, 1.8, 1.6, 1.4, 1.2], [2, 1.8, 1.6, 1.4, 1.2], "under-fitting"),  # falls by a quarter still
        ([2, 2, 2, 2], [2, 2.1, 2.2, 2.2], "under-fitting"),  # nothing learnt
        ([2, 1, 0.5], [2, 1, 0.5], "unknown"),
    ],
)
def test_the_word(train: list[float], held_out: list[float], expected: str) -> None:
    assert word(train, held_out) == expected


def test_a_place_is_kept_once_and_all_is_saved() -> None:
    history = History()
    for at, (train, held_out) in enumerate([(2.0, 2.0), (1.0, 1.1), (1.0, 1.1), (1.0, 1.1)]):
        history.add(at, train, held_out)
        history.add(at, 9.0, 9.0)
    again = History()
    again.load_state_dict(history.state_dict())
    assert (again.at, again.train, again.held_out) == ([0, 1, 2, 3], [2, 1, 1, 1], [2, 1.1, 1.1, 1.1])
    assert again.word == "fine"
