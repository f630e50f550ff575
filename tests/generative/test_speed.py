"""The trainers' comparison of speeds: everybody does the same work, and nothing but the training is counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import UserError
from core.machine import Machine
from core.noise import Noise
from generative import losses, speed
from generative.files import Images
from generative.speed import Ours, PlainVAE, PlainWGAN, Products
from generative.trainers import wgan_gp

PIXELS = Noise((0,), "images").integers(256, 300, 1, 28, 28)[0].to(torch.uint8)
FLAT = PIXELS.flatten(1).float() / 255


def numbers(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_ours_trains_whole_updates_of_every_seed() -> None:
    data = Images("noise", PIXELS.numpy(), PIXELS[:1].numpy())
    ours = Ours("vae", speed.VAE, data, 2, Machine(compile="off"), 128)
    assert ours(1) == 256
    assert ours(1_000) == 3 * 256
    assert ours.fitting.trainer.state_dict()[0]["updates"] == 4
    assert ours.facts["compile"] is False


def test_both_vaes_are_the_same_net() -> None:
    data = Images("noise", PIXELS.numpy(), PIXELS[:1].numpy())
    ours: Any = Ours("vae", speed.VAE, data, 1, Machine(compile="off"), 128).fitting.trainer
    plain = PlainVAE(FLAT)
    count = 784 * 512 + 512 + 512 * 32 + 32 + 16 * 512 + 512 + 512 * 784 + 784
    assert numbers(plain.encoder) + numbers(plain.decoder) == count
    assert sum(value[0].numel() for value in ours.weights().values()) == count


def test_the_plain_vae_descends_on_the_same_bound() -> None:
    plain = PlainVAE(FLAT)
    with torch.no_grad():
        mean, log_variance = plain.encoder(FLAT).chunk(2, dim=1)
        z = mean + (0.5 * log_variance).exp() * Noise((0,), "z").normal(*mean.shape)[0]
        likelihood = losses.bernoulli_log_likelihood(plain.decoder(z).view(-1, 1, 28, 28), PIXELS / 255)
        bound = (losses.gaussian_kl(mean, log_variance) - likelihood).mean().item()
    assert bound == pytest.approx(784 * np.log(2), rel=0.02)
    assert plain(128) == 128
    x, told = FLAT[:128], []
    gather = torch.Tensor.backward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", lambda self: (told.append(self.item()), gather(self)))
        for _ in range(40):
            plain.update(x)
    assert told[0] == pytest.approx(784 * np.log(2), rel=0.02)
    assert told[-1] < told[0] - 3


def test_the_plain_critic_learns_the_penalised_distance() -> None:
    config = wgan_gp.Config(hidden=(32, 32), activation="relu", latent=2, batch_size=64, penalty=0.1, lr=1e-3)
    points = 3 + Noise((0,), "points").normal(500, 2)[0]
    plain = PlainWGAN(points, config)
    assert numbers(plain.critic) == 2 * 32 + 32 + 32 * 32 + 32 + 32 + 1
    before = [parameter.clone() for parameter in plain.generator.parameters()]
    for _ in range(60):
        plain.update_critic(points[:64])
    assert all(torch.equal(a, b) for a, b in zip(before, plain.generator.parameters(), strict=True))
    with torch.no_grad():
        fake = plain.generator(Noise((0,), "z").normal(64, 2)[0])
        assert (plain.critic(points[:64]).mean() - plain.critic(fake).mean()).item() > 0.5
    assert plain(7) == 5
    assert not torch.equal(before[0], next(plain.generator.parameters()))


def test_products_are_counted_by_hand() -> None:
    # multiply-adds forwards: 784·512 + 512·32 + 16·512 + 512·784 = 827,392; again for the weights' gradients,
    # and for the inputs' without the first layer's 401,408
    assert Products.flop() == 2 * (3 * 827_392 - 401_408) == 4_161_536
    assert Products()(300) == 256


def test_the_command_keeps_and_draws_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench speed-trainers -->\n<!-- end -->\n")
    flags = ["--rounds", "1", "--images", "128", "--updates", "5", "--seeds", "2", "--only", "wgan-gp"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "WAYS", (speed.WAYS[0], ("ours", True, Machine(compile="off"))))
        patch.setattr(speed, "WIDTHS", (8,))
        assert speed.main(["speed-trainers", *flags, "--root", str(tmp_path), "--out", str(page)]) == 0
    assert (tmp_path / "bench" / "speed-trainers.json").exists()
    assert "WGAN-GP 3×8, batch 256" in page.read_text()
    assert "× the plain script, mark 1.5" in capsys.readouterr().out
    with pytest.raises(UserError, match="--rounds"):
        speed.main(["speed-trainers", "--rounds", "0"])
