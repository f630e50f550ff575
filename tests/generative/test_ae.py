"""The autoencoder: its kinds by hand-worked numbers, its optimum when linear, its seeds and its state."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import checkpoint
from core.errors import UserError
from core.noise import Noise
from generative import losses
from generative.data import Batches, Data, held_still, load
from generative.files import Images
from generative.trainer import Encoder, LikelihoodTrainer, Spec, Trainer, evaluation_noise
from generative.trainers.ae import AE, Config

CPU = torch.device("cpu")
DIGITS = load(Data())
assert isinstance(DIGITS, Images)
TEST = held_still(DIGITS.test, "none")
SMALL = Config(latent=6, hidden=(32,), batch=50, lr=5e-3)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "denoising": {"kind": "denoising"},
    "gaussian": {"kind": "denoising", "corruption": "gaussian", "strength": 0.3},
    "sparse": {"kind": "sparse", "latent": 24},
    "contractive": {"kind": "contractive"},
    "tied": {"tied": True, "cost": "mse"},
}


def setup(*seeds: int, steps: int = 200, path: Any = "loop", **settings: Any) -> tuple[AE, Batches]:
    config = replace(SMALL, **settings)
    mean = torch.from_numpy(DIGITS.train.mean(axis=0) / 255).float()
    ae = AE(Spec(seeds, (1, 8, 8), mean, steps, path=path), config)
    return ae, Batches(DIGITS.train, seeds, config.batch, config.binarise)


def trained(ae: AE, batches: Batches, steps: int) -> list[dict[str, Tensor]]:
    return [ae.step(batches.next()) for _ in range(steps)]


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, all the way down."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)


def figures(ae: AE, *seeds: int) -> dict[str, Tensor]:
    return ae.evaluate(TEST, evaluation_noise(seeds, "figures", CPU))


def params(ae: AE) -> dict[str, Tensor]:
    return {name: value[0].clone() for name, value in ae.net.weights().items()}


def test_it_keeps_the_contract() -> None:
    ae, _ = setup(0)
    assert isinstance(ae, Trainer)
    assert isinstance(ae, Encoder)
    assert not isinstance(ae, LikelihoodTrainer)


# By hand


def test_the_divergence_from_a_sparse_code_by_hand() -> None:
    # KL(1/4 ‖ 1/2) = ¼ ln ½ + ¾ ln 3/2; a unit as active as it should be costs nothing
    expected = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    found = losses.sparsity(torch.tensor([[0.5, 0.25], [0.25, 0.25]]), 0.25)
    assert found.tolist() == pytest.approx([expected, 0.0], abs=1e-7)
    assert losses.sparsity(torch.tensor([0.0, 1.0]), 0.05).isfinite()


def test_sparsity_is_of_the_batchs_mean_activation() -> None:
    ae, _ = setup(0, kind="sparse", rho=0.25)
    weights = {name: torch.zeros_like(value) for name, value in params(ae).items()}
    x = torch.full((4, 1, 8, 8), 0.5)
    loss, metrics = ae.loss(weights, x, x)  # every code 1/2, every pixel 1/2
    kl = 6 * (0.25 * np.log(0.5) + 0.75 * np.log(1.5))
    assert metrics["penalty"].item() == pytest.approx(kl, rel=1e-5)
    assert metrics["reconstruction"].item() == pytest.approx(64 * np.log(2), rel=1e-6)
    assert loss.item() == pytest.approx(64 * np.log(2) + 3.0 * kl, rel=1e-6)
    # a unit on for half of the images and off for the others is half active, too
    weights["encoder.layers.1.bias"][:] = 0
    weights["encoder.layers.0.weight"][0] = 100.0
    weights["encoder.layers.1.weight"][0, 0] = 100.0
    bright = torch.cat([torch.ones(2, 1, 8, 8), -torch.ones(2, 1, 8, 8)])
    assert ae.loss(weights, bright, bright)[1]["penalty"].item() == pytest.approx(kl, rel=1e-4)


def test_contraction_of_one_sigmoid_unit_by_hand() -> None:
    # h = σ(w·x), w = (3, 4), w·x = 0: h(1 − h) = ¼, and the penalty is 25/16
    w = torch.tensor([[3.0, 4.0]])
    x = torch.tensor([[4.0, -3.0], [0.0, 0.0], [1.0, 0.0]])
    found = losses.contraction(lambda x: torch.sigmoid(x @ w.mT), x)
    slope = 1 / (1 + np.exp(-3)) * (1 - 1 / (1 + np.exp(-3)))
    assert found.tolist() == pytest.approx([25 / 16, 25 / 16, 25 * slope**2], rel=1e-5)


def test_contraction_is_rifais_closed_form_and_the_jacobians_norm() -> None:
    ae, _ = setup(0, kind="contractive", hidden=())
    weights, x = params(ae), TEST[:7]
    encode = lambda x: ae.squash(ae.net.apply(weights, {"encoder": x}))  # noqa: E731
    h, w = encode(x), weights["encoder.layers.0.weight"]
    closed = ((h * (1 - h)).square() * w.square().sum(1)).sum(1)  # Σ_j (h_j(1 − h_j))² Σ_i W_ji²
    torch.testing.assert_close(losses.contraction(encode, x), closed)
    assert ae.loss(weights, x, x)[1]["penalty"].item() == pytest.approx(closed.mean().item(), rel=1e-5)


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_contraction_of_a_deep_encoder_is_autograds_jacobian(net: Any) -> None:
    ae, _ = setup(0, kind="contractive", hidden=(20, 10), net=net)
    weights, x = params(ae), TEST[:3]
    encode = lambda x: ae.squash(ae.net.apply(weights, {"encoder": x}))  # noqa: E731
    jacobian = torch.autograd.functional.jacobian(encode, x)  # [B, latent, B, 1, 8, 8]
    expected = torch.stack([jacobian[k, :, k].square().sum() for k in range(3)])
    torch.testing.assert_close(losses.contraction(encode, x), expected, rtol=1e-5, atol=1e-9)


def test_the_contractions_gradient_reaches_the_encoder() -> None:
    """Halving the weights' scale must be rewarded: finite differences along the gradient agree with it."""
    ae, batches = setup(0, kind="contractive", contraction=10.0)
    x = batches.next()[0]
    weights = {name: value.double() for name, value in params(ae).items()}
    loss = lambda w: ae.loss(w, x.double(), x.double())[0]  # noqa: E731
    leaves = {name: value.requires_grad_(True) for name, value in weights.items()}
    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()))
    name, gradient = "encoder.layers.0.weight", gradients[list(leaves).index("encoder.layers.0.weight")]
    step = 1e-5 * gradient / gradient.norm()
    with torch.no_grad():
        up, down = ({**weights, name: weights[name] + sign * step} for sign in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-5
    assert slope.item() == pytest.approx(gradient.norm().item(), rel=1e-4)


def test_denoising_is_asked_for_the_clean_image() -> None:
    """What the encoder sees is corrupted, what the cost is taken to is not."""
    ae, batches = setup(0, kind="denoising", corruption="mask", strength=1.0)
    x = batches.next()
    noise = Noise((0,), "ae")
    assert ae.corrupted(x, noise).abs().max() == 0  # all pixels out: no image can be told from another
    for name, value in ae.net.weights().items():
        value[:] = 0 if name != "decoder.layers.1.bias" else 1.0
    metrics = ae.step(x)
    pixel = np.log1p(np.e) - x.mean().item()  # −log p(x) of a pixel with logit 1: log(1 + e) − x
    assert metrics["train/reconstruction"].item() == pytest.approx(64 * pixel, rel=1e-5)


def test_corruption_puts_out_its_share_of_pixels_and_adds_noise_of_its_size() -> None:
    ones = torch.ones(2, 500, 1, 8, 8)
    ae, _ = setup(0, 5, kind="denoising", strength=0.3)
    seen = ae.corrupted(ones, Noise((0, 5), "x"))
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert (seen == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], ae.corrupted(ones[:1], Noise((5,), "x"))[0])
    ae, _ = setup(0, kind="denoising", corruption="gaussian", strength=0.3)
    added = ae.corrupted(ones[:1], Noise((0,), "x")) - 1
    assert added.std().item() == pytest.approx(0.3, abs=0.01)
    assert added.mean().item() == pytest.approx(0.0, abs=0.01)


def test_squared_error_by_hand() -> None:
    x, output = torch.zeros(1, 1, 2, 2), torch.tensor([1.0, 2.0, 0.0, -2.0]).reshape(1, 1, 2, 2)
    assert losses.squared_error(output, x).tolist() == [9.0]


# A known optimum


def test_a_linear_one_reaches_the_principal_components() -> None:
    """Its squared error is the sum of the discarded eigenvalues of the data's covariance (Baldi & Hornik 1989)."""
    settings = {"hidden": (), "activation": "identity", "cost": "mse", "batch": 300, "lr": 1e-2}
    ae, batches = setup(0, steps=1_000, latent=6, **settings)
    data = held_still(DIGITS.train, "none")
    flat = data.flatten(1).double()
    eigenvalues = torch.linalg.eigvalsh((flat - flat.mean(0)).mT @ (flat - flat.mean(0)) / len(flat))
    optimum = eigenvalues[:-6].sum().item()
    trained(ae, batches, 1_000)
    reached = ae.evaluate(data, evaluation_noise((0,), "figures", CPU))["eval/reconstruction"]
    assert all(reached > optimum - 1e-4)  # 1.9066; no linear code of six numbers is better
    assert all(reached < optimum * 1.005)


# Learning


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_digits(kind: str) -> None:
    steps = 400 if kind == "sparse" else 150  # its units fall silent before they tell images apart
    ae, batches = setup(0, 1, steps=steps, **KINDS[kind])
    before = figures(ae, 0, 1)["eval/reconstruction"]
    trained(ae, batches, steps)
    after = figures(ae, 0, 1)["eval/reconstruction"]
    # the mean image costs 27.0 nats or 4.7 of squared error
    assert all(after < before - 2), (before, after)
    assert all(after < (3.5 if ae.config.cost == "mse" else 24))
    assert all(after > (0 if ae.config.cost == "mse" else 15))  # the images' own entropy


def test_the_convolutional_net_learns_too() -> None:
    ae, batches = setup(0, steps=60, net="conv", lr=2e-3)
    costs = [metrics["train/loss"].item() for metrics in trained(ae, batches, 60)]
    assert np.mean(costs[:5]) > 30
    assert 20 < np.mean(costs[-10:]) < 27.5


def test_the_one_that_denoises_undoes_corruption_better() -> None:
    found = {}
    for kind in ("plain", "denoising"):
        ae, batches = setup(0, 1, steps=250, kind=kind, latent=16, strength=0.5)
        trained(ae, batches, 250)
        found[kind] = figures(ae, 0, 1)
    assert all(found["denoising"]["eval/denoising"] < found["plain"]["eval/denoising"] - 1)
    assert all(found["denoising"]["eval/reconstruction"] > found["plain"]["eval/reconstruction"])
    assert torch.equal(found["denoising"]["eval/loss"], found["denoising"]["eval/denoising"])
    assert torch.equal(found["plain"]["eval/loss"], found["plain"]["eval/reconstruction"])


def test_the_penalties_do_what_they_say() -> None:
    sparse, batches = setup(0, steps=200, kind="sparse", latent=24, rho=0.1)
    trained(sparse, batches, 200)
    active = torch.sigmoid(sparse.codes(TEST)).mean(dim=(0, 1))
    assert active.mean().item() == pytest.approx(0.1, abs=0.02)
    last = {}
    for weight in (0.0, 1.0):
        ae, batches = setup(0, steps=150, kind="contractive", contraction=weight)
        last[weight] = trained(ae, batches, 150)[-1]["train/penalty"].item()
    assert last[1.0] < last[0.0] / 2


# Samples


def test_samples_are_decoded_from_a_gaussian_fitted_to_the_codes() -> None:
    ae, batches = setup(0, 1, lr=1e-12, lr_end=0.0)  # learning nothing, so that all codes are of one encoder
    shown = [batches.next() for _ in range(5)]
    for batch in shown:
        ae.step(batch)
    codes = torch.stack([ae.net({"encoder": batch}) for batch in shown], dim=1).flatten(1, 2)
    z = Noise((0, 1), "z").normal(40_000, 6)
    placed = ae.seen.place(z)
    for k in range(2):
        torch.testing.assert_close(placed[k].mean(0), codes[k].mean(0), atol=0.05, rtol=0)
        torch.testing.assert_close(placed[k].T.cov(), codes[k].T.cov(), atol=0.05, rtol=0.05)
    assert torch.equal(ae.sample(3, Noise((0, 1), "s")), ae.generate(Noise((0, 1), "s").normal(3, 6)))


def test_pictures_have_the_right_shapes() -> None:
    ae, _ = setup(0, 1, kind="denoising")
    found = ae.pictures(TEST[:5], evaluation_noise((0, 1), "pictures", CPU))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "samples": (2, 64, 1, 8, 8),
        "reconstructions": (2, 10, 1, 8, 8),
        "denoised": (2, 5, 1, 8, 26),
    }
    corrupted, _, made, _, original = found["denoised"].split([8, 1, 8, 1, 8], dim=-1)
    assert torch.equal(original, TEST[:5].expand(2, 5, 1, 8, 8))
    assert ((corrupted == original) | (corrupted == 0)).all()
    assert not torch.equal(made, original)
    assert all(images.min() >= 0 and images.max() <= 1 for images in found.values())


# Seeds and state


@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_learns_in_company_what_it_learns_alone(kind: str, path: str) -> None:
    company, alone = setup(4, 9, 2, path=path, **KINDS[kind]), setup(9, path=path, **KINDS[kind])
    rows = list(zip(trained(*company, 5), trained(*alone, 5), strict=True))
    assert same(company[0].state_dict()[1], alone[0].state_dict()[0])
    assert all(torch.equal(both[name][1], one[name][0]) for both, one in rows for name in both)
    both, one = figures(company[0], 4, 9, 2), figures(alone[0], 9)
    assert all(torch.equal(both[name][1], one[name][0]) for name in both)


@pytest.mark.parametrize("kind", ["gaussian", "sparse", "contractive"])
def test_paths_agree_within_rounding(kind: str) -> None:
    loop, other = setup(0, 1, **KINDS[kind]), setup(0, 1, path="vmap", **KINDS[kind])
    trained(*loop, 10)
    trained(*other, 10)
    assert (loop[0].net.matrix - other[0].net.matrix).abs().max().item() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_eight_steps_are_four_saved_loaded_and_four(kind: str, tmp_path: Any) -> None:
    straight, first, second = (setup(0, 1, **KINDS[kind]) for _ in range(3))
    whole = trained(*straight, 8)
    trained(*first, 4)
    for k, states in enumerate(zip(first[0].state_dict(), first[1].state_dict(), strict=True)):
        checkpoint.save(tmp_path / f"{k}", {"trainer": states[0], "batches": states[1]})
    states = [checkpoint.load(tmp_path / f"{k}") for k in range(2)]
    second[0].load_state_dict([state["trainer"] for state in states])
    second[1].load_state_dict([state["batches"] for state in states])
    later = trained(*second, 4)
    assert same(straight[0].state_dict(), second[0].state_dict())
    assert same([dict(m) for m in whole[4:]], [dict(m) for m in later])
    noises = [Noise((0, 1), "s") for _ in range(2)]
    assert torch.equal(straight[0].sample(4, noises[0]), second[0].sample(4, noises[1]))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"latent": 0}, "--latent"),
        ({"lr": -1.0}, "--lr"),
        ({"lr_end": -1.0}, "--lr-end"),
        ({"rho": 1.0}, "--rho"),
        ({"strength": 1.5}, "--strength"),
        ({"contraction": -0.1}, "--contraction"),
        ({"hidden": (0,)}, "--hidden"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        replace(SMALL, **wrong)


def test_only_an_mlp_can_be_tied() -> None:
    with pytest.raises(UserError, match="--tied"):
        setup(0, net="conv", tied=True)
    assert "decoder.layers.0.weight" in setup(0)[0].net.weights()
    assert "decoder.layers.0.weight" not in setup(0, kind="contractive")[0].net.weights()
