"""Layers with stacked weights, first weights, and chains."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from core.errors import UserError
from core.networks.mlp import MLP
from core.networks.net import INITIALISERS, Chain, LayerNorm, Linear, Net, draw, pick
from core.networks.recurrent import GRU, LSTM


def stacked(nets: list[nn.Module], x: Tensor) -> Tensor:
    """All networks in one call."""
    return functional_call(nets[0], dict(stack_module_state(nets)[0]), (x,))


@pytest.mark.parametrize("lead", [(), (5,), (5, 2), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_stacked_linear_equals_the_loop(lead: tuple[int, ...], bias: bool) -> None:
    layers = [Linear(3, 4, bias=bias, dtype=torch.float64) for _ in range(6)]
    x = torch.randn(6, *lead, 3, dtype=torch.float64)
    loop = torch.stack([layer(x[k]) for k, layer in enumerate(layers)])
    torch.testing.assert_close(stacked(layers, x), loop, rtol=0, atol=1e-14)


def test_linear_by_hand() -> None:
    layer = Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, -1.0]]))
        layer.bias.fill_(0.5)
    assert layer(torch.tensor([3.0, 4.0])).tolist() == [2.5]
    two = {"weight": torch.tensor([[[2.0, -1.0]], [[0.0, 10.0]]]), "bias": torch.tensor([[0.5], [-1.0]])}
    out = functional_call(layer, two, (torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]]]),))
    assert out.tolist() == [[[2.5]], [[39.0]]]


def test_layer_norm_by_hand_and_stacked() -> None:
    plain = LayerNorm(2, eps=0.0)
    assert plain(torch.tensor([1.0, 3.0])).tolist() == [-1.0, 1.0]
    norms = [LayerNorm(3) for _ in range(4)]
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    for lead in [(), (5,), (5, 2)]:
        x = torch.randn(4, *lead, 3)
        loop = torch.stack([norm(x[k]) for k, norm in enumerate(norms)])
        torch.testing.assert_close(stacked(norms, x), loop, rtol=1e-6, atol=1e-6)


def test_orthogonal_weights_have_their_gain_and_zero_bias() -> None:
    layer = Linear(64, 32)
    draw(layer, "orthogonal")
    torch.testing.assert_close(layer.weight @ layer.weight.T, 2.0 * torch.eye(32), rtol=0, atol=1e-5)
    assert layer.bias.abs().max() == 0
    draw(layer, "orthogonal", 0.01)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 1e-4 * torch.eye(32), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("xavier", math.sqrt(2 / (400 + 200))),
        ("he", math.sqrt(2 / 400)),
        ("default", math.sqrt(1 / 400 / 3)),  # uniform within ±1/√in
        ("orthogonal", math.sqrt(2 / 400)),
    ],
)
def test_first_weights_have_the_published_spread(name: str, std: float) -> None:
    torch.manual_seed(0)
    layer = Linear(400, 200)
    draw(layer, name)
    assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
    draw(layer, "he", 0.5)
    assert layer.weight.std().item() == pytest.approx(0.5 / 20, rel=0.02)


def test_default_is_pytorchs_own() -> None:
    torch.manual_seed(3)
    theirs = nn.Linear(5, 7)
    torch.manual_seed(3)
    ours = MLP((5, 7), initialise="default").layers[0]
    assert torch.equal(ours.get_parameter("weight"), theirs.weight)
    assert torch.equal(ours.get_parameter("bias"), theirs.bias)


def test_blocks_are_drawn_apart() -> None:
    layer = Linear(8, 32)
    draw(layer, "orthogonal", 1.0, blocks=4)
    for block in layer.weight.chunk(4):
        torch.testing.assert_close(block @ block.T, torch.eye(8), rtol=0, atol=1e-5)


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown initialiser 'ortogonal'.*'orthogonal'"):
        draw(Linear(2, 2), "ortogonal")
    assert pick(INITIALISERS, "he", "initialiser") is INITIALISERS["he"]


def test_plain_chain() -> None:
    chain = Chain(MLP((3, 4)), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    expected = chain.parts[2](torch.relu(chain.parts[0](x)))
    assert torch.equal(chain(x), expected)
    assert chain.init_state(5) == ()
    y, state = chain.step(x, (), torch.ones(5, dtype=torch.bool))
    assert torch.equal(y, expected)
    assert state == ()
    assert not chain.stacks  # torch's own Linear does not
    assert Chain(MLP((3, 4)), nn.Tanh(), LSTM(4, 2)).stacks
    assert not Chain(nn.Conv2d(1, 1, 3)).stacks


def test_chain_with_states() -> None:
    chain = Chain(MLP((3, 4)), LSTM(4, 5), nn.Tanh(), GRU(5, 2))
    x, start = torch.randn(6, 7, 3), torch.rand(6, 7) < 0.3
    state = chain.init_state(6)
    assert [[tuple(leaf.shape) for leaf in part] for part in state] == [[(6, 5), (6, 5)], [(6, 2)]]
    whole, last = chain.unroll(x, state, start)
    for t in range(7):
        y, state = chain.step(x[:, t], state, start[:, t])
        torch.testing.assert_close(y, whole[:, t], rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(state, last, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert torch.equal(chain.unroll(x, (), start)[0], whole)
    with pytest.raises(ValueError, match="carries a state"):
        chain(x)


def test_a_plain_net_is_stateless() -> None:
    class Double(Net):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    y, state = Double().unroll(torch.ones(2, 3, 1))
    assert y.sum() == 12
    assert state == Double().init_state(2) == ()
    assert not Double().stacks
