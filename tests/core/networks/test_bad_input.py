"""What is not as it must be is refused by a ValueError that shows its shape, for every network of the contract.

What is tried goes by what a network reads: features, tokens or images, a start, a mask, a state.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from core.networks.bert import Bert
from core.networks.decoder import Decoder
from core.networks.language import LanguageModel
from core.networks.net import Net
from core.networks.transformer import Form
from tests.core.networks.test_every_net import NETS, SEQUENCES, made, of, takes_valid

BATCH, TIME = 2, 4
STEPWISE, VALID = of("causal"), pytest.mark.parametrize("name", [name for name in NETS if takes_valid(name)])
TOKENS = pytest.mark.parametrize(
    "name", [name for name, row in NETS.items() if not row.x(1, 1).is_floating_point()]
)


def refused(what: Callable[[], object], *shapes: Any) -> str:
    """The text of the ValueError, in which one of the shapes must stand."""
    with pytest.raises(ValueError, match=r"[\[(].*[\])]") as caught:
        what()
    text = str(caught.value)
    assert any(str(form(shape)) in text for shape in shapes for form in (list, tuple)), text
    return text


def unlike(x: Tensor) -> Iterator[Tensor]:
    """Not like x [B, T] of tokens or [B, T, F]: a wrong rank, a wrong number of features, no step at all."""
    yield x[:, :0]
    yield x.flatten()[0]
    if x.is_floating_point():
        yield x[..., :-1]
        yield torch.cat([x, x], -1)
        yield x[..., :0]


def later(x: Tensor, name: str) -> list[Any]:
    """The shape, and for a chain that of what its first part makes of it."""
    return [x.shape] if NETS[name].errors else [x.shape, (*x.shape[:-1], 4)]


@SEQUENCES
def test_a_sequence_of_another_rank_length_or_width(name: str) -> None:
    net, row = made(name), NETS[name]
    for x in unlike(row.x(BATCH, TIME)):
        refused(lambda x=x: net.unroll(x), *later(x, name))  # type: ignore[misc]
        if takes_valid(name):
            refused(lambda x=x: row.call(net, x, None), x.shape)  # type: ignore[misc, arg-type]


@STEPWISE
def test_a_step_of_another_width(name: str) -> None:
    net, x = made(name), NETS[name].x(BATCH)
    if x.is_floating_point():
        for given in (x[:, :-1], torch.cat([x, x], -1), x[0, 0]):
            refused(lambda given=given: net.step(given), given.shape)  # type: ignore[misc]


@SEQUENCES
def test_a_start_of_another_shape_or_type(name: str) -> None:
    net, x = made(name), NETS[name].x(BATCH, TIME)
    for shape in ((BATCH, TIME - 1), (BATCH + 1, TIME), (TIME,), (BATCH, TIME, 1)):
        refused(lambda shape=shape: net.unroll(x, (), torch.zeros(shape, dtype=torch.bool)), shape)  # type: ignore[misc]
    with pytest.raises(ValueError, match="must be of bool"):
        net.unroll(x, (), torch.zeros(BATCH, TIME))


@STEPWISE
def test_a_start_of_a_step_for_other_rows(name: str) -> None:
    net, x = made(name), NETS[name].x(BATCH)
    refused(lambda: net.step(x, (), torch.zeros(3, dtype=torch.bool)), (3,), (3, 1))


@VALID
def test_a_mask_of_another_shape_or_type(name: str) -> None:
    net, row = made(name), NETS[name]
    x = row.x(BATCH, TIME)
    for shape in ((BATCH, TIME - 1), (BATCH + 1, TIME), (TIME,), (BATCH, TIME, 1)):
        refused(lambda shape=shape: row.call(net, x, torch.ones(shape, dtype=torch.bool)), shape)  # type: ignore[misc]
    with pytest.raises(ValueError, match="must be of bool"):
        row.call(net, x, torch.ones(BATCH, TIME))


@STEPWISE
def test_a_state_of_other_rows(name: str) -> None:
    net, row = made(name), NETS[name]
    _, state = net.unroll(row.x(3, TIME))
    for what in (lambda: net.unroll(row.x(BATCH, TIME), state), lambda: net.step(row.x(BATCH), state)):
        with pytest.raises(ValueError, match=r"state .*\[3"):
            what()


@TOKENS
def test_a_token_outside_the_vocabulary(name: str) -> None:
    net, x = made(name), NETS[name].x(BATCH, TIME)
    for token in (6, -1, 1000):
        given = x.clone()
        given[1, 2] = token
        text = refused(lambda given=given: net.unroll(given), x.shape)  # type: ignore[misc]
        assert f"token {token} " in text
        assert "0 to 5" in text
    with pytest.raises(ValueError, match="whole numbers"):
        net.unroll(x.double())
    if NETS[name].kind == "causal":
        refused(lambda: net.step(x[:, 0] + 6), (BATCH,), (BATCH, 1))


@of("plain", "image")
def test_features_or_images_of_another_shape(name: str) -> None:
    net, x = made(name), NETS[name].x(BATCH)
    for given in (x[..., :-1], torch.cat([x, x], -1), x.flatten()[0]):
        refused(lambda given=given: net(given), given.shape)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "features"),
    [
        (lambda: Decoder(Form(4, 2, 5, 1), "learned", 3), True),
        (lambda: LanguageModel(6, Form(4, 2, 5, 1), 3), False),
        (lambda: Bert(6, Form(4, 2, 5, 1), 3), False),
    ],
)
def test_more_places_than_the_table_has(make: Callable[[], Net], features: bool) -> None:
    net = make()
    x = torch.randn(BATCH, TIME, 4) if features else torch.zeros(BATCH, TIME, dtype=torch.int64)
    net.unroll(x[:, :3])
    text = refused(lambda: net.unroll(x), (BATCH, TIME, 4))
    assert "over the table of 3 positions" in text
