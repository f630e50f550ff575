"""The cells of `lab bench trainers`: generative models against what is known of their data or published of them."""

from collections.abc import Callable

from core.cells import Cell, Measure, Suite, Tier
from core.errors import UserError
from generative import collapse
from generative.data import Data, load


def needs(data: str) -> Callable[[], str]:
    """For ``Cell.absent``: why a data set cannot be read here, if so."""

    def why() -> str:
        try:
            load(Data(data=data))
        except UserError as error:
            return str(error)
        return ""

    return why


def _autoencoder(kind: str, data: str, words: str) -> Cell:
    """What is lost by making images again from their codes, and from codes of images with a quarter put out."""
    return Cell(
        f"{kind} autoencoder on {data}, cross-entropy in nats per test image",
        {
            "smoke": Tier("--steps 60 --eval-every 30 --seeds 0 1", judged=False),
            "table": Tier(words),
        },
        train=f"ae --data {data} --preset lab --kind {kind}",
        measures=(
            Measure("final/reconstruction", "of the image"),
            Measure("final/denoising", "of it corrupted"),
        ),
        absent=needs(data),
    )


KINDS = ("plain", "denoising", "sparse", "contractive")
AUTOENCODERS = {
    f"ae-{kind}-{data}": _autoencoder(kind, data, words)
    for data, words in (("digits", "--seeds 0 1 2 3 4"), ("mnist", "--steps 2000 --seeds 0 1 2"))
    for kind in KINDS
    if (kind, data) != ("contractive", "mnist")  # a backward pass per unit of the code: hours
}


def _pictures(algorithm: str, preset: str, measure: Measure) -> Cell:
    """A grid of samples to look at, and how long it took; the numbers do not say whether a person accepts it."""
    return Cell(
        f"{algorithm} with a DCGAN's networks on MNIST",
        {
            "smoke": Tier("--steps 10 --eval-every 0 --width 8 --seeds 0 1", judged=False),
            "table": Tier("--seeds 0"),
        },
        train=f"{algorithm} --data mnist --preset {preset}",
        measures=(measure,),
        absent=needs("mnist"),
    )


BOTH = {"smoke": Tier(judged=False), "table": Tier()}
PLAYERS = {
    "vanishing": Cell("Data and samples apart", BOTH, figures="generative.vanishing:figures"),
    "sensitivity": Cell("Step size and first weights", BOTH, figures="generative.sensitivity:figures"),
    "gan-mnist": _pictures("gan", "dcgan", Measure("final/accuracy", "the critic's accuracy")),
    "wgan-gp-mnist": _pictures("wgan-gp", "lab", Measure("final/wasserstein", "distance by the critic")),
}

TRAINERS = Suite("trainers", "generative.cells:TRAINERS", {**AUTOENCODERS, **collapse.CELLS, **PLAYERS})
