"""The multilayer perceptron: by hand, stacked over seeds, first weights."""

import math
from typing import Any

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from core.errors import UserError
from core.networks.mlp import MLP


def test_by_hand() -> None:
    net = MLP((1, 2, 1), activation="relu", output_activation="sigmoid")
    with torch.no_grad():
        net.layers[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        net.layers[0].bias.copy_(torch.tensor([0.0, 1.0]))
        net.layers[1].weight.copy_(torch.tensor([[2.0, 3.0]]))
        net.layers[1].bias.fill_(-4.0)
    # x = 2: hidden (2, 0), 2·2 − 4 = 0; x = −1: hidden (0, 2), 3·2 − 4 = 2
    expected = torch.tensor([[0.5], [1 / (1 + math.exp(-2))]])
    torch.testing.assert_close(net(torch.tensor([[2.0], [-1.0]])), expected)


@pytest.mark.parametrize("options", [{}, {"layer_norm": True, "activation": "relu"}, {"initialise": "he"}])
@pytest.mark.parametrize("lead", [(), (7,), (7, 2)])
def test_all_seeds_at_once_equal_the_loop(options: dict[str, Any], lead: tuple[int, ...]) -> None:
    nets = [MLP((4, 16, 8, 3), **options).double() for _ in range(5)]
    for net in nets:  # norms start equal; let them differ
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(5, *lead, 4, dtype=torch.float64)
    weights = dict(stack_module_state(nets)[0])
    loop = torch.stack([net(x[k]) for k, net in enumerate(nets)])
    together = functional_call(nets[0], weights, (x,))
    torch.testing.assert_close(together, loop, rtol=0, atol=1e-12)
    mapped = vmap(lambda w, x: functional_call(nets[0], w, (x,)))(weights, x)
    torch.testing.assert_close(mapped, loop, rtol=0, atol=1e-12)
    # and so do the gradients
    names = list(weights)
    ours = torch.autograd.grad(together.square().sum(), [weights[name] for name in names])
    theirs = [
        torch.autograd.grad(loop[k].square().sum(), net.parameters(), retain_graph=True)
        for k, net in enumerate(nets)
    ]
    order = [name for name, _ in nets[0].named_parameters()]
    for name, gradient in zip(names, ours, strict=True):
        by_seed = torch.stack([seed[order.index(name)] for seed in theirs])
        torch.testing.assert_close(gradient, by_seed, rtol=1e-10, atol=1e-10)


def test_one_seed_stacked() -> None:
    net = MLP((4, 8, 2))
    x = torch.randn(1, 6, 4)
    weights = {name: parameter.unsqueeze(0) for name, parameter in net.named_parameters()}
    torch.testing.assert_close(functional_call(net, weights, (x,))[0], net(x[0]), rtol=1e-6, atol=1e-6)


def test_ppo_gains_and_initial_entropy() -> None:
    policy, value = MLP((4, 64, 64, 3), gain_out=0.01), MLP((4, 64, 64, 1), gain_out=1.0)
    singular = [torch.linalg.svdvals(layer.weight) for layer in policy.layers]
    for values, gain in zip(singular, (math.sqrt(2), math.sqrt(2), 0.01), strict=True):
        torch.testing.assert_close(values, torch.full_like(values, gain), rtol=1e-4, atol=0)
    assert torch.linalg.svdvals(value.layers[-1].weight).item() == pytest.approx(1.0, rel=1e-4)
    entropy = torch.distributions.Categorical(logits=policy(torch.randn(256, 4))).entropy()
    assert entropy.mean().item() == pytest.approx(math.log(3), rel=0.01)


def test_first_weights_follow_the_global_generator() -> None:
    def weights(seed: int) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return torch.cat([parameter.flatten() for parameter in MLP((3, 5, 2)).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_names_and_sizes_are_checked() -> None:
    with pytest.raises(UserError, match=r"unknown activation 'tahn'.*'tanh'"):
        MLP((1, 1), activation="tahn")
    with pytest.raises(ValueError, match="at least"):
        MLP((3,))
    net = MLP((3, 7, 2))
    assert (net.in_features, net.out_features) == (3, 2)
    assert sum(parameter.numel() for parameter in net.parameters()) == 3 * 7 + 7 + 7 * 2 + 2


def test_layer_norm_stands_before_the_activation() -> None:
    net = MLP((2, 2, 2), activation="relu", layer_norm=True)
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.copy_(torch.eye(2))
    # (1, 5) is normalised to (−1, 1), of which ReLU leaves (0, 1)
    torch.testing.assert_close(net(torch.tensor([1.0, 5.0])), torch.tensor([0.0, 1.0]), rtol=0, atol=1e-5)


def test_three_layers_are_torchs_to_the_bit() -> None:
    net = MLP((4, 5, 3), activation="sigmoid", output_activation="sigmoid")
    first, second = (torch.nn.Linear(4, 5), torch.nn.Linear(5, 3))
    first.load_state_dict(net.layers[0].state_dict())
    second.load_state_dict(net.layers[1].state_dict())
    x = torch.randn(6, 4)
    assert torch.equal(net(x), torch.nn.Sequential(first, torch.nn.Sigmoid(), second, torch.nn.Sigmoid())(x))


def test_it_learns_xor() -> None:
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    net = MLP((2, 4, 1), output_range="unit", initialise="xavier")
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        error = torch.nn.functional.mse_loss(net(x)[:, 0], (x[:, 0] != x[:, 1]).float())
        error.backward()
        optimiser.step()
    torch.testing.assert_close(net(x)[:, 0], torch.tensor([0.0, 1.0, 1.0, 0.0]), rtol=0, atol=0.05)


@pytest.mark.parametrize(("name", "low", "high"), [("unit", 0, 1), ("simplex", 0, 1), ("tanh", -1, 1)])
def test_outputs_lie_in_their_range_also_for_large_logits(name: str, low: float, high: float) -> None:
    net = MLP((3, 8, 4), output_range=name)
    with torch.no_grad():
        net.layers[-1].bias.copy_(torch.tensor([1e4, -1e4, 0.0, 1.0]))
    x = torch.randn(5, 7, 3, requires_grad=True)
    y = net(x)
    assert y.min() >= low
    assert y.max() <= high
    if name == "simplex":
        torch.testing.assert_close(y.sum(-1), torch.ones(5, 7))
    else:
        assert y[..., 0].min() > high - 1e-6
        assert y[..., 1].max() < low + 1e-6
    assert torch.autograd.grad(y.square().sum(), x)[0].isfinite().all()


def test_ranges_by_hand() -> None:
    net = MLP((2, 2), output_range="simplex")
    with torch.no_grad():
        net.layers[0].weight.copy_(torch.eye(2))
    torch.testing.assert_close(net(torch.tensor([0.0, math.log(3.0)])), torch.tensor([0.25, 0.75]))
    assert MLP((2, 2), output_range="real")(torch.full((2,), 1e6)).abs().max() > 1e5
    with pytest.raises(UserError, match=r"unknown output range 'simplx'.*'simplex'"):
        MLP((1, 1), output_range="simplx")
    with pytest.raises(ValueError, match=r"'tanh' or a range 'unit', not both"):
        MLP((1, 1), output_activation="tanh", output_range="unit")


def test_skips_add_the_input_where_widths_agree() -> None:
    net = MLP((2, 3, 3, 1), activation="relu", residual=True)
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.fill_(1.0)
    # hidden: 1 + 2 = 3 thrice (no skip: 2 → 3); 3 + 9 = 12 thrice (a skip); 36
    assert net(torch.tensor([1.0, 2.0])).item() == 36
    plain = MLP((2, 3, 3, 1), activation="relu")
    plain.load_state_dict(net.state_dict())
    assert plain(torch.tensor([1.0, 2.0])).item() == 27
    assert net.stacks
    assert net.input_gradient(torch.ones(1, 2)) is None
    nets = [MLP((2, 3, 3, 1), residual=True) for _ in range(3)]
    x = torch.randn(3, 5, 2)
    stacked = functional_call(nets[0], dict(stack_module_state(nets)[0]), (x,))
    torch.testing.assert_close(stacked, torch.stack([net(x[k]) for k, net in enumerate(nets)]))


def test_norms_by_name() -> None:
    torch.manual_seed(1)
    named, flagged = MLP((3, 4, 2), norm="layer"), MLP((3, 4, 2), layer_norm=True)
    flagged.load_state_dict(named.state_dict())
    x = torch.randn(6, 3)
    assert torch.equal(named(x), flagged(x))
    assert named.stacks
    assert not MLP((3, 4, 2), norm="none").norms
    batch = MLP((3, 4, 2), norm="batch")
    assert not batch.stacks
    before = batch.layers[0](x)
    normal = (before - before.mean(0)) / (before.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(batch(x), batch.layers[1](torch.tanh(normal)), rtol=1e-4, atol=1e-5)
    assert not torch.equal(batch.eval()(x), batch.train()(x))
    with pytest.raises(UserError, match=r"unknown norm 'bach'.*'batch'"):
        MLP((1, 1), norm="bach")
