"""Several networks trained together: each as if it were alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import UserError
from core.networks.mlp import MLP
from core.noise import Noise
from core.optimisers import OPTIMISERS, SGD, Adam, RMSprop
from core.replicas import Replicas

PATHS = [("loop", False), ("vmap", False), ("loop", True), ("vmap", True)]
slow = pytest.mark.slow
PATH_PARAMS = [pytest.param(*p, marks=[slow] if p[1] else []) for p in PATHS]  # compiling takes seconds


class Regression:
    """A small network fitted to noise, for as many seeds as asked."""

    def __init__(
        self, seeds: list[int], path: str = "loop", compiled: bool = False, **kwargs: object
    ) -> None:
        self.net = Replicas(lambda: MLP([3, 16, 1]), seeds, path=path, compiled=compiled, **kwargs)  # type: ignore[arg-type]
        self.noise = Noise(seeds, "data")

    def loss(self, params: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        error = ((self.net.apply(params, x) - y) ** 2).mean()
        return error, {"loss/mse": error}

    def train(self, steps: int) -> Tensor:
        for _ in range(steps):
            self.metrics = self.net.step(self.loss, self.noise.normal(8, 3), self.noise.normal(8, 1), lr=0.01)
        return self.net.matrix.clone()


@pytest.mark.parametrize(("path", "compiled"), PATH_PARAMS)
def test_a_seed_learns_the_same_to_the_bit_alone_and_in_company(path: str, compiled: bool) -> None:
    together = Regression([3, 5, 11], path, compiled, clip=0.5).train(10)
    for k, seed in enumerate([3, 5, 11]):
        assert torch.equal(Regression([seed], path, compiled, clip=0.5).train(10)[0], together[k])


@pytest.mark.parametrize(("path", "compiled"), PATH_PARAMS[1:])
def test_the_paths_agree_within_rounding_after_ten_updates(path: str, compiled: bool) -> None:
    plain = Regression([3, 5, 11], clip=0.5).train(10)
    difference = (Regression([3, 5, 11], path, compiled, clip=0.5).train(10) - plain).abs().max()
    assert difference < 1e-6  # measured: 6e-8


def test_seeds_start_from_different_weights_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    net = Regression([0, 1]).net
    assert not torch.equal(net.matrix[0], net.matrix[1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_optimisers_equal_torchs_with_clipping_and_a_changing_rate(name: str) -> None:
    ours = {"adam": Adam(eps=1e-5), "rmsprop": RMSprop(eps=1e-5), "sgd": SGD(momentum=0.9)}[name]
    theirs = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[name]
    kwargs = {"adam": {"eps": 1e-5}, "rmsprop": {"eps": 1e-5}, "sgd": {"momentum": 0.9}}[name]
    net = Replicas(lambda: nn.Linear(4, 2), [7], optimiser=ours, clip=0.3)
    copy = nn.Linear(4, 2)
    with torch.no_grad():
        for parameter, mine in zip(copy.parameters(), net.weights().values(), strict=True):
            parameter.copy_(mine[0])
    optimiser = theirs(copy.parameters(), lr=0.1, **kwargs)  # type: ignore[arg-type]

    def loss(params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return (net.apply(params, x) ** 2).sum(), {}

    data = Noise([1], "data")
    for rate in (0.1, 0.1, 0.01, 0.01):
        x = data.normal(5, 4)
        net.step(loss, x, lr=rate)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        (copy(x[0]) ** 2).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(copy.parameters(), 0.3)
        optimiser.step()
    for parameter, mine in zip(copy.parameters(), net.weights().values(), strict=True):
        torch.testing.assert_close(mine[0], parameter.detach(), rtol=1e-5, atol=1e-6)


def test_momentum_with_a_decaying_rate_is_torchs_form() -> None:
    net = Replicas(lambda: _scalar(1.0), [0], optimiser=SGD(momentum=0.9))
    weights = [1.0]

    def loss(params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return (net.apply(params, torch.ones(1)) ** 2).sum() / 2, {}

    velocity = 0.0
    for rate in (0.1, 0.1, 0.01, 0.01):
        velocity = 0.9 * velocity + weights[-1]  # v ← βv + g, with g = w
        weights.append(weights[-1] - rate * velocity)
        net.step(loss, lr=rate)
    assert net.matrix[0, 0].item() == pytest.approx(weights[-1], abs=1e-6)
    assert weights[-1] == pytest.approx(0.6686, abs=5e-4)  # Keras's form would give .3930


def _scalar(value: float) -> nn.Module:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_the_norm_after_clipping_is_the_smaller_and_the_direction_stays() -> None:
    task = Regression([0], clip=0.01)
    task.train(1)
    gradient = task.net.gradient[0]
    assert gradient.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert task.metrics["grad_norm"].item() > 0.05
    free = Regression([0])
    free.train(1)
    assert torch.cosine_similarity(gradient, free.net.gradient[0], dim=0).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_seed_with_a_nan_freezes_alone_and_the_others_learn_as_if_nothing_was(path: str) -> None:
    task, calm = Regression([0, 1, 2], path), Regression([0, 1, 2], path)
    task.train(2), calm.train(2)
    frozen = task.net.matrix[1].clone()
    x, y = task.noise.normal(8, 3), task.noise.normal(8, 1)
    calm.noise.normal(8, 3), calm.noise.normal(8, 1)
    bad = x.clone()
    bad[1, 0, 0] = float("nan")
    task.net.step(task.loss, bad, y, lr=0.01)
    calm.net.step(calm.loss, x, y, lr=0.01)
    after, calm_after = task.train(3), calm.train(3)
    assert task.net.alive.tolist() == [True, False, True]
    assert torch.equal(after[1], frozen)
    assert torch.equal(after[[0, 2]], calm_after[[0, 2]])
    assert after.isfinite().all()


def test_saving_and_loading_goes_on_to_the_bit() -> None:
    straight = Regression([4, 9]).train(12)
    first, second = Regression([4, 9]), Regression([4, 9])
    first.train(5)
    second.net.load_state_dict(first.net.state_dict())
    second.noise.load_state_dict(first.noise.state_dict())
    assert torch.equal(second.train(7), straight)


def test_a_state_of_another_shape_is_refused() -> None:
    other = Replicas(lambda: MLP([3, 8, 1]), [4])
    with pytest.raises(UserError, match="another shape"):
        Regression([4]).net.load_state_dict(other.state_dict())


def test_a_snapshot_is_a_copy() -> None:
    task = Regression([0, 1])
    snapshot = task.net.snapshot()
    before = {name: value.clone() for name, value in snapshot.items()}
    task.train(1)
    assert all(torch.equal(snapshot[name], before[name]) for name in before)
    assert not torch.equal(snapshot[next(iter(before))], task.net.weights()[next(iter(before))])


def test_acting_for_all_seeds_equals_each_network_alone() -> None:
    net = Regression([0, 1, 2]).net
    x = Noise([0, 1, 2], "x").normal(6, 3)
    for k in range(3):
        torch.testing.assert_close(net(x)[k], Regression([k]).net(x[k : k + 1])[0], rtol=0, atol=0)


def test_batch_norm_trains_on_the_loop_with_buffers_of_its_own_and_not_on_vmap() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    with pytest.raises(UserError, match="--path loop"):
        Replicas(build, [0], path="vmap")

    def trained(seeds: list[int]) -> Replicas:
        net, data = Replicas(build, seeds), Noise(seeds, "data")

        def loss(params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return (net.apply(params, x) ** 2).mean(), {}

        for _ in range(3):
            net.step(loss, data.normal(6, 3), lr=0.01)
        return net

    both, alone = trained([0, 1]), trained([1])
    mean = dict(both.modules[1].named_buffers())["1.running_mean"]
    assert torch.equal(mean, dict(alone.modules[0].named_buffers())["1.running_mean"])
    assert not torch.equal(mean, dict(both.modules[0].named_buffers())["1.running_mean"])
    x = Noise([0, 1], "x").normal(5, 3)
    assert torch.equal(both(x), both(x))  # evaluation leaves the running statistics alone
    assert torch.equal(mean, dict(both.modules[1].named_buffers())["1.running_mean"])


@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_acting_in_numpy_is_the_same_network_alone_and_in_company_also_after_learning(path: str) -> None:
    task = Regression([0, 4, 9], path)
    x = Noise([0, 4, 9], "x").normal(6, 3)
    before = task.net.act(x.numpy(), "forward").copy()
    torch.testing.assert_close(torch.from_numpy(before), task.net(x), rtol=0, atol=1e-6)
    task.train(5)
    after = task.net.act(x.numpy(), "forward")
    torch.testing.assert_close(torch.from_numpy(after), task.net(x), rtol=0, atol=1e-6)
    assert abs(after - before).max() > 1e-3
    alone = Regression([9], path)
    alone.train(5)
    assert (alone.net.act(x[2:].numpy(), "forward") == after[2:]).all()


def test_a_network_without_a_numpy_form_acts_through_torch() -> None:
    net = Replicas(lambda: MLP([3, 8, 1], activation="gelu"), [0, 1])
    x = Noise([0, 1], "x").normal(6, 3)
    assert (net.act(x.numpy(), "forward") == net(x).numpy()).all()


class Normed(nn.Module):
    """A network whose running statistics tell the seeds apart."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(self.linear(x))
        return out


def test_a_loss_that_calls_another_network_meets_that_network_of_its_own_seed() -> None:
    ours, judge = Replicas(Normed, [0, 1], name="ours"), Replicas(Normed, [0, 1], name="judge")

    def loss(params: Any, x: torch.Tensor, judging: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return judge.apply(judging, ours.apply(params, x)[:, :2]).mean(), {}

    batch = torch.stack([torch.zeros(4, 2), torch.ones(4, 2)])
    before = [module.norm.running_mean.clone() for module in judge.modules]
    ours.step(loss, batch, judge.weights(), lr=0.1)
    after = [module.norm.running_mean for module in judge.modules]
    assert all(not torch.equal(one, two) for one, two in zip(before, after, strict=True))
    assert all(int(module.norm.num_batches_tracked) == 1 for module in judge.modules)


def test_called_as_while_training_batch_norm_takes_this_batch_and_moves_its_statistics() -> None:
    net = Replicas(Normed, [0])
    x = torch.arange(8.0).reshape(1, 4, 2)
    still = net(x)
    assert torch.equal(still, net(x))
    moved = net(x, training=True)
    assert not torch.equal(still, moved)
    assert moved.mean().abs() < 1e-5  # of this batch
    assert not torch.equal(still, net(x))  # the statistics have moved


class Dropping:
    """A network with batch norm and dropout, trained for as many seeds as asked; something else draws in between."""

    def __init__(self, seeds: list[int], compiled: bool = False, norm: bool = True) -> None:
        def build() -> nn.Module:
            norms = [nn.BatchNorm1d(8)] if norm else []
            return nn.Sequential(nn.Linear(3, 8), *norms, nn.Dropout(0.5), nn.Linear(8, 1))

        self.net, self.noise = Replicas(build, seeds, compiled=compiled), Noise(seeds, "data")

    def loss(self, params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return (self.net.apply(params, x) - 1).square().mean(), {}

    def train(self, steps: int) -> Tensor:
        for _ in range(steps):
            torch.rand(1)
            self.net.step(self.loss, self.noise.normal(16, 3), lr=0.1)
        return self.net.matrix.clone()


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=slow)])
def test_dropout_draws_the_same_alone_and_in_company_and_leaves_the_global_generator_alone(
    compiled: bool,
) -> None:
    kind = {"compiled": compiled, "norm": not compiled}
    together = Dropping([3, 5], **kind).train(6)
    torch.rand(7)  # where the global generator stands means nothing
    for k, seed in enumerate([3, 5]):
        assert torch.equal(Dropping([seed], **kind).train(6)[0], together[k])
    task = Dropping([3, 5], **kind)
    before = torch.get_rng_state()
    task.net.step(task.loss, task.noise.normal(16, 3), lr=0.1)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_draws_anew_for_each_step_seed_and_name() -> None:
    x = torch.ones(2, 64, 4)

    def dropped(name: str, steps: int) -> Tensor:
        net = Replicas(lambda: nn.Sequential(nn.Dropout(0.5), _scalar_of(4)), [0, 1], name=name)
        for _ in range(steps):
            net.step(lambda params, x: (net.apply(params, x).square().mean() * 0, {}), x, lr=0.1)
        return torch.as_tensor(net(x, training=True))

    first = dropped("net", 0)
    assert torch.equal(first, dropped("net", 0))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, dropped("net", 1))
    assert not torch.equal(first, dropped("other", 0))


def _scalar_of(width: int) -> nn.Module:
    layer = nn.Linear(width, 1, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def test_batch_norm_and_dropout_go_on_to_the_bit_from_what_was_saved() -> None:
    x = Noise([4, 9], "x").normal(6, 3)
    straight = Dropping([4, 9])
    end = straight.train(9)
    first, second = Dropping([4, 9]), Dropping([4, 9])
    first.train(4)
    second.net.load_state_dict(first.net.state_dict())
    second.noise.load_state_dict(first.noise.state_dict())
    assert torch.equal(second.train(5), end)
    assert torch.equal(second.net(x), straight.net(x))  # by the running statistics
    assert torch.equal(second.net(x), second.net(x))  # nothing is dropped


def test_a_loss_that_calls_a_network_with_dropout_is_as_reproducible_as_that_network() -> None:
    def trained() -> Tensor:
        ours, judge = Replicas(lambda: nn.Linear(3, 3), [0], name="ours"), Dropping([0]).net

        def loss(params: dict[str, Tensor], x: Tensor, judging: Any) -> tuple[Tensor, dict[str, Tensor]]:
            return judge.apply(judging, ours.apply(params, x)).mean(), {}

        for _ in range(3):
            ours.step(loss, torch.ones(1, 5, 3), judge.weights(), lr=0.1)
        return ours.matrix.clone()

    first = trained()
    torch.rand(3)
    assert torch.equal(first, trained())


@pytest.mark.slow
def test_more_networks_than_torch_keeps_forms_of_one_function_are_all_compiled() -> None:
    counters = torch._dynamo.utils.counters
    counters.clear()
    for width in range(2, 12):
        net = Replicas(lambda width=width: MLP((2, width, 1)), [0], compiled=True)  # type: ignore[misc]
        net.step(lambda p, x, net=net: (net.apply(p, x).square().mean(), {}), torch.ones(1, 4, 2), lr=0.1)
    assert counters["frames"]["ok"] == counters["frames"]["total"] == 10
    assert counters["stats"]["unique_graphs"] == 10
