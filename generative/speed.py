"""`lab bench speed-trainers`: images and critic updates a second, ours beside plain PyTorch scripts of the same nets.

A VAE 784-512-16 on batches of 128 images, and WGAN-GPs on points. The data are noise: nothing is read, recorded or
evaluated meanwhile. One thread, everybody in turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from core import config as settings_file
from core import threads
from core.averages import Averages
from core.errors import UserError
from core.machine import Machine
from core.noise import Noise
from core.tables import markdown
from core.timing import Contender, keep, measure
from generative.build import decide, trainer_of
from generative.data import Batches
from generative.files import Dataset, Images, Points
from generative.loop import Fitting
from generative.trainers import vae, wgan_gp

VAE = vae.Config(latent=16, hidden=(512,), activation="relu", batch=128, lr=1e-3, schedule="constant")
VAE_MARK = 18_000  # images/s
GAN_MARK = 1.5  # × the plain script
WIDTHS = (512, 128)  # of the three hidden layers of generator and critic; the first are gan_toy.py's
LONG = 1_000_000  # updates: a run long enough for schedules to stand still


@dataclass(frozen=True)
class Options:
    rounds: int = 7  # the median of so many is reported
    images: int = 12_800  # of each contender in a round, over all its seeds
    updates: int = 200  # of critics 128 wide in a round, over all seeds; of those 512 wide a quarter
    seeds: int = 10  # of the contenders that train several
    only: tuple[Literal["vae", "wgan-gp"], ...] = ("vae", "wgan-gp")  # what is compared
    root: str = "runs"  # the figures are kept in bench/speed-trainers.json there
    out: str = ""  # a Markdown file whose part between the marks `bench speed-trainers` is rewritten


class Ours:
    """Our loop without its record: batches, updates and the gathering of metrics; ``count`` units in an update."""

    def __init__(self, algorithm: str, config: Any, data: Dataset, seeds: int, machine: Machine, count: int):
        every = tuple(range(seeds))
        self.facts = decide(machine, seeds, LONG, data)
        trainer = trainer_of(algorithm, config, data, every, LONG, self.facts)
        batches = Batches(data.train, every, trainer.batch, trainer.binarise)
        self.fitting, self.averages = Fitting(trainer, batches, data, every), Averages(seeds)
        self.once = count * seeds

    def __call__(self, units: int) -> int:
        """Whole updates of every seed, at least one."""
        updates = max(units // self.once, 1)
        for _ in range(updates):
            self.fitting.advance(self.averages)
        self.averages.flush()
        return updates * self.once


class PlainVAE:
    """The same VAE as a script of PyTorch's own parts: modules, its losses, its Adam."""

    def __init__(self, images: Tensor) -> None:
        self.images, self.noise = images, Noise((0,), "script")
        self.encoder = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 32))
        self.decoder = nn.Sequential(nn.Linear(16, 512), nn.ReLU(), nn.Linear(512, 784))
        self.optimiser = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)
        self.order = torch.zeros(0, dtype=torch.int64)

    def __call__(self, images: int) -> int:
        updates = max(images // VAE.batch, 1)
        for _ in range(updates):
            if len(self.order) < VAE.batch:
                self.order = self.noise.permutation(len(self.images))[0]
            now, self.order = self.order[: VAE.batch], self.order[VAE.batch :]
            self.update(self.images[now])
        return updates * VAE.batch

    def update(self, x: Tensor) -> None:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + (0.5 * log_variance).exp() * self.noise.normal(*mean.shape)[0]
        cost = functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        loss = (cost + kl) / len(x)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


class Products:
    """Nothing but the matrix products of one update of that VAE: what no way of writing it can leave out."""

    LAYERS = ((784, 512), (512, 32), (16, 512), (512, 784))

    def __init__(self) -> None:
        noise = Noise((0,), "products")
        self.parts = [
            tuple(
                noise.normal(*shape)[0] for shape in ((VAE.batch, wide), (narrow, wide), (VAE.batch, narrow))
            )
            for wide, narrow in self.LAYERS
        ]

    @classmethod
    def flop(cls) -> int:
        """Of one image: forwards, the weights' gradients, and the inputs' but for the first layer."""
        sizes = [2 * wide * narrow for wide, narrow in cls.LAYERS]
        return 3 * sum(sizes) - sizes[0]

    def __call__(self, images: int) -> int:
        updates = max(images // VAE.batch, 1)
        for _ in range(updates):
            for place, (x, weight, gradient) in enumerate(self.parts):
                x @ weight.T, gradient.T @ x
                if place:
                    gradient @ weight
        return updates * VAE.batch


class PlainWGAN:
    """WGAN-GP as a script of PyTorch's own parts: fakes detached, the penalty by ``autograd.grad``, its Adam."""

    def __init__(self, points: Tensor, config: wgan_gp.Config) -> None:
        self.points, self.config, self.noise = points, config, Noise((0,), "script")
        self.generator, self.critic = (_mlp(config.hidden, out) for out in (2, 1))
        betas = (config.beta1, config.beta2)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), lr=config.lr, betas=betas)
            for net in (self.generator, self.critic)
        ]

    def __call__(self, updates: int) -> int:
        """Updates of the critic; after every fifth one of the generator."""
        rounds, size = max(updates // self.config.critic_steps, 1), self.config.batch_size
        for _ in range(rounds):
            for _ in range(self.config.critic_steps):
                now = self.noise.integers(len(self.points), size)[0]
                self.update_critic(self.points[now])
            loss = -self.critic(self.generator(self.noise.normal(size, 2)[0])).mean()
            self._descend(0, loss)
        return rounds * self.config.critic_steps

    def update_critic(self, real: Tensor) -> None:
        fake = self.generator(self.noise.normal(len(real), 2)[0]).detach()
        share = self.noise.uniform(len(real), 1)[0]
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = (slope.norm(dim=1) - 1).square().mean()
        loss = self.critic(fake).mean() - self.critic(real).mean() + self.config.penalty * penalty
        self._descend(1, loss)

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimisers[which].zero_grad()
        loss.backward()
        self.optimisers[which].step()


def _mlp(hidden: Sequence[int], out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((2, *hidden)):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], out))


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed-trainers").values[0]
    for name in ("rounds", "images", "updates", "seeds"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    threads.use(1)
    found: dict[str, list[dict[str, Any]]] = {}
    if "vae" in options.only:
        found["VAE 784-512-16, batch 128"] = measure(
            of_vae(options), options.rounds, options.images, "images"
        )
    for width in WIDTHS if "wgan-gp" in options.only else ():
        updates = options.updates if width < 512 else max(options.updates // 4, 1)
        name = f"WGAN-GP 3×{width}, batch 256"
        found[name] = measure(of_wgan(options, width), options.rounds, updates, "critic updates")
    figures = {"flop": Products.flop(), "contenders": found}
    about = "\n".join([*told(found), f"one thread, {options.rounds} rounds"])
    keep("speed-trainers", options.root, options.out, figures, table(found), about)
    return 0


WAYS: tuple[tuple[str, bool, Machine], ...] = (  # name, whether with several seeds, how computed
    ("ours, --compile off", False, Machine(compile="off")),
    ("ours", False, Machine(compile="on")),
    ("ours", True, Machine(compile="on")),
)


def of_vae(options: Options) -> list[Contender]:
    """The plain script first: the others are compared with it."""
    pixels = Noise((0,), "images").integers(256, 10_000, 1, 28, 28)[0].to(torch.uint8)
    data = Images("noise", pixels.numpy(), pixels[:1].numpy())
    plain = PlainVAE(pixels.flatten(1).float() / 255)
    found = [Contender("plain PyTorch script", 1, plain, {}, {})]
    return [*found, *ours("vae", VAE, data, options.seeds, VAE.batch),
            Contender("its matrix products alone", 1, Products(), {}, {})]  # fmt: skip


def of_wgan(options: Options, width: int) -> list[Contender]:
    """The same for the WGAN-GP, with the settings of the authors' gan_toy.py but for the width."""
    preset = {name: value for name, value in wgan_gp.TOY.items() if name not in ("hidden", "steps")}
    config = replace(wgan_gp.Config(hidden=(width,) * 3), **preset)
    points = Noise((0,), "points").normal(100_000, 2)[0]
    data = Points("noise", points.numpy(), points[:1].numpy())
    found = [Contender("plain PyTorch script", 1, PlainWGAN(points, config), {}, {})]
    return [*found, *ours("wgan-gp", config, data, options.seeds, config.critic_steps)]


def ours(algorithm: str, config: Any, data: Dataset, seeds: int, count: int) -> list[Contender]:
    """Every way of ours; ``count``: units of one seed in one update."""
    made: list[Contender] = []
    for name, several, machine in WAYS:
        run = Ours(algorithm, config, data, seeds if several else 1, machine, count)
        made.append(Contender(name, seeds if several else 1, run, run.facts, {}))
    return made


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The figures as Markdown."""
    header = ("what", "by", "seeds", "per second, all seeds", "× plain script [least, most]")
    rows = []
    for what, contenders in found.items():
        unit = "images" if what.startswith("VAE") else "critic updates"
        for row in contenders:
            ratio, speed = row["ratio"], row["per_second"]["median"]
            between = f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]"
            rows.append((what, row["name"], str(row["seeds"]), f"{speed:,.0f} {unit}", between))
    return markdown(header, rows, right=(2, 3))


def told(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The marks, and whether they are reached."""
    lines = []
    for what, contenders in found.items():
        speed, ratio = (
            max(row[key]["median"] for row in contenders if row["name"] == "ours")
            for key in ("per_second", "ratio")
        )
        if what.startswith("VAE"):
            products = contenders[-1]["per_second"]["median"]
            lines.append(
                f"{what}: {speed:,.0f} images/s, mark {VAE_MARK:,}; its matrix products alone {products:,.0f} images/s "
                f"({products * Products.flop() / 1e9:.0f} GFLOP/s), a share of {speed / products:.0%}"
            )
        else:
            lines.append(f"{what}: {ratio:.2f} × the plain script, mark {GAN_MARK}")
    return lines
