"""Mode collapse: GAN beside WGAN-GP on mixtures of Gaussians, counted as Lin et al. 2018 (PacGAN) count.

The same networks for both, ten seeds trained together, 2,500 samples at the end; a mode is covered by one sample
within three standard deviations of its centre. All make as many updates of the generator; WGAN-GP makes three of its
critic for each, whose penalty has the weight of the authors' toy experiments. The GAN is trained twice: as GANs
usually are, and with the step size and the critic updates that were found for WGAN-GP.
"""

from collections.abc import Mapping

from core.cells import Cell, Mark, Measure, Tier

SETTINGS = {
    "gan": "--critic-steps 1 --lr 1e-3 --beta1 0.5",
    "gan-alike": "--critic-steps 3 --lr 2e-3 --beta1 0.5 --beta2 0.9",
    "wgan-gp": "--critic-steps 3 --lr 2e-3 --beta1 0.5 --penalty 0.1",
}
TITLES = {"gan": "GAN", "gan-alike": "GAN with WGAN-GP's step size and critic updates", "wgan-gp": "WGAN-GP"}
NETS = "--net mlp --hidden 64 64 64 --activation relu --latent 2 --batch-size 64 --schedule linear"
SEEDS = "--seeds 0 1 2 3 4 5 6 7 8 9"
STEPS = {"ring": 10_000, "grid": 10_000}  # updates of the generator
MODES = {"ring": 8, "grid": 25}
MARKS = {("wgan-gp", "grid"): Mark("≥", 24)}

# Lin et al. 2018, tables 1 and 2: their own run of a GAN with other networks, mean ± standard error of ten.
PACGAN = {
    "ring": {"modes": "6.3 ± 0.5", "high_quality": "0.982 ± 0.002", "reverse_kl": "0.45 ± 0.09"},
    "grid": {"modes": "17.3 ± 0.8", "high_quality": "0.948 ± 0.007", "reverse_kl": "0.70 ± 0.07"},
}


def _cell(name: str, data: str) -> Cell:
    words = {
        "modes": f"modes of {MODES[data]}",
        "high_quality": "high-quality share",
        "reverse_kl": "reverse KL",
    }
    algorithm = name.removesuffix("-alike")
    published = PACGAN[data] if name == "gan" else {}
    return Cell(
        f"{TITLES[name]} on {data}",
        {
            "smoke": Tier("--steps 40 --seeds 0 1", judged=False),
            "table": Tier(f"--steps {STEPS[data]} {SEEDS}"),
        },
        train=f"{algorithm} --data {data} --preset none {NETS} {SETTINGS[name]}",
        measures=tuple(
            Measure(
                f"final/{measure}",
                what,
                MARKS.get((name, data)) if measure == "modes" else None,
                f"{published[measure]} s.e. (PacGAN's GAN)" if published else "",
            )
            for measure, what in words.items()
        ),
    )


CELLS: Mapping[str, Cell] = {
    f"collapse-{name}-{data}": _cell(name, data) for data in MODES for name in SETTINGS
}
