"""Losses: by hand, their gradients, and against torch's own."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core import losses
from core.noise import Noise

LN2 = math.log(2)


def slope(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    leaf = at.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(loss(leaf).sum(), leaf)
    return found


def test_both_squared_errors_and_their_gradients() -> None:
    output, target = torch.tensor([[1.0, 4.0], [0.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.0, 3.0]])
    assert losses.mean_squared_error(output, target).tolist() == [2.5, 4.5]  # (1 + 4)/2, 9/2
    assert losses.half_squared_error(output, target).tolist() == [2.5, 4.5]  # of two numbers they agree
    assert losses.half_squared_error(output[0, :1], target[0, :1]).item() == 0.5  # of one they do not
    assert torch.equal(slope(lambda o: losses.half_squared_error(o, target), output), output - target)
    assert torch.equal(slope(lambda o: losses.mean_squared_error(o, target), output), output - target)
    wide = torch.arange(4.0)
    assert torch.equal(slope(lambda o: losses.mean_squared_error(o, torch.zeros(4)), wide), wide / 2)
    mean = losses.mean_squared_error(output, target).mean()
    assert mean.item() == F.mse_loss(output, target).item()


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected the target's shape \(3,\), got \(3, 1\)"):
        losses.mean_squared_error(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(ValueError, match=r"need classes \(5,\), got \(4,\)"):
        losses.cross_entropy(torch.zeros(5, 3), torch.zeros(4, dtype=torch.int64))


def test_cross_entropy_of_one_class_is_minus_log_p() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]])  # p = ¼, ¾
    found = losses.cross_entropy(logits, torch.tensor([1]))
    assert found.item() == pytest.approx(-math.log(0.75))
    gradient = slope(lambda x: losses.cross_entropy(x, torch.tensor([1])), logits)
    torch.testing.assert_close(gradient, torch.tensor([[0.25, -0.25]]))  # p − y


def test_the_gradient_for_soft_labels_is_p_times_their_sum_minus_them() -> None:
    logits = torch.randn(5, 4, dtype=torch.float64)
    y = torch.rand(5, 4, dtype=torch.float64)  # need not sum to 1
    gradient = slope(lambda x: losses.cross_entropy(x, y), logits)
    expected = logits.softmax(-1) * y.sum(-1, keepdim=True) - y
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_equals_torchs(smoothing: float, soft: bool) -> None:
    logits = torch.randn(7, 5, dtype=torch.float64)
    target = torch.rand(7, 5, dtype=torch.float64).softmax(-1) if soft else torch.randint(5, (7,))
    theirs = F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(losses.cross_entropy(logits, target, smoothing), theirs, rtol=0, atol=1e-14)


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]])
    assert losses.cross_entropy(logits, torch.tensor([0])).item() == 0
    assert losses.cross_entropy(logits, torch.tensor([1])).item() == 2e4


def test_entropies_in_bits_and_nats() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    assert losses.entropy(p, "bits").item() == pytest.approx(1)
    assert losses.entropy(p).item() == pytest.approx(LN2)
    assert losses.entropy(torch.tensor([1.0, 0.0])).item() == 0
    # ½ log₂ 4 + ½ log₂ 4/3
    assert losses.cross_entropy_between(p, q, "bits").item() == pytest.approx(1 + 0.5 * math.log2(4 / 3))
    assert losses.kl(p, q, "bits").item() == pytest.approx(0.5 * math.log2(4 / 3))
    assert losses.kl(p, q).item() == pytest.approx(losses.kl(p, q, "bits").item() * LN2)


def test_cross_entropy_is_entropy_plus_divergence_which_is_not_symmetric() -> None:
    p, q = (torch.rand(3, 6, dtype=torch.float64).softmax(-1) for _ in range(2))
    total = losses.entropy(p) + losses.kl(p, q)
    torch.testing.assert_close(losses.cross_entropy_between(p, q), total)
    torch.testing.assert_close(losses.cross_entropy(q.log(), p), total)
    assert (losses.kl(p, q) > 0).all()
    assert ((losses.kl(p, q) - losses.kl(q, p)).abs() > 1e-4).all()
    one_hot = F.one_hot(torch.tensor([2, 0, 5]), 6).double()
    torch.testing.assert_close(losses.kl(one_hot, q), -q[range(3), [2, 0, 5]].log())
    assert losses.kl(q[0], one_hot[0]).item() == math.inf


def jensen_shannon(theta: float) -> float:
    """Of the triangle (1 − |x|)₊ and the same one moved by θ: half of KL(p‖m) and half of KL(q‖m), m = (p + q)/2."""
    x = torch.arange(-2000, 6001, dtype=torch.float64) / 1000
    p, q = ((1 - (x - at).abs()).clamp(min=0) for at in (0.0, theta))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    seen = middle > 0  # 0 log 0 is 0
    return 0.5 * sum(losses.kl(part[seen], middle[seen]).item() for part in (p, q))


def test_of_distributions_that_do_not_meet_the_jensen_shannon_divergence_is_flat() -> None:
    """Why a generator learns nothing of a critic that is right: log 2 wherever it stands, and the slope is 0."""
    for theta in (2.0, 2.5, 4.0):
        assert jensen_shannon(theta) == pytest.approx(LN2, abs=1e-12)
        assert abs(jensen_shannon(theta + 0.01) - jensen_shannon(theta)) < 1e-12
    assert jensen_shannon(0.0) == 0
    near = [jensen_shannon(theta) for theta in (0.25, 0.5, 1.0, 1.5, 1.99)]
    assert near == sorted(near)
    assert jensen_shannon(0.51) - jensen_shannon(0.5) > 1e-3


V, D = 50, 8


def layer() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    features = torch.randn(6, D, dtype=torch.float64)
    weight, bias = torch.randn(V, D, dtype=torch.float64) * 0.3, torch.randn(V, dtype=torch.float64) * 0.1
    return features, weight, bias, torch.randint(V, (6,))


def test_sampled_softmax_with_every_class_once_is_the_full_one() -> None:
    features, weight, bias, target = layer()
    found = losses.sampled_softmax(
        features, weight, bias, target, torch.arange(V), torch.full((V,), 1 / V).double()
    )
    torch.testing.assert_close(found, losses.cross_entropy(features @ weight.T + bias, target))


def test_the_expected_gradient_of_sampled_softmax_is_the_full_ones() -> None:
    features, weight, bias, target = layer()
    chance = torch.arange(1.0, V + 1, dtype=torch.float64) / (V * (V + 1) / 2)  # far from even
    full = slope(lambda w: losses.cross_entropy(features @ w.T + bias, target).mean(), weight)
    draws = Noise((0,), "samples").uniform(600, 40)[0].double()
    samples = torch.searchsorted(chance.cumsum(0), draws).clamp(max=V - 1)

    def cost(w: Tensor) -> Tensor:
        every = [losses.sampled_softmax(features, w, bias, target, s, chance).mean() for s in samples]
        return torch.stack(every).mean()

    apart = (slope(cost, weight) - full).norm() / full.norm()
    assert apart < 0.06
    even = torch.full_like(chance, 1 / V)
    wrong = slope(
        lambda w: torch.stack(
            [losses.sampled_softmax(features, w, bias, target, s, even).mean() for s in samples]
        ).mean(),
        weight,
    )
    assert (wrong - full).norm() / full.norm() > 2 * apart


def test_only_the_rows_that_are_named_are_touched() -> None:
    features, weight, bias, _ = layer()
    target, samples = torch.tensor([1, 2, 1, 2, 1, 2]), torch.tensor([3, 4, 3])
    even = torch.full((V,), 1 / V).double()
    gradient = slope(lambda w: losses.sampled_softmax(features, w, bias, target, samples, even), weight)
    assert gradient.abs().sum(-1).nonzero().flatten().tolist() == [1, 2, 3, 4]
