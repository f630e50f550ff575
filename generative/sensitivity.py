"""How much step size and first weights matter: GAN beside WGAN-GP on the ring, every setting with the same seeds.

The same networks, batches and updates of the generator for both; what is counted is Lin et al. 2018's (PacGAN).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from core.noise import Noise
from core.run_folder import write_json
from core.tables import markdown
from generative.build import module_of, trainer_of
from generative.data import Batches
from generative.metrics import coverage
from generative.points import mixture
from generative.trainer import Trainer

Found: TypeAlias = dict[str, dict[str, list[float]]]
"""Setting to measure to one number per seed."""

DATA = "ring"
SAMPLES = 2_500
SHARED: dict[str, Any] = {
    "net": "mlp",
    "hidden": (64, 64, 64),
    "activation": "relu",
    "latent": 2,
    "batch_size": 64,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "gan": {"critic_steps": 1, "beta1": 0.5},
    "wgan-gp": {"critic_steps": 5, "beta1": 0.5, "penalty": 0.1},
}
MEASURES = {"modes": "modes of 8", "high_quality": "high-quality share"}
RATES = {"smoke": (1e-3,), "table": (1e-5, 1e-4, 1e-3, 1e-2)}
GAINS = {"smoke": (1.0,), "table": (0.25, 1.0, 4.0)}  # times PyTorch's own first weights
STEPS = {"smoke": 30, "table": 3_000}  # updates of the generator
SEEDS = {"smoke": (0, 1), "table": (0, 1, 2)}


def trained(
    algorithm: str, rates: Sequence[float], gains: Sequence[float], tier: str, found: Found, keep: Path
) -> None:
    """Train every setting that is not found yet, write down what it covers.

    One trainer serves all of them: first weights come from a fresh one, so that the compiled updates are used again.
    """
    seeds, steps, data = SEEDS[tier], STEPS[tier], mixture(DATA)
    facts = {"device": "cpu", "path": "vmap", "compile": tier == "table"}
    config = module_of(algorithm).Config(**SHARED, **SETTINGS[algorithm])
    worker: Any = trainer_of(algorithm, config, data, seeds, steps, facts)
    assert data.centres is not None
    for rate, gain in ((rate, gain) for gain in gains for rate in rates):
        key = _key(algorithm, rate, gain)
        if key in found:
            continue
        own = replace(config, lr=rate, gain=gain)
        fresh = trainer_of(algorithm, own, data, seeds, steps, {**facts, "compile": False})
        worker.load_state_dict(fresh.state_dict())
        worker.config = own
        found[key] = _covered(worker, Batches(data.train, seeds, worker.batch, "none"), steps, seeds)
        print(
            f"{key}: " + ", ".join(f"{name} {np.mean(v):.2f}" for name, v in found[key].items()), flush=True
        )
        write_json(keep, found)


def _covered(worker: Trainer, batches: Batches, steps: int, seeds: tuple[int, ...]) -> dict[str, list[float]]:
    """Modes and high-quality share after training; none of either where a seed's weights are no numbers."""
    data = mixture(DATA)
    assert data.centres is not None
    for _ in range(steps):
        worker.step(batches.next())
    points = worker.sample(SAMPLES, Noise(seeds, "sensitivity"))
    counted = coverage(points, torch.from_numpy(data.centres), data.sigma)
    return {name: counted[name].tolist() for name in MEASURES}


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """The cell: goes on with ``sensitivity.json``, writes the maps as ``sensitivity.md``, tells means over settings."""
    keep, rates, gains = folder / "sensitivity.json", RATES[tier], GAINS[tier]
    found: Found = json.loads(keep.read_text()) if keep.exists() else {}
    for algorithm in SETTINGS:
        trained(algorithm, rates, gains, tier, found, keep)
    maps = [
        heat_map(algorithm, measure, rates, gains, found) for algorithm in SETTINGS for measure in MEASURES
    ]
    (folder / "sensitivity.md").write_text("\n\n".join(maps) + "\n")
    rows = []
    for algorithm in SETTINGS:
        own = [found[_key(algorithm, rate, gain)] for rate in rates for gain in gains]
        for measure, words in MEASURES.items():
            scores = np.mean([setting[measure] for setting in own], axis=0).tolist()
            what = f"{algorithm}: {words}, mean of {len(own)} settings"
            rows.append({"what": what, "scores": scores, "failed": 0, "steps": STEPS[tier]})
    return {"rows": rows}


def heat_map(
    algorithm: str, measure: str, rates: Sequence[float], gains: Sequence[float], found: Found
) -> str:
    """A Markdown table: first weights down, step sizes across; mean over seeds and, where they differ, the range."""
    header = [f"{algorithm}: {MEASURES[measure]}", *(f"lr {rate:g}" for rate in rates)]
    rows = []
    for gain in gains:
        cells = (np.array(found[_key(algorithm, rate, gain)][measure]) for rate in rates)
        rows.append([f"first weights ×{gain:g}", *(_shown(cell) for cell in cells)])
    return markdown(header, rows, right=range(1, len(header)))


def _shown(values: NDArray[np.float64]) -> str:
    mean, low, high = (f"{value:.3g}" for value in (values.mean(), values.min(), values.max()))
    return mean if low == high else f"{mean} ({low}–{high})"


def _key(algorithm: str, rate: float, gain: float) -> str:
    return f"{algorithm} lr {rate:g} gain {gain:g}"
