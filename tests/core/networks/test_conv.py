"""Convolution and pooling against torch's, over a grid of kernels, strides and paddings."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from core.networks.convolution import average_pool, convolve, correlate, max_pool, size, windows

F64 = torch.float64
GRID = pytest.mark.parametrize(("k", "s", "p"), [*product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2))])


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@GRID
def test_size_and_both_forms_are_torchs(k: int, s: int, p: int) -> None:
    x, w, b = (torch.randn(*shape, dtype=F64) for shape in ((2, 3, 8, 11), (4, 3, k, k), (4,)))
    expected = F.conv2d(x, w, b, s, p)
    assert expected.shape[2:] == (size(8, k, s, p), size(11, k, s, p))
    close(correlate(x, w, b, s, p), expected)
    close(convolve(x, w, b, s, p), F.conv2d(x, w.flip(-1, -2), b, s, p))
    close(convolve(x, w.flip(-1, -2), None, s, p), F.conv2d(x, w, None, s, p))


@GRID
def test_pooling_is_torchs(k: int, s: int, p: int) -> None:
    x = torch.randn(2, 3, 8, 11, dtype=F64)
    if p <= k // 2:
        close(max_pool(x, k, s, p), F.max_pool2d(x, k, s, p))
        close(average_pool(x, k, s, p), F.avg_pool2d(x, k, s, p))
        close(max_pool(x, k), F.max_pool2d(x, k))
        close(average_pool(x, k), F.avg_pool2d(x, k))


def test_both_forms_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    w = torch.tensor([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 1, 2, 2)
    assert correlate(x, w).item() == 1 + 20 + 300 + 4000
    assert convolve(x, w).item() == 1000 + 200 + 30 + 4
    assert max_pool(x, 2).item() == 4
    assert average_pool(x, 2).item() == 2.5
    assert size(224, 11, 4, 2) == 55
    assert size(28, 3, 1, 1) == 28


def test_one_output_channel_for_each_kernel_over_all_input_channels() -> None:
    x, w = torch.randn(1, 3, 4, 4, dtype=F64), torch.randn(2, 3, 2, 2, dtype=F64)
    y = correlate(x, w)
    assert y.shape == (1, 2, 3, 3)
    for out in range(2):
        close(y[:, out], sum(correlate(x[:, c : c + 1], w[out : out + 1, c : c + 1]) for c in range(3))[:, 0])


def test_gradients() -> None:
    x, w, b = (
        torch.randn(*shape, dtype=F64, requires_grad=True) for shape in ((2, 2, 4, 5), (3, 2, 3, 3), (3,))
    )
    for form in (correlate, convolve):
        assert torch.autograd.gradcheck(lambda *parts, form=form: form(*parts, 2, 1), (x, w, b))
    assert torch.autograd.gradcheck(lambda x: max_pool(x, 3, 2, 1), (x,))
    assert torch.autograd.gradcheck(lambda x: average_pool(x, 3, 2, 1), (x,))


def test_a_weights_gradient_sums_over_the_places_it_is_shared_by() -> None:
    """∂L/∂w_uv = Σ_i ∂L/∂o_i · x_{i + uv}."""
    x, w = torch.randn(1, 1, 3, 3, dtype=F64), torch.randn(1, 1, 2, 2, dtype=F64, requires_grad=True)
    y = correlate(x, w)
    upstream = torch.randn(1, 1, 2, 2, dtype=F64)
    (gradient,) = torch.autograd.grad(y, w, upstream)
    for u, v in product(range(2), range(2)):
        expected = sum(upstream[0, 0, i, j] * x[0, 0, i + u, j + v] for i, j in product(range(2), range(2)))
        close(gradient[0, 0, u, v], torch.as_tensor(expected))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"side 3, kernel 6, stride 1, padding 1"):
        size(3, 6, 1, 1)
    with pytest.raises(ValueError, match=r"stride 0"):
        size(3, 2, 0)
    with pytest.raises(ValueError, match=r"expected images \[N, C, H, W\], got \(3, 4, 4\)"):
        windows(torch.zeros(3, 4, 4), 2)
    with pytest.raises(
        ValueError, match=r"\[channels out, 3, k, k\] for images \(1, 3, 4, 4\), got \(2, 1, 2, 2\)"
    ):
        correlate(torch.zeros(1, 3, 4, 4), torch.zeros(2, 1, 2, 2))
