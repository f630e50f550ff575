"""The peephole LSTM: the formula by hand, what is left of it without its parts, and the backward derived by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from core.errors import UserError
from core.networks.net import Memory
from core.networks.peephole import ABLATIONS, PeepholeLSTM
from core.networks.recurrent import LSTM

F64 = torch.float64
FORMS: list[tuple[str, ...]] = [
    (),
    *((name,) for name in ABLATIONS),
    ("NIAF", "NOAF", "NP"),
    ("NIG", "NOG"),
    ("CIFG", "NOAF"),
]


def drawn(inputs: int, width: int, **how: Any) -> PeepholeLSTM:
    """In float64, no weight zero."""
    net = PeepholeLSTM(inputs, width, **how).double()
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.5)
    return net


def close(a: Any, b: Any, atol: float = 1e-12) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def test_by_hand() -> None:
    net = PeepholeLSTM(1, 1)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        net.input.weight[2] = 1.0  # g = tanh x
        for name, p in (("i", 1.0), ("f", -2.0), ("o", 3.0)):
            net.peepholes[name].get_parameter("weight").fill_(p)
    # x = 1, c = 0.4: i = σ(0.4) = .598688, f = σ(−0.8) = .310026, g = tanh 1 = .761594
    # c' = .4 · .310026 + .598688 · .761594 = .579967;  o = σ(3 · .579967) = .850675;  h' = o tanh c' = .444598
    state = (torch.zeros(1, 1), torch.tensor([[0.4]]))
    y, (h, c) = net.step(torch.ones(1, 1), state)
    assert c.item() == pytest.approx(0.579967, abs=2e-6)
    assert y.item() == h.item() == pytest.approx(0.444598, abs=2e-6)
    close(net.unroll(torch.ones(1, 1, 1), state)[1], (h, c), 1e-6)


def test_without_peepholes_it_is_the_lstm() -> None:
    net, plain, theirs = PeepholeLSTM(4, 5), LSTM(4, 5), nn.LSTM(4, 5, batch_first=True).double()
    for one in (net, plain):
        one.double().input.load_state_dict(
            {"weight": theirs.weight_ih_l0, "bias": theirs.bias_ih_l0 + theirs.bias_hh_l0}
        )
        one.recurrent.load_state_dict({"weight": theirs.weight_hh_l0})
    x = torch.randn(3, 9, 4, dtype=F64)
    y, (h, c) = theirs(x)
    for found in (net.unroll(x), net.fold(x), plain.unroll(x)):
        close(found, (y, (h[0], c[0])))
    nn.init.ones_(net.peepholes["o"].get_parameter("weight"))
    assert (net.unroll(x)[0] - y).abs().max() > 1e-2


def count(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def test_counts_of_parameters() -> None:
    m, n = 7, 5
    block, whole = n * m + n * n + n, 4 * (n * m + n * n + n) + 3 * n
    assert count(PeepholeLSTM(m, n)) == whole == 275
    assert count(PeepholeLSTM(m, n, peephole="full")) == 4 * block + 3 * n * n
    expected = {
        "NIG": whole - block - n,
        "NFG": whole - block - n,
        "NOG": whole - block - n,
        "CIFG": whole - block - n,
        "NIAF": whole,
        "NOAF": whole,
        "NP": whole - 3 * n,
        "FGR": whole + 9 * n * n,
    }
    assert {name: count(PeepholeLSTM(m, n, ablate=(name,))) for name in ABLATIONS} == expected


def test_each_ablation_is_what_it_says() -> None:
    x, state = torch.randn(2, 3, dtype=F64), (torch.randn(2, 4, dtype=F64), torch.randn(2, 4, dtype=F64))

    def gates(*ablate: str) -> tuple[PeepholeLSTM, list[Tensor], Tensor, Tensor]:
        net = drawn(3, 4, ablate=ablate)
        (h, c), (before, _) = net.step(x, state)[1], state
        net_h, net_c, four = net.gated(x.unsqueeze(1), state)
        close((net_h[:, 0], net_c[:, 0]), (h, c))
        pre = dict(zip(net.blocks, (net.input(x) + net.recurrent(before)).chunk(net.gates, -1), strict=True))
        return net, list(four[:, 0].unbind(-2)), c, pre["g"]

    for place, name in ((0, "NIG"), (1, "NFG"), (3, "NOG")):
        _, four, _, _ = gates(name)
        assert (four[place] == 1).all()
        assert sum(bool((gate == 1).any()) for gate in four) == 1
    net, (i, f, _, o), c, g = gates("NIAF")
    close(c, f * state[1] + i * g)
    net, (i, f, g, o), c, _ = gates("NOAF")
    close(net.step(x, state)[0], o * c)
    _, (i, f, _, _), _, _ = gates("CIFG")
    close(f, 1 - i)
    net, (i, _, _, _), _, _ = gates("NP")
    assert not net.peepholes
    close(i, torch.sigmoid((net.input(x) + net.recurrent(state[0]))[:, :4]))


def test_full_gate_recurrence_sees_the_gates_of_the_step_before() -> None:
    net = drawn(3, 4, ablate=("FGR",))
    x, state = torch.randn(2, 3, dtype=F64), tuple(torch.randn(2, 4, dtype=F64) for _ in range(5))
    plain = PeepholeLSTM(3, 4).double()
    own = {name: value for name, value in net.state_dict().items() if not name.startswith("between")}
    plain.load_state_dict(own)
    shift = net.between(torch.cat(state[2:], -1))  # 9 matrices, from i, f, o to i, f, o
    fed = net.input(x) + torch.cat([shift[:, :8], torch.zeros(2, 4, dtype=F64), shift[:, 8:]], -1)
    h, c = plain.advance(fed, state[:2])
    after = net.step(x, state)[1]
    close(after[:2], (h, c))
    close(after[4] * torch.tanh(c), h)


def test_full_peepholes_with_diagonal_matrices_are_the_diagonal_ones() -> None:
    diagonal, full = drawn(3, 4), PeepholeLSTM(3, 4, peephole="full").double()
    values = diagonal.state_dict()
    full.load_state_dict({k: v.diag() if k.startswith("peepholes") else v for k, v in values.items()})
    x, start = torch.randn(2, 7, 3, dtype=F64), torch.rand(2, 7) < 0.2
    close(full.unroll(x, (), start), diagonal.unroll(x, (), start))


def test_what_cannot_be() -> None:
    with pytest.raises(UserError, match=r"unknown ablation 'NOGG'.*'NOG'"):
        PeepholeLSTM(2, 2, ablate=("NOGG",))
    with pytest.raises(UserError, match="unknown peephole"):
        PeepholeLSTM(2, 2, peephole="sideways")
    for pair in (("NFG", "CIFG"), ("NIG", "CIFG"), ("FGR", "NOG")):
        with pytest.raises(ValueError, match=", ".join(pair)):
            PeepholeLSTM(2, 2, ablate=pair)
    with pytest.raises(ValueError, match="diagonal"):
        PeepholeLSTM(2, 2, peephole="full").gated(torch.zeros(1, 1, 2))


def gradients(found: tuple[Tensor, Memory], given: Sequence[Tensor]) -> list[Tensor]:
    y, state = found
    leaves = [y, *state]
    loss = sum(
        (leaf * torch.linspace(-1, 2, leaf.numel(), dtype=F64).reshape(leaf.shape)).sum() for leaf in leaves
    )
    assert isinstance(loss, Tensor)
    return [*leaves, *torch.autograd.grad(loss, given, allow_unused=True, materialize_grads=True)]


def test_the_hand_derived_backward_for_all_fifteen_tensors() -> None:
    """Greff's W, R, b of z, i, f, o and p of i, f, o, each by itself."""
    net = drawn(3, 4)
    parts = {
        f"{kind}_{gate}": block.detach().clone().requires_grad_(True)
        for kind, weight in (("W", net.input.weight), ("R", net.recurrent.weight), ("b", net.input.bias))
        for gate, block in zip("ifzo", weight.chunk(4), strict=True)
    }
    parts |= {
        f"p_{gate}": net.peepholes[gate].get_parameter("weight").detach().clone().requires_grad_(True)
        for gate in "ifo"
    }
    assert len(parts) == 15
    own = {
        "input.weight": torch.cat([parts[f"W_{gate}"] for gate in "ifzo"]),
        "recurrent.weight": torch.cat([parts[f"R_{gate}"] for gate in "ifzo"]),
        "input.bias": torch.cat([parts[f"b_{gate}"] for gate in "ifzo"]),
        **{f"peepholes.{gate}.weight": parts[f"p_{gate}"] for gate in "ifo"},
    }
    x = torch.randn(5, 7, 3, dtype=F64)

    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> tuple[Tensor, Memory]:
            return self.net.fold(x)

    kernel = gradients(functional_call(net, own, (x,)), list(parts.values()))
    loop = gradients(
        functional_call(Loop(), {f"net.{k}": v for k, v in own.items()}, (x,)), list(parts.values())
    )
    close(kernel, loop)
    assert all(gradient.abs().max() > 1e-3 for gradient in kernel[3:])


@pytest.mark.parametrize("peephole", ["diagonal", "full"])
@pytest.mark.parametrize("ablate", FORMS)
def test_kernel_equals_loop_in_every_form(ablate: tuple[str, ...], peephole: str) -> None:
    net = drawn(3, 4, ablate=ablate, peephole=peephole)
    assert net.has_kernel() == (ablate != ("FGR",) and (peephole == "diagonal" or "NP" in ablate))
    x = torch.randn(5, 7, 3, dtype=F64, requires_grad=True)
    state = tuple(torch.randn(5, 4, dtype=F64, requires_grad=True) for _ in net.init_state(5))
    valid = torch.arange(7) < torch.tensor([7, 3, 1, 0, 5]).unsqueeze(1)
    for start in (None, torch.rand(5, 7) < 0.3):
        for real in (None, valid):
            given = [*net.parameters(), x, *state]
            fast = gradients(net.unroll(x, state, start, real), given)
            close(fast, gradients(net.fold(x, state, start, real), given))


def test_every_cell_state_comes_back() -> None:
    net, x = drawn(3, 4), torch.randn(2, 6, 3, dtype=F64)
    start = torch.tensor([[False] * 6, [False, False, False, True, False, False]])
    hs, cs, gates = net.gated(x, (), start)
    state: Memory = ()
    for t in range(6):
        _, state = net.step(x[:, t], state, start[:, t])
        close((hs[:, t], cs[:, t]), state)
    assert gates.shape == (2, 6, 4, 4)


def test_stacked_and_mapped_kernels_equal_the_loop_over_seeds() -> None:
    nets, start = [drawn(3, 4) for _ in range(3)], torch.rand(3, 2, 6) < 0.3
    weights, x = dict(stack_module_state(nets)[0]), torch.randn(3, 2, 6, 3, dtype=F64)

    def loss(weights: dict[str, Tensor], x: Tensor, start: Tensor) -> Tensor:
        y, (_, c) = functional_call(nets[0], weights, (x, (), start))
        return y.square().sum((-1, -2, -3)) + c.sum((-1, -2))

    together = torch.autograd.grad(loss(weights, x, start).sum(), list(weights.values()))
    mapped = vmap(grad(loss))(weights, x, start)
    shared = vmap(grad(loss), in_dims=(None, 0, 0))({k: v[0] for k, v in weights.items()}, x, start)
    for k, net in enumerate(nets):
        for one, at in ((net, mapped), (nets[0], shared)):
            y, (_, c) = one.fold(x[k], (), start[k])
            alone = torch.autograd.grad(y.square().sum() + c.sum(), list(one.parameters()))
            close([at[name][k] for name, _ in one.named_parameters()], list(alone))
        if k == 0:
            close([gradient[0] for gradient in together], [mapped[name][0] for name in weights])
