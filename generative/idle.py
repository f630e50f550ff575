"""When an option of a trainer or of the data does nothing, as data for core.idle."""

from core.config import Settings
from core.idle import Idle, idle
from generative.adversarial import SMALL
from generative.build import kind_of
from generative.files import Dataset, Images, Text
from generative.pairs import KNOWN
from generative.points import MIXTURES

_KINDS = ("plain", "denoising", "sparse", "contractive")
_MLP = [{"net": ["mlp"]}, {"net": ["auto"], "the data are": ["points", "small images"]}]
_CONVOLUTIONS = [{"net": ["conv", "dcgan"]}, {"net": ["auto"], "the data are": ["images"]}]

IDLE: Idle = {
    "lr_end": [{"schedule": ["constant"]}],
    "hidden": _CONVOLUTIONS,
    "activation": _CONVOLUTIONS,
    "width": _MLP,
    "norm": _MLP,
    "norm_generator": _MLP,
    "penalty": [{"constraint": ["clip"]}],
    "clip": [{"constraint": ["penalty"]}],  # of a critic's weights; a gradient's is always on
    "beta1": [{"optimiser": ["rmsprop"]}],
    "beta2": [{"optimiser": ["rmsprop"]}],
    "warmup": [{"beta": [0]}],
    "corruption": [{"kind": [kind for kind in _KINDS if kind != "denoising"]}],
    "strength": [{"kind": [kind for kind in _KINDS if kind != "denoising"]}],
    "rho": [{"kind": [kind for kind in _KINDS if kind != "sparse"]}],
    "sparsity": [{"kind": [kind for kind in _KINDS if kind != "sparse"]}],
    "contraction": [{"kind": [kind for kind in _KINDS if kind != "contractive"]}],
    "binarise": [{"the data are": ["points"]}, {"data": ["binarized-mnist"]}],
    "data_dir": [{"data": ["digits", "swiss-roll", "sentences", *KNOWN, *MIXTURES]}],
    "lines": [{"the data are": ["points", "small images", "images", "pairs"]}],
    "heads": [{"net": ["lstm", "gru"]}],
    "layers": [{"net": ["lstm", "gru"], "the data are": ["pairs"]}],  # of a translator: one on each side
    "dropout": [{"net": ["lstm", "gru"], "the data are": ["pairs"]}, {"net": ["lstm", "gru"], "layers": [1]}],
    "positions": [{"net": ["lstm", "gru"]}],
    "characters": [{"the data are": ["lines"]}],
    "attention": [{"net": ["transformer", "gpt"]}],
    "reverse": [{"net": ["transformer", "gpt"]}],
}


def unused(settings: Settings, dataset: Dataset) -> list[str]:
    """A line for every flag that does nothing with these settings and data."""
    small = isinstance(dataset, Images) and max(dataset.train.shape[1:]) <= SMALL
    lines = isinstance(dataset, Text) and dataset.lines
    kind = "small images" if small else "lines" if lines else kind_of(dataset)
    return idle(settings, IDLE, {"the data are": kind})
