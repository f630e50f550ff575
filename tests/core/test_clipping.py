"""Clipping by value, by tensor and over all: torch's numbers, and which of them keeps the direction."""

import pytest
import torch
from torch import Tensor, nn

from core.clipping import CLIPS, By
from core.optimisers import SGD
from core.replicas import Replicas


def flat(parts: dict[str, Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts.values()])


def gradient() -> dict[str, Tensor]:
    return {"a": torch.tensor([[3.0, -4.0]]), "b": torch.tensor([0.6, 0.0]), "c": torch.tensor([12.0])}


def test_by_hand() -> None:
    assert flat(CLIPS["value"](gradient(), 1.0)).tolist() == pytest.approx([1, -1, 0.6, 0, 1])
    assert flat(CLIPS["tensor"](gradient(), 1.0)).tolist() == pytest.approx([0.6, -0.8, 0.6, 0, 1])
    whole = (25 + 0.36 + 144) ** 0.5
    assert flat(CLIPS["global"](gradient(), 1.0)).tolist() == pytest.approx(
        [x / whole for x in (3, -4, 0.6, 0, 12)], rel=1e-5
    )


@pytest.mark.parametrize("by", list(CLIPS))
def test_a_small_gradient_is_left_alone(by: By) -> None:
    assert torch.equal(flat(CLIPS[by](gradient(), 100.0)), flat(gradient()))


@pytest.mark.parametrize(("by", "kept"), [("value", False), ("tensor", False), ("global", True)])
def test_only_the_global_norm_keeps_the_direction(by: By, kept: bool) -> None:
    cosine = torch.cosine_similarity(flat(CLIPS[by](gradient(), 1.0)), flat(gradient()), dim=0).item()
    assert (cosine > 1 - 1e-6) == kept
    assert kept or cosine < 0.95


@pytest.mark.parametrize("by", list(CLIPS))
def test_equal_to_torchs(by: By) -> None:
    grads = {"a": torch.randn(4, 3), "b": torch.randn(5)}
    theirs = [nn.Parameter(torch.zeros_like(g)) for g in grads.values()]
    for parameter, g in zip(theirs, grads.values(), strict=True):
        parameter.grad = g.clone()
    if by == "value":
        nn.utils.clip_grad_value_(theirs, 0.5)
    elif by == "tensor":
        for parameter in theirs:
            nn.utils.clip_grad_norm_(parameter, 0.5)
    else:
        nn.utils.clip_grad_norm_(theirs, 0.5)
    for mine, parameter in zip(CLIPS[by](grads, 0.5).values(), theirs, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(mine, parameter.grad)


def stepped(by: By, path: str, compiled: bool = False) -> Tensor:
    net = Replicas(
        lambda: nn.Linear(3, 2), [0, 1], optimiser=SGD(), clip=0.5, clip_by=by, path=path, compiled=compiled  # type: ignore[arg-type]
    )  # fmt: skip
    before = net.matrix.clone()

    def loss(params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return (net.apply(params, x) * torch.tensor([1.0, 2.0])).sum(), {}

    metrics = net.step(loss, torch.tensor([[[1.0, 2.0, 0.1]], [[0.0, 0.1, 0.05]]]), lr=1.0)
    assert metrics["grad_norm"].tolist() == pytest.approx([30.05**0.5, 2.25], rel=1e-5)  # before clipping
    return before - net.matrix


@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize("by", list(CLIPS))
def test_every_seed_of_replicas_is_clipped_by_itself(by: By, path: str) -> None:
    moved = stepped(by, path)
    net = Replicas(lambda: nn.Linear(3, 2), [0])
    for k, x in enumerate(([1.0, 2.0, 0.1], [0.0, 0.1, 0.05])):
        raw = {"weight": torch.tensor([x, [2 * v for v in x]]), "bias": torch.tensor([1.0, 2.0])}
        expected = CLIPS[by](raw, 0.5)
        for name, part in net.layout.views(moved[k]).items():
            torch.testing.assert_close(part, expected[name])


@pytest.mark.slow
@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize("by", list(CLIPS))
def test_compiled_is_the_same(by: By, path: str) -> None:
    torch.testing.assert_close(stepped(by, path, compiled=True), stepped(by, path))
