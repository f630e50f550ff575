"""Data sets, and the batches a trainer sees: images ``[seed, batch, C, H, W]`` in [0, 1], or points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core import image_sets, images
from core.errors import UserError, nearest
from core.image_sets import find
from core.noise import Noise, States
from core.order import Order
from generative import pairs, points, texts
from generative.files import Dataset, Images, Text
from generative.trainer import Binarise

DATASETS: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8x8 pixels, part of scikit-learn: nothing to download",
    "mnist": "70,000 handwritten digits of 28x28 pixels (LeCun, Cortes, Burges)",
    "fashion-mnist": "70,000 pieces of clothing of 28x28 pixels (Xiao, Rasul, Vollgraf 2017)",
    "binarized-mnist": "MNIST binarised once (Larochelle & Murray 2011): black and white, 60,000 to train on",
    "ring": "8 Gaussians on a circle of radius 1, sigma 0.01 (as in PacGAN); 100,000 points in the plane",
    "grid": "25 Gaussians at {-4, -2, 0, 2, 4}², sigma 0.05 (as in PacGAN); 100,000 points",
    "ring-wgan-gp": "the ring of WGAN-GP's toy experiments: radius 2, sigma 0.02, then divided by 1.414",
    "grid-wgan-gp": "the grid of WGAN-GP's toy experiments: PacGAN's, divided by 2.828",
    "swiss-roll": "a spiral with noise of 0.25, divided by 7.5 (as in WGAN-GP); 100,000 points",
    "sentences": "5,000 sentences of a small grammar, made when asked for: a text that needs nothing",
    "shakespeare": "1,115,394 characters of Shakespeare's plays (Karpathy's tiny Shakespeare): one long text",
    "names": "32,033 given names, one per line (Karpathy's makemore)",
    "FILE.txt": "your own text in UTF-8, of any ending; --lines: every line is an example by itself",
    "dates": "22,000 days in 11 ways to write them, and as ISO has them: made when asked for",
    "addition": "22,000 sums of two numbers below 1,000, and their values: made when asked for",
    "addition-2": "5,000 sums of two numbers below 100 (as in Keras' example): made when asked for",
    "sort": "all 729 texts of six digits 0 to 2, and the same in order (as in minGPT's demo)",
    "sort-10": "22,000 texts of ten digits 0 to 9, and the same in order: made when asked for",
    "reversal": "22,000 texts of 5 to 15 letters, and the same read backwards: made when asked for",
    "FILE.tsv": "your own pairs of texts: a source, a tab and its target in every line",
    "FOLDER": "a folder of images, e.g. --data photos/; subfolders are classes, or train/ and test/",
    "FILE.npy": "your own array [N, H, W] or [N, H, W, C] or [N, C, H, W]; 0..255, or floats in 0..1",
    "FILE.npz": "your own arrays 'train' and 'test', or 'images'; 'labels' may stand beside them",
}


@dataclass(frozen=True)
class Data:
    data: str = "digits"  # a name that lab list shows, e.g. mnist or ring; a folder, an .npy or .npz file
    data_dir: str = ""  # folder with the data set's files; empty: $LAB_DATA/<name>, then the download cache
    size: int = 0  # resize images to squares of this many pixels; 0: as they are
    channels: int = 0  # 1 grey, 3 colour; 0: as they are
    lines: bool | None = None  # of a text: every line is an example by itself; None: of names and sentences


def load(options: Data) -> Dataset:
    """The data set that ``options.data`` names.

    Raises:
        UserError: no such data set (the nearest is named), or its files are missing or wrong.
    """
    name = options.data
    if name in pairs.KNOWN or Path(name).suffix == ".tsv":
        if options.size or options.channels:
            raise UserError(f"{name} is pairs of texts; --size and --channels are for images")
        return pairs.load(name)
    own = Path(name).expanduser().is_file() and Path(name).suffix not in (".npy", ".npz")
    if name in texts.KNOWN or own or (Path(name).suffix == ".txt" and name not in LOADERS):
        if options.size or options.channels:
            raise UserError(f"{name} is a text; --size and --channels are for images")
        return _text(name, options.data_dir, options.lines)
    if name in LOADERS:
        found = LOADERS[name](name, options.data_dir)
        if not (options.size or options.channels):
            return found
        if not isinstance(found, Images):
            raise UserError(f"{name} is a set of points; --size and --channels are for images")
        train, test = (
            images.as_pixels(part, options.size, options.channels, name) for part in (found.train, found.test)
        )
        return replace(found, train=train, test=test)
    if Path(name).suffix in (".npy", ".npz") or "/" in name or Path(name).is_dir():
        return images.read(Path(name).expanduser(), options.size, options.channels)
    raise UserError(f"unknown data set {name!r}{nearest(name, LOADERS)}")


def _binarized_mnist(name: str, data_dir: str) -> Images:
    """Train and validation sets together are trained on; only the packed .npz of a local folder is read."""
    path = find(name, data_dir, ("binarized_mnist_packed.npz",))
    if path is None:
        raise UserError(
            f"{name} is not fetched; put binarized_mnist_packed.npz into $LAB_DATA/binarized_mnist"
        )
    with np.load(path, allow_pickle=False) as packed:
        parts = {key: np.unpackbits(packed[key], axis=1)[:, :784] for key in ("train", "valid", "test")}
    pixels = {key: (part * np.uint8(255)).reshape(-1, 1, 28, 28) for key, part in parts.items()}
    return Images(name, np.concatenate([pixels["train"], pixels["valid"]]), pixels["test"])


def _text(name: str, data_dir: str, lines: bool | None = None) -> Text:
    """A known text, or a person's own."""
    if name not in texts.KNOWN:
        path = Path(name).expanduser()
        return texts.divide(path.stem, texts.read(path), bool(lines))
    folder, file, usual = texts.KNOWN[name]
    if not file:
        return texts.divide(name, texts.sentences(), usual if lines is None else lines)
    if (found := find(folder, data_dir, (file,))) is None:
        raise UserError(
            f"{name} is not fetched; put {file} into $LAB_DATA/{folder}, or train on --data sentences or FILE.txt"
        )
    return texts.divide(name, texts.read(found), usual if lines is None else lines)


LOADERS: dict[str, Callable[[str, str], Dataset]] = {
    **image_sets.LOADERS,
    "binarized-mnist": _binarized_mnist,
    **{name: lambda name, data_dir: points.mixture(name) for name in points.MIXTURES},
    "swiss-roll": lambda name, data_dir: points.swiss_roll(name),
    **dict.fromkeys(texts.KNOWN, _text),
    **dict.fromkeys(pairs.KNOWN, lambda name, data_dir: pairs.load(name)),
}


def held_still(pixels: np.ndarray, binarise: Binarise) -> Tensor:
    """uint8 ``[N, C, H, W]`` as float32 in [0, 1]; unless "none", binarised by one lasting draw.

    Points, float32 ``[N, 2]``, and texts, int64, are what they are.
    """
    if pixels.dtype != np.uint8:
        return torch.from_numpy(pixels.copy())
    images = torch.from_numpy(pixels.astype(np.float32)) / 255
    if binarise == "none":
        return images
    return Noise((0,), "binarise once").bernoulli(images[None])[0]


class Batches:
    """Endless batches of the training images or points, every epoch in a new order, each seed in its own.

    Dynamic binarisation draws every pixel anew each time an image is seen. The last images of an epoch that
    do not fill a batch are left out of it.

    Args:
        examples: images, uint8 ``[N, C, H, W]``, or points, float32 ``[N, 2]``.
        seeds: the run's seeds.
        batch: images or points per seed and step.
        binarise: "none", "static" (one draw for the whole run) or "dynamic".
        device: where they are kept and drawn.
    """

    def __init__(
        self,
        examples: np.ndarray,
        seeds: Sequence[int],
        batch: int,
        binarise: Binarise,
        device: str | torch.device = "cpu",
    ) -> None:
        self.images, count = examples.dtype == np.uint8, len(examples)
        if not 0 < batch <= count:
            what = {"u": "images", "f": "points"}.get(examples.dtype.kind, "pairs")
            raise UserError(
                f"an update takes {batch} training {what}, and {count} are there: make it 1 to {count}"
            )
        still = torch.from_numpy(examples.copy())
        if self.images and binarise == "static":
            still = (held_still(examples, "static") * 255).to(torch.uint8)
        self.examples = still.to(device)
        self.batch, self.dynamic = batch, self.images and binarise == "dynamic"
        self.order = Order(count, seeds, batch, device=device)
        self.pixel_noise = Noise(seeds, "binarise", device)

    def next(self) -> Tensor:
        """float32: images ``[seed, batch, C, H, W]`` in [0, 1], or points ``[seed, batch, 2]``."""
        now = self.order.next()
        drawn = self.examples.index_select(0, now.flatten()).view(*now.shape, *self.examples.shape[1:])
        if not self.images:
            return drawn
        images = drawn.float() / 255
        return self.pixel_noise.bernoulli(images) if self.dynamic else images

    def state_dict(self) -> States:
        return [
            {**order, "pixels": pixels}
            for order, pixels in zip(self.order.state_dict(), self.pixel_noise.state_dict(), strict=True)
        ]

    def load_state_dict(self, states: States) -> None:
        """Continue in the middle of an epoch."""
        self.order.load_state_dict(states)
        self.pixel_noise.load_state_dict([state["pixels"] for state in states])
