"""Scores, masked softmax, multi-head attention against torch's own."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.networks.attention import SCORES, Additive, Attention, General, Location, masked_softmax
from core.networks.multihead import MultiHead, attend
from tests.core.networks.torch_weights import copy_attention

F64 = torch.float64
EVERY = pytest.mark.parametrize("score", SCORES)


def test_table_of_scores() -> None:
    assert list(SCORES) == ["dot", "scaled-dot", "general", "additive", "cosine", "location"]
    with pytest.raises(UserError, match=r"unknown score 'additiv'.*'additive'"):
        Attention(2, 2, "additiv")


def by_hand(score: str, q: list[float], k: list[float]) -> Any:
    net = SCORES[score](2, 2, 2, 1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]])[: len(parameter)])
    return net(torch.tensor([q]), net.prepare(torch.tensor([k]))).item()


def test_scores_by_hand() -> None:
    assert by_hand("dot", [3.0, 4.0], [1.0, 2.0]) == 11
    assert by_hand("scaled-dot", [3.0, 4.0], [1.0, 2.0]) == pytest.approx(11 / math.sqrt(2))
    assert by_hand("cosine", [3.0, 4.0], [0.0, 2.0]) == pytest.approx(4 / 5)
    assert by_hand("general", [3.0, 4.0], [1.0, 2.0]) == 3 * 5 + 4 * -2  # W k = (5, −2)
    assert by_hand("location", [3.0, 4.0], [9.0, 9.0]) == 11  # the first row of W, whatever the key
    # W q = (0.2, 0), W k = (0.5, −0.2), v = (1, 2)
    expected = math.tanh(0.7) + 2 * math.tanh(-0.2)
    assert by_hand("additive", [0.2, 0.0], [0.1, 0.2]) == pytest.approx(expected, rel=1e-6)


@EVERY
def test_weights_sum_to_one_and_padding_gets_none(score: str) -> None:
    net = Attention(4, 4, score, width=5, length=7).double()
    query, keys, values = (torch.randn(2, 3, *shape, dtype=F64) for shape in ((6, 4), (7, 4), (7, 3)))
    read, weights = net(query, keys, values)
    assert read.shape == (2, 3, 6, 3)
    assert weights.shape == (2, 3, 6, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 6, dtype=F64), rtol=0, atol=1e-12)
    valid = torch.rand(2, 3, 7) < 0.6
    valid[0, 0], valid[1, 0] = False, True
    read, weights = net(query, keys, values, valid)
    assert weights[~valid.unsqueeze(-2).expand_as(weights)].abs().max() == 0
    expected = valid.any(-1, keepdim=True).expand(2, 3, 6).double()
    torch.testing.assert_close(weights.sum(-1), expected, rtol=0, atol=1e-12)
    assert read[0, 0].abs().max() == 0
    torch.testing.assert_close(net(query, keys, values)[0][1, 0], read[1, 0], rtol=0, atol=1e-12)


@EVERY
def test_gradcheck_also_where_nothing_may_be_read(score: str) -> None:
    net = Attention(2, 2, score, width=3, length=4).double()
    query = torch.randn(2, 3, 2, dtype=F64, requires_grad=True)
    keys = torch.randn(2, 4, 2, dtype=F64, requires_grad=True)
    valid = torch.tensor([[True, True, False, True], [False] * 4])
    assert torch.autograd.gradcheck(lambda q, k: net(q, k, None, valid), (query, keys))
    inputs = [query, keys, *net.parameters()]
    gradients = torch.autograd.grad(net(query, keys, None, valid)[0].sum(), inputs)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_general_with_the_identity_is_dot() -> None:
    net, q, k = General(5, 5), torch.randn(2, 3, 5), torch.randn(2, 4, 5)
    with torch.no_grad():
        net.weight.weight.copy_(torch.eye(5))
    dot = SCORES["dot"](5, 5)
    torch.testing.assert_close(net(q, net.prepare(k)), dot(q, dot.prepare(k)), rtol=0, atol=1e-6)


def test_additive_with_identities_is_keras_formula() -> None:
    net, q, k = Additive(5, 5).double(), torch.randn(2, 3, 5, dtype=F64), torch.randn(2, 4, 5, dtype=F64)
    with torch.no_grad():
        for part in (net.of_query, net.of_key):
            part.weight.copy_(torch.eye(5))
    scale = net.value.weight[0]
    keras = (scale * torch.tanh(q[:, :, None] + k[:, None])).sum(-1)
    torch.testing.assert_close(net(q, net.prepare(k)), keras, rtol=0, atol=1e-12)


def test_cosine_of_nothing_has_finite_gradients() -> None:
    query = torch.zeros(1, 2, 3, requires_grad=True)
    read, _ = Attention(3, 3, "cosine")(query, torch.randn(1, 4, 3))
    (gradient,) = torch.autograd.grad(read.sum(), query)
    assert gradient.isfinite().all()


def test_masked_softmax_by_hand() -> None:
    scores = torch.tensor([[0.0, math.log(3.0), 50.0], [1.0, 2.0, 3.0]])
    allowed = torch.tensor([[True, True, False], [False, False, False]])
    torch.testing.assert_close(masked_softmax(scores, allowed), torch.tensor([[0.25, 0.75, 0], [0, 0, 0]]))


def parity(
    bias: bool, key_width: int | None, value_width: int | None
) -> tuple[MultiHead, nn.MultiheadAttention]:
    ours = MultiHead(12, 3, key_width, value_width, bias).double()
    theirs = nn.MultiheadAttention(
        12, 3, bias=bias, kdim=key_width, vdim=value_width, batch_first=True, dtype=F64
    )
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    copy_attention(ours, theirs)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    return ours, theirs


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_self_attention_is_torchs(bias: bool, causal: bool) -> None:
    ours, theirs = parity(bias, None, None)
    x, valid = torch.randn(4, 6, 12, dtype=F64), torch.rand(4, 6) < 0.7
    valid[:, 0] = True
    mask = nn.Transformer.generate_square_subsequent_mask(6, dtype=F64).isinf() if causal else None
    for real in (None, valid):
        padding = None if real is None else ~real
        y, weights = ours.look(x, valid=real, causal=causal)
        expected, torchs = theirs(
            x, x, x, padding, attn_mask=mask, average_attn_weights=False, need_weights=True
        )
        torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(weights, torchs, rtol=0, atol=1e-12)
        torch.testing.assert_close(ours(x, valid=real, causal=causal), expected, rtol=0, atol=1e-12)


def test_cross_attention_is_torchs_with_other_widths() -> None:
    ours, theirs = parity(True, 5, 7)
    q, k, v = (torch.randn(4, n, w, dtype=F64) for n, w in ((6, 12), (9, 5), (9, 7)))
    valid = torch.rand(4, 9) < 0.7
    valid[:, 0] = True
    expected, torchs = theirs(q, k, v, ~valid)
    torch.testing.assert_close(ours(q, k, v, valid), expected, rtol=0, atol=1e-12)
    y, weights = ours.look(q, k, v, valid)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights.mean(-3), torchs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_attend_is_torchs_for_any_axes(lead: tuple[int, ...]) -> None:
    q, k, v = (torch.randn(*lead, 2, n, 4, dtype=F64) for n in (5, 7, 7))
    allowed = torch.rand(*lead, 1, 5, 7) < 0.8
    allowed[..., 0] = True
    expected = F.scaled_dot_product_attention(q, k, v, allowed)
    torch.testing.assert_close(attend(q, k, v, allowed), expected, rtol=0, atol=1e-12)
    weights = masked_softmax(q @ k.mT / 2, allowed)
    torch.testing.assert_close(weights @ v, expected, rtol=0, atol=1e-12)
    expected = F.scaled_dot_product_attention(q, k[..., :5, :], v[..., :5, :], is_causal=True)
    torch.testing.assert_close(
        attend(q, k[..., :5, :], v[..., :5, :], causal=True), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_a_row_of_padding_gives_zeros_and_finite_gradients(dtype: torch.dtype) -> None:
    net = MultiHead(8, 2).to(dtype)
    x = torch.randn(2, 5, 8, dtype=dtype, requires_grad=True)
    valid = torch.tensor([[True] * 5, [False] * 5])
    for causal in (False, True):
        y = net(x, valid=valid, causal=causal)
        looked, weights = net.look(x, valid=valid, causal=causal)
        torch.testing.assert_close(looked, y, rtol=1e-5, atol=1e-6)
        assert weights[1].abs().max() == 0
        torch.testing.assert_close(y[1], net.output.bias.expand(5, 8), rtol=0, atol=0)
        for out in (y, looked):
            gradients = torch.autograd.grad(out.square().sum(), [x, *net.parameters()], retain_graph=True)
            assert all(gradient.isfinite().all() for gradient in gradients)
            assert gradients[0][1].abs().max() == 0
            assert gradients[0][0].abs().min() > 0


def test_causal_by_gradient() -> None:
    net, x = MultiHead(8, 2), torch.randn(1, 6, 8, requires_grad=True)
    for t in range(6):
        (gradient,) = torch.autograd.grad(net(x, causal=True)[:, t].sum(), x)
        assert gradient[:, t + 1 :].abs().sum() == 0
        assert gradient[:, t].abs().min() > 0


def test_gradcheck_of_many_heads() -> None:
    net = MultiHead(4, 2, rotary=True).double()
    x = torch.randn(2, 3, 4, dtype=F64, requires_grad=True)
    valid = torch.tensor([[True, False, True], [False] * 3])
    assert torch.autograd.gradcheck(lambda x: net(x, valid=valid, causal=True), x)


def test_turned_heads_see_distances_alone() -> None:
    net, x, places = MultiHead(8, 2, rotary=True).double(), torch.randn(2, 5, 8, dtype=F64), torch.arange(5)

    def read(queries: Tensor, keys: Tensor) -> Tensor:
        return net.read(x, net.remember(x, None, keys), positions=queries)

    torch.testing.assert_close(net(x), read(places, places), rtol=0, atol=1e-12)
    torch.testing.assert_close(read(places + 100, places + 100), read(places, places), rtol=0, atol=1e-10)
    assert (read(places + 1, places) - read(places, places)).abs().max() > 1e-4
    assert (read(places, places + 1) - read(places, places)).abs().max() > 1e-4


def test_vmap_equals_the_loop_for_attend() -> None:
    q, k, v = (torch.randn(3, 2, 2, 4, 5, dtype=F64) for _ in range(3))
    allowed = torch.rand(3, 2, 1, 4, 4) < 0.6
    together: Tensor = torch.func.vmap(attend)(q, k, v, allowed)
    torch.testing.assert_close(
        together,
        torch.stack([attend(*rows) for rows in zip(q, k, v, allowed, strict=True)]),
        rtol=0,
        atol=1e-12,
    )


def test_wrong_inputs_are_named() -> None:
    with pytest.raises(ValueError, match="width of 10 does not divide into 3 heads"):
        MultiHead(10, 3)
    net = MultiHead(8, 2)
    with pytest.raises(ValueError, match=r"shape \[B, T, 8\], not \[8\]"):
        net(torch.randn(8))
    with pytest.raises(ValueError, match=r"expected 8 features .* got \[2, 3, 7\]"):
        net(torch.randn(2, 3, 7))
    with pytest.raises(ValueError, match=r"at least one step, got none in \[2, 0, 8\]"):
        net(torch.randn(2, 0, 8))
    with pytest.raises(ValueError, match=r"`valid` must be \[B, T\] = \[2, 3\], not \[3, 2\]"):
        net(torch.randn(2, 3, 8), valid=torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"must be of bool, .*not of torch.float32"):
        net(torch.randn(2, 3, 8), valid=torch.ones(2, 3))
    with pytest.raises(ValueError, match="as many queries as keys"):
        net(torch.randn(2, 3, 8), torch.randn(2, 4, 8), causal=True)
    with pytest.raises(ValueError, match="queries of 3 and keys of 4"):
        Attention(3, 4, "dot")
    with pytest.raises(ValueError, match=r"know 2 places, not the 3 keys"):
        Attention(3, 3, "location", length=2)(torch.randn(1, 1, 3), torch.randn(1, 3, 3))
    with pytest.raises(ValueError, match="need `length`"):
        Location(3, 3)
