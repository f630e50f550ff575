"""The kernels with a backward derived by hand: the loop of autograd step by step, to the last digits of float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from core.networks.cell import Cell
from core.networks.net import Memory
from core.networks.recurrent import CELLS, GRU

F64 = torch.float64
MAKERS: dict[str, Callable[..., Cell]] = {
    **CELLS,
    "gru, share of the new": lambda inputs, width: GRU(inputs, width, share="new"),
    "gru-before, share of the old": lambda inputs, width: GRU(inputs, width, reset="before", share="old"),
}
FAST = pytest.mark.parametrize("name", [name for name, make in MAKERS.items() if make(1, 1).has_kernel()])


def drawn(name: str) -> Cell:
    """In float64, no weight zero."""
    net = MAKERS[name](3, 4).double()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return net


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def with_gradients(found: tuple[Tensor, Memory], given: list[Tensor]) -> list[Tensor]:
    """Outputs, last state, and the gradients of a sum that weighs every number of them differently."""
    leaves = [found[0], *found[1]]
    weights = [torch.linspace(-1, 2, leaf.numel(), dtype=F64).reshape(leaf.shape) for leaf in leaves]
    loss = torch.stack([(a * b).sum() for a, b in zip(leaves, weights, strict=True)]).sum()
    return [*leaves, *torch.autograd.grad(loss, given)]


def begin_at(batch: int, time: int, *steps: int) -> Tensor:
    start = torch.zeros(batch, time, dtype=torch.bool)
    start[:, list(steps)] = True
    return start


STARTS: dict[str, Callable[[int, int], Tensor | None]] = {
    "none handed in": lambda batch, time: None,
    "none": lambda batch, time: begin_at(batch, time),
    "the first step": lambda batch, time: begin_at(batch, time, 0),
    "the last step": lambda batch, time: begin_at(batch, time, time - 1),
    "every step": lambda batch, time: begin_at(batch, time, *range(time)),
    **{
        f"{share:.0%} of the steps": lambda b, t, share=share: torch.rand(b, t) < share
        for share in (0.03, 0.3)
    },  # type: ignore[misc]
}


def test_every_cell_but_two_has_a_kernel() -> None:
    assert {name for name, make in MAKERS.items() if not make(1, 1).has_kernel()} == {
        "peephole-full",
        "peephole-fgr",
    }
    with pytest.raises(ValueError, match="have a kernel"):
        MAKERS["peephole-full"](1, 1).trajectory(torch.zeros(1, 2, 1))


@pytest.mark.parametrize("resets", list(STARTS))
@FAST
def test_a_kernel_is_the_loop_in_outputs_states_and_gradients(name: str, resets: str) -> None:
    net, x = drawn(name), torch.randn(5, 9, 3, dtype=F64, requires_grad=True)
    state = tuple(torch.randn(5, 4, dtype=F64, requires_grad=True) for _ in net.init_state(5))
    given = [*net.parameters(), x, *state]
    for valid in (None, torch.arange(9) < torch.tensor([9, 3, 1, 0, 5]).unsqueeze(1)):
        start = STARTS[resets](5, 9)
        assert net.at_once(x, state, start, valid) is not None
        fast, slow = net.unroll(x, state, start, valid), net.fold(x, state, start, valid)
        close(with_gradients(fast, given), with_gradients(slow, given))


@FAST
def test_a_gradient_by_the_last_state_alone(name: str) -> None:
    net, x = drawn(name), torch.randn(2, 7, 3, dtype=F64)
    for place in range(len(net.init_state(1))):
        found = [form(x)[1][place].square().sum() for form in (net.unroll, net.fold)]
        one, other = (torch.autograd.grad(loss, list(net.parameters()), allow_unused=True) for loss in found)
        close(one, other)


@FAST
def test_kernels_of_stacked_and_mapped_seeds_are_the_loop_over_them(name: str) -> None:
    nets, start = [drawn(name) for _ in range(3)], torch.rand(3, 2, 6) < 0.3
    weights, x = dict(stack_module_state(nets)[0]), torch.randn(3, 2, 6, 3, dtype=F64)

    def loss(weights: dict[str, Tensor], x: Tensor, start: Tensor) -> Tensor:
        y, state = functional_call(nets[0], weights, (x, (), start))
        return y.square().sum((-1, -2, -3)) + state[-1].sum((-1, -2))

    together = torch.autograd.grad(loss(weights, x, start).sum(), list(weights.values()))
    mapped = vmap(grad(loss))(weights, x, start)
    shared = vmap(grad(loss), in_dims=(None, 0, 0))(
        {key: value[0] for key, value in weights.items()}, x, start
    )
    for k, net in enumerate(nets):
        for one, at in ((net, mapped), (nets[0], shared)):
            y, state = one.fold(x[k], (), start[k])
            alone = torch.autograd.grad(y.square().sum() + state[-1].sum(), list(one.parameters()))
            close([at[key][k] for key, _ in one.named_parameters()], list(alone))
    close(list(together), [mapped[key] for key in weights])


@FAST
def test_gradcheck_and_no_second_derivative(name: str) -> None:
    net, start = drawn(name), begin_at(2, 7, 2) & torch.tensor([[True], [False]])
    x = torch.randn(2, 7, 3, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: net.unroll(x, (), start)[0], (x,))
    (slope,) = torch.autograd.grad(net.unroll(x)[0].sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="fold"):
        slope.sum().backward()
    (slope,) = torch.autograd.grad(net.fold(x)[0].sum(), x, create_graph=True)
    slope.sum().backward()


@FAST
def test_what_was_fed_is_not_kept_and_without_a_gradient_nothing_is(name: str) -> None:
    net, x = drawn(name), torch.randn(2, 50, 3, dtype=F64)
    kept: list[int] = []

    def keep(given: Tensor) -> Tensor:
        kept.append(given.numel())
        return given

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda given: given):
        with torch.no_grad():
            net.trajectory(x)
        assert not kept
        net.trajectory(x)
    # a step's states and gates, and of a GRU what its candidate reads; beside them x, the weights and h
    blocks = 1 if name.startswith("rnn") else 6
    weights = sum(weight.numel() for weight in net.parameters())
    assert sum(kept) < x.numel() + blocks * 2 * 50 * 4 + 3 * weights + 100


def test_in_float32_the_written_tanh_stays_within_its_digits() -> None:
    for name in ("rnn", "gru", "gru-before", "peephole"):
        net = CELLS[name](8, 16)
        x = 3 * torch.randn(4, 40, 8)
        torch.testing.assert_close(net.unroll(x)[0], net.fold(x)[0], rtol=0, atol=2e-6)


def test_a_compilation_takes_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for name, make in MAKERS.items():
        net = make(3, 4)
        assert net.at_once(torch.zeros(2, 8, 3), net.init_state(2), None, None) is None, name
