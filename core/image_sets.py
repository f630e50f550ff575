"""The image data sets of the lab by name: found on this machine or fetched, their checksums tested."""

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pooch
from sklearn.datasets import load_digits

from core import images
from core.errors import UserError, nearest
from core.images import Images

Part: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Pixels [N, C, H, W] and labels [N]."""


@dataclass(frozen=True)
class Idx:
    """Where the IDX files of a data set are fetched from, and what they must be."""

    url: str
    sha256: dict[str, str]  # of the uncompressed files, so it holds for every mirror
    classes: tuple[str, ...] = ()  # names of the labels, where they are more than digits


IDX: dict[str, Idx] = {
    "mnist": Idx(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": Idx(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
        (
            "t-shirt",
            "trousers",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
    ),
}


def load(name: str, data_dir: str = "", size: int = 0, channels: int = 0) -> Images:
    """The data set of that name, or a person's own images: a folder, an .npy or an .npz file.

    Args:
        data_dir: folder with the files of a named one; empty: $LAB_DATA/<name>, then the download cache.
        size, channels: see ``core.images.read``.

    Raises:
        UserError: no such data set (the nearest is named), or its files are missing or wrong.
    """
    if name in LOADERS:
        found = LOADERS[name](name, data_dir)
        if not (size or channels):
            return found
        train, test = (images.as_pixels(part, size, channels, name) for part in (found.train, found.test))
        return replace(found, train=train, test=test)
    if Path(name).suffix in (".npy", ".npz") or "/" in name or Path(name).is_dir():
        return images.read(Path(name).expanduser(), size, channels)
    raise UserError(f"unknown data set {name!r}{nearest(name, LOADERS)}")


def labelled(found: Images) -> tuple[Part, Part, tuple[str, ...]]:
    """Images and labels to train on and to test, the labels counted from 0 without gaps, and a name for each.

    Raises:
        UserError: it has no labels, images of no class, or a single class.
    """
    if found.train_labels is None or found.test_labels is None:
        raise UserError(
            f"{found.name} has no labels; put the images of each class into a folder of its own, or whole numbers "
            "into an .npz as 'labels', or as 'train_labels' and 'test_labels'"
        )
    labels, places = np.unique(np.concatenate([found.train_labels, found.test_labels]), return_inverse=True)
    if labels[0] < 0:
        raise UserError(f"{found.name} has images of no class: labels are 0 or more, or folders of pictures")
    if len(np.unique(found.train_labels)) < 2:
        raise UserError(
            f"{found.name} has one class, {found.train_labels[0]}; telling classes takes two or more"
        )
    names = tuple(found.classes[label] if label < len(found.classes) else str(label) for label in labels)
    train, test = np.split(places.astype(np.int64), [len(found.train_labels)])
    return (found.train, train), (found.test, test), names


def digits(name: str, data_dir: str) -> Images:
    """scikit-learn's digits; their grey values 0 … 16 are scaled to 0 … 255; 297 of 1,797 are held out."""
    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return images.split(name, pixels, bunch.target.astype(np.int64), held_out=297)


def idx(name: str, data_dir: str) -> Images:
    source = IDX[name]
    parts = [idx_file(name, data_dir, source, file) for file in source.sha256]
    train, train_labels, test, test_labels = parts
    labels = (train_labels.astype(np.int64), test_labels.astype(np.int64))
    return Images(name, train[:, None], test[:, None], *labels, classes=source.classes)


def idx_file(name: str, data_dir: str, source: Idx, file: str) -> np.ndarray:
    """One IDX file, found or fetched, whose uncompressed bytes have the checksum they should."""
    path = find(name, data_dir, (file, file + ".gz")) or _fetch(name, source.url + file + ".gz")
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path} ({error}); delete it and it is fetched again") from None
    if hashlib.sha256(raw).hexdigest() != source.sha256[file]:
        raise UserError(
            f"{path} is not {name}'s {file}: its checksum differs; delete it and it is fetched again"
        )
    axes = raw[3]  # two zero bytes, the type (8: uint8), the number of axes, then their lengths, big-endian
    shape = np.frombuffer(raw, dtype=">u4", count=axes, offset=4).astype(int)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape).copy()  # may be written to


LOADERS: dict[str, Callable[[str, str], Images]] = {"digits": digits, "mnist": idx, "fashion-mnist": idx}


def find(name: str, data_dir: str, names: Sequence[str]) -> Path | None:
    """The first of these files that is in --data-dir, $LAB_DATA/<name> or the download cache; None: nowhere."""
    folder = name.replace("-", "_")
    if data_dir:
        places = [Path(data_dir).expanduser() / folder, Path(data_dir).expanduser()]
    else:
        places = [_cache(name)]
        if os.environ.get("LAB_DATA"):
            places.insert(0, Path(os.environ["LAB_DATA"]) / folder)
    for path in (place / file for place in places for file in names):
        if path.is_file():
            return path
    if data_dir:
        raise UserError(
            f"--data-dir {data_dir} holds no {names[0]} of {name}, neither there nor in {folder}/"
        )
    return None


def _cache(name: str) -> Path:
    return Path(pooch.os_cache("lab")) / name.replace("-", "_")


def _fetch(name: str, url: str) -> Path:
    pooch.get_logger().setLevel(logging.WARNING)
    folder = _cache(name)
    try:
        return Path(pooch.retrieve(url, known_hash=None, fname=url.rsplit("/", 1)[1], path=folder))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise UserError(
            f"{name} is not on this machine and cannot be fetched ({type(error).__name__}: {url}); "
            f"put its IDX files into $LAB_DATA/{name.replace('-', '_')} or name their folder with --data-dir"
        ) from None
