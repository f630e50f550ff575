"""Orders of examples: every epoch all of them, each seed its own, the same after a resume."""

import pytest

from core.errors import UserError
from core.order import Order


def drawn(order: Order, count: int) -> list[list[list[int]]]:
    return [order.next().tolist() for _ in range(count)]


def test_an_epoch_shows_every_example_once_and_the_next_in_another_order() -> None:
    first, second = drawn(order := Order(6, (0, 1), 3), 2), drawn(order, 2)
    for seed in (0, 1):
        epochs = [[place for batch in epoch for place in batch[seed]] for epoch in (first, second)]
        assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(6))
        assert epochs[0] != epochs[1]
    assert first[0][0] != first[0][1]


def test_what_does_not_fill_a_batch_is_left_out() -> None:
    order = Order(5, (0,), 2)
    drawn(order, 2)
    assert order.epoch == 0
    drawn(order, 1)
    assert (order.epoch, order.offset) == (1, 2)


def test_a_seed_sees_the_same_alone_and_in_company() -> None:
    both, alone = drawn(Order(9, (3, 5), 2), 10), drawn(Order(9, (5,), 2), 10)
    assert [batch[1] for batch in both] == [batch[0] for batch in alone]


@pytest.mark.parametrize("cut", range(8))
def test_it_goes_on_where_it_was_saved(cut: int) -> None:
    order, again = Order(7, (0, 1), 2), Order(7, (0, 1), 2)
    drawn(order, cut)
    again.load_state_dict(order.state_dict())
    assert drawn(again, 8) == drawn(order, 8)


def test_a_batch_must_fit() -> None:
    with pytest.raises(UserError, match="takes 8 examples, and 7 are there: make it 1 to 7"):
        Order(7, (0,), 8)
