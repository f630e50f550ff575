"""`lab bench SUITE`: the figures of generative models that the README quotes, made again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import config as settings_file
from core import suites
from core.errors import UserError
from core.fingerprint import hash_of
from core.records import Record, scan
from core.sessions import recorded
from core.statistics import student_interval
from generative import speed, train
from generative.build import module_of
from generative.cells import TRAINERS
from generative.evaluate import load

SUITES: dict[str, str] = {
    "trainers": "generative models against what is known of their data: --tier smoke (minutes), table (hours)",
    "speed-trainers": "VAE images and WGAN-GP critic updates a second, ours and plain PyTorch scripts' (minutes)",
    "vae-mnist": "VAE 784-200-200-50 on binarised MNIST: bound and likelihood after 150 epochs (hours)",
}

TARGET = 88.5  # nats; Burda et al. 2016, table 1, have 86.76 after 3,280 epochs
EPOCH = 60_000  # training images


@dataclass(frozen=True)
class Options:
    seeds: tuple[int, ...] = (0, 1, 2)  # one run each, trained one after the other
    samples: int = 5_000  # importance samples per image
    images: int = 0  # test images, from the first; 0: all 10,000
    steps: int = 90_000  # updates of a hundred images each: 150 epochs
    root: str = "runs"  # where run folders go; finished ones of the same settings are taken as they are
    out: str = ""  # where the figures are kept, seed by seed; empty: vae-mnist.json in the root
    wandb: str = "offline"  # as of `lab train`
    compile: str = "auto"  # as of `lab train`
    threads: int = 1  # of torch


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    return RUN[argv[0]](argv)


def likelihood(argv: Sequence[str]) -> int:
    """`lab bench vae-mnist`."""
    options: Options = settings_file.parse([Options], argv[1:], prog=f"lab bench {argv[0]}").values[0]
    figures = vae_mnist(options)
    for line in report(figures, options):
        print(line)
    return 0


def vae_mnist(options: Options) -> dict[int, dict[str, float]]:
    """Train and evaluate every seed that has no figures yet: seed to ``bound``, ``nll``, ``epochs`` and more.

    May be stopped and started again at any time: runs resume, figures that are there are kept.
    """
    path = Path(options.out or Path(options.root) / "vae-mnist.json")
    key = f"steps {options.steps}, samples {options.samples}, images {options.images or 'all'}"
    kept: dict[str, dict[str, dict[str, float]]] = json.loads(path.read_text()) if path.exists() else {}
    figures = kept.setdefault(key, {})
    for seed in options.seeds:
        if str(seed) in figures:
            continue
        figures[str(seed)] = _figures(_trained(seed, options), options)
        path.write_text(json.dumps(kept, indent=2) + "\n")
    return {seed: figures[str(seed)] for seed in options.seeds}


def _trained(seed: int, options: Options) -> Record:
    """The finished run of this seed, trained now unless it is there."""
    flags = ["--data", "mnist", "--preset", "iwae", "--steps", str(options.steps), "--seeds", str(seed)]
    flags += ["--root", options.root, "--wandb", options.wandb, "--compile", options.compile]
    flags += ["--threads", str(options.threads), "--resume", "auto"]
    if not (done := _finished(seed, flags, options.root)):
        status = train.main(["vae", *flags])
        done = _finished(seed, flags, options.root)
        if status or not done:
            raise UserError(f"seed {seed} did not finish; the same command goes on from its last checkpoint")
    return done


def _finished(seed: int, flags: Sequence[str], root: str) -> Record | None:
    settings = recorded("vae", train.read("vae", module_of("vae"), flags))
    key = hash_of(settings)
    found = [r for r in scan(root) if (r.settings, r.seed, r.status) == (key, seed, "finished")]
    return found[-1] if found else None


def _figures(record: Record, options: Options) -> dict[str, float]:
    model = load([record])
    batch = int(record.config["batch"])
    figures = {
        "bound": model.evaluate(options.images)["eval/bound"].item(),
        "epochs": options.steps * batch / EPOCH,
        "seconds": float(record.run["seconds"]),
    }
    if options.samples:
        figures["nll"] = model.negative_log_likelihood(options.samples, options.images).mean().item()
    return figures


def report(figures: Mapping[int, Mapping[str, float]], options: Options) -> list[str]:
    """The row of the table, all seeds shown."""
    lines = [
        f"VAE on MNIST, dynamic binarisation, 784-200-200-50, nats per test image (target {TARGET} or less)"
    ]
    names: list[Any] = [
        name for name in ("bound", "nll", "epochs", "seconds") if name in next(iter(figures.values()))
    ]
    lines.append("".join(f"{name:>10}" for name in ("seed", *names)))
    for seed, row in figures.items():
        lines.append(f"{seed:>10}" + "".join(f"{row[name]:>10.2f}" for name in names))
    for name in ("bound", "nll"):
        if name in names and len(figures) > 1:
            mean, low, high = student_interval([row[name] for row in figures.values()])
            lines.append(
                f"{name}: {mean:.2f} [{low:.2f}, {high:.2f}] over {len(figures)} seeds, 95 % Student"
            )
    return lines


RUN: dict[str, Callable[[Sequence[str]], int]] = {
    "trainers": lambda argv: suites.main(TRAINERS, argv[1:]),
    "speed-trainers": speed.main,
    "vae-mnist": likelihood,
}
