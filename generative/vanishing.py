"""The generator's gradient against an ever better critic, where data and samples never meet.

Data lie on the segment {0} × [0, 1], samples on {θ} × [0, 1], and θ is all there is to learn (Arjovsky, Chintala,
Bottou 2017, example 1). Their Jensen–Shannon divergence is log 2 whatever θ ≠ 0 is: the better the critic, the less
it tells the minimax generator (Arjovsky & Bottou 2017, theorem 2.4, figure 2). The Wasserstein distance is |θ|, and its
slope 1 everywhere.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.gradients import Metrics, Params
from core.media import write_png
from core.networks.mlp import MLP
from core.noise import Noise
from core.replicas import Replicas
from core.run_folder import write_json
from generative import losses
from generative.adversarial import Critic
from generative.charts import Chart, drawn

Floats = NDArray[np.float64]

DISTANCES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # θ
SHOWN = 1.0  # the distance whose gradients are drawn over the critic's steps
STEPS = {"smoke": 50, "table": 3_000}  # of the critic, at the end
SEEDS = {"smoke": (0, 1), "table": (0, 1, 2, 3, 4)}
PLACES = 14  # at which gradients are looked at on the way
BATCH, RATE, PENALTY = 128, 1e-3, 10.0

GENERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "minimax": losses.minimax_generator,
    "non-saturating": losses.non_saturating_generator,
    "Wasserstein": losses.wasserstein_generator,
}


def segments(noise: Noise, distance: float) -> tuple[Tensor, Tensor]:
    """Data and samples, ``[seed, BATCH, 2]`` each."""
    heights = noise.uniform(2, BATCH)
    real, fake = (torch.stack([torch.zeros_like(y), y], dim=-1) for y in heights.unbind(1))
    return real, fake + torch.tensor([distance, 0.0])


def critics(seeds: tuple[int, ...], name: str) -> Replicas:
    return Replicas(
        lambda: Critic(MLP((2, 64, 64, 1), "relu", initialise="default"), (2,)), seeds, name=name, path="vmap"
    )


def cross_entropy(
    net: Replicas, params: Params, real: Tensor, fake: Tensor, share: Tensor
) -> tuple[Tensor, Metrics]:
    """The GAN's critic."""
    loss = losses.cross_entropy_critic(net.apply(params, real), net.apply(params, fake))
    return loss, {"divergence": (math.log(4) - loss) / 2}


def wasserstein(
    net: Replicas, params: Params, real: Tensor, fake: Tensor, share: Tensor
) -> tuple[Tensor, Metrics]:
    """The critic of WGAN-GP."""
    distance = losses.wasserstein_critic(net.apply(params, real), net.apply(params, fake))
    slope = net.apply(params, losses.between(real, fake, share), True)
    penalty = losses.gradient_penalty(losses.gradient_norm(slope, 1))
    return distance + PENALTY * penalty, {"divergence": -distance}


KINDS = {"GAN": (cross_entropy, ("minimax", "non-saturating")), "WGAN-GP": (wasserstein, ("Wasserstein",))}


def gradients(net: Replicas, fake: Tensor, generators: tuple[str, ...]) -> dict[str, Floats]:
    """|∂L/∂θ| of each generator's loss, ``[seed]``: samples move with θ along the first axis."""
    scores = net(fake).requires_grad_(True)
    slope = net(fake, method="slope")[..., 0]
    found = {}
    for name in generators:
        (push,) = torch.autograd.grad(GENERATORS[name](scores).sum(), scores)
        found[name] = (push * slope).sum(-1).abs().double().numpy()
    return found


def measured(distance: float, steps: int, seeds: tuple[int, ...]) -> tuple[list[int], dict[str, Floats]]:
    """Gradients ``[seed, place]`` of every generator while critics train, and what the critics measure at last."""
    places = sorted({round(place) for place in np.geomspace(1, steps, PLACES).tolist()})
    found: dict[str, list[Floats]] = {}
    for kind, (loss, generators) in KINDS.items():
        noise, shares = Noise(seeds, f"vanishing {kind}"), Noise(seeds, "vanishing between")
        net = critics(seeds, kind)
        of_critic = partial(loss, net)
        for step in range(1, steps + 1):
            real, fake = segments(noise, distance)
            told = net.step(of_critic, real, fake, shares.uniform(BATCH), lr=RATE)
            if step in places:
                for name, value in gradients(net, fake, generators).items():
                    found.setdefault(name, []).append(value)
        found[f"divergence of {kind}"] = [told["divergence"].double().numpy()]
    return places, {name: np.stack(values, axis=1) for name, values in found.items()}


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """The cell: writes ``vanishing.png`` and ``vanishing.json``, and tells the gradients at the end."""
    steps, seeds = STEPS[tier], SEEDS[tier]
    everything: dict[float, dict[str, Floats]] = {}
    for distance in DISTANCES:
        places, everything[distance] = measured(distance, steps, seeds)
        print(f"θ = {distance}: " + _told(everything[distance]), flush=True)
    final = {name: np.stack([found[name][:, -1] for found in everything.values()], 1) for name in GENERATORS}
    way = {name: everything[SHOWN][name] for name in GENERATORS}
    charts = [
        Chart(
            f"Gradient of the generator, samples at {SHOWN:g} from the data",
            "updates of the critic",
            places,
            way,
        ),
        Chart(f"and after {steps:,} updates", "distance of samples from data", DISTANCES, final),
    ]
    write_png(folder / "vanishing.png", drawn(charts))
    numbers = {
        str(k): {name: value.tolist() for name, value in found.items()} for k, found in everything.items()
    }
    write_json(folder / "vanishing.json", {"places": places, "distances": numbers})
    return {"rows": [_row(name, everything[SHOWN], steps, tier) for name in MARKS]}


# Of what is found at SHOWN: the best critic under the penalty has slope 1 + θ/2λ = 1.05.
MARKS: dict[str, tuple[str, list[Any] | None]] = {
    "minimax": ("minimax: |∂L/∂θ| at θ = 1", ["≤", 1e-3]),
    "non-saturating": ("non-saturating: |∂L/∂θ| at θ = 1", None),
    "Wasserstein": ("Wasserstein, penalty: |∂L/∂θ| at θ = 1 (exactly 1.05)", ["≥", 0.95]),
    "divergence of GAN": ("Jensen–Shannon divergence by the critic at θ = 1 (exactly 0.693)", ["≥", 0.68]),
    "divergence of WGAN-GP": (
        "Wasserstein distance by the critic at θ = 1 (with the penalty 1.05)",
        ["≥", 0.95],
    ),
}


def _row(name: str, found: Mapping[str, Floats], steps: int, tier: str) -> dict[str, Any]:
    what, mark = MARKS[name]
    row: dict[str, Any] = {"what": what, "scores": found[name][:, -1].tolist(), "failed": 0, "steps": steps}
    return {**row, "mark": mark} if mark and tier == "table" else row


def _told(found: Mapping[str, Floats]) -> str:
    return ", ".join(f"{name} {np.median(value[:, -1]):.2g}" for name, value in found.items())
