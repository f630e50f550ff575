"""Images as data: what a set of them is, and a person's own files: a folder of pictures, or arrays in .npy and .npz."""

import os
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from core.errors import UserError
from core.noise import Noise

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
NAMED_AT_MOST = 5
HELD_OUT = 0.1


@dataclass(frozen=True)
class Images:
    """One data set in memory: uint8 pixels ``[N, C, H, W]``, and int64 labels ``[N]`` where there are any."""

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()  # what was skipped or changed while reading, for the person to see
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, …, where they have names


def read(path: Path, size: int, channels: int) -> Images:
    """A folder of pictures, an .npy or an .npz file as a data set.

    ``train`` and ``test`` are two subfolders, or two arrays of an .npz; where there is no ``test``, a tenth
    is held out, the same tenth every time. Subfolders of pictures are classes.

    Args:
        path: the folder or file.
        size: side of the square the images are resized to; 0: as they are.
        channels: 1 (grey) or 3 (colour); 0: as they are.

    Raises:
        UserError: nothing readable, sizes that differ, or values that are no pixels.
    """
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    if path.is_dir():
        return _folder(path, size, channels)
    arrays, labels = _arrays(path)
    pixels = {part: as_pixels(array, size, channels, f"{path}:{part}") for part, array in arrays.items()}
    if len({array.shape[1:] for array in pixels.values()}) > 1:
        raise UserError(f"{path}: the images of train and test differ in shape; pass --size and --channels")
    for part, values in labels.items():
        if values.shape != pixels[part].shape[:1]:
            raise UserError(f"{path}: {len(pixels[part])} {part} images but labels of shape {values.shape}")
    return _divide(path.stem, pixels, labels)


def _divide(
    name: str, pixels: dict[str, np.ndarray], labels: dict[str, np.ndarray], notes: tuple[str, ...] = ()
) -> Images:
    if "test" in pixels:
        return Images(name, pixels["train"], pixels["test"], labels.get("train"), labels.get("test"), notes)
    return split(
        name, pixels["train"], labels.get("train"), max(1, round(HELD_OUT * len(pixels["train"]))), notes
    )


def split(
    name: str, pixels: np.ndarray, labels: np.ndarray | None, held_out: int, notes: tuple[str, ...] = ()
) -> Images:
    """Hold out ``held_out`` images for testing: the same ones every time, whatever the run's seed."""
    if not 0 < held_out < len(pixels):
        raise UserError(
            f"{name}: {len(pixels)} images are too few to hold out {held_out} of them for testing"
        )
    order = Noise((0,), "held out").permutation(len(pixels))[0].numpy()
    test, train = np.sort(order[:held_out]), np.sort(order[held_out:])
    if labels is None:
        return Images(name, pixels[train], pixels[test], notes=notes)
    return Images(name, pixels[train], pixels[test], labels[train], labels[test], notes)


def _arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays of images and of labels, each under ``train`` and perhaps ``test``."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"train": loaded}, {}
            held = {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        reason = (str(error).splitlines() or ["empty"])[0]
        raise UserError(f"{path} is not a readable array of numbers ({reason})") from None
    labels = {
        part: held.pop(key).astype(np.int64).reshape(-1)
        for part, keys in {"train": ("train_labels", "labels"), "test": ("test_labels",)}.items()
        for key in keys
        if key in held and held[key].dtype.kind in "iu"
    }
    if "train" not in held and (len(held) == 1 or "images" in held):
        held = {"train": held["images"] if "images" in held else next(iter(held.values()))}
    if "train" not in held:
        raise UserError(
            f"{path} holds {', '.join(held) or 'nothing'}; name the arrays 'train' and 'test', or 'images'"
        )
    return {part: held[part] for part in ("train", "test") if part in held}, labels


def as_pixels(array: np.ndarray, size: int, channels: int, source: str) -> np.ndarray:
    """Any usual layout and range as uint8 ``[N, C, H, W]``.

    ``[N, H, W]``, ``[N, H, W, C]`` and ``[N, C, H, W]`` are told apart by where 1 or 3 stands; floats and
    booleans are taken as 0 … 1, integers as 0 … 255.
    """
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not array.size:
        raise UserError(
            f"{source} has shape {array.shape}; images are [N, H, W], [N, H, W, C] or [N, C, H, W], C 1 or 3"
        )
    scale = 255 if array.dtype.kind in "fb" else 1
    if array.dtype.kind not in "fbiu" or not np.isfinite(array).all():
        bad = 0 if array.dtype.kind not in "f" else int((~np.isfinite(array)).any(axis=(1, 2, 3)).sum())
        raise UserError(
            f"{source} of type {array.dtype} is not all numbers ({bad} images hold NaN or infinity)"
        )
    if array.min() < 0 or array.max() * scale > 255:
        raise UserError(
            f"{source} runs from {array.min():g} to {array.max():g}; integers are 0 to 255, floats 0 to 1"
        )
    pixels = (
        np.rint(array * scale).astype(np.uint8) if array.dtype.kind == "f" else array.astype(np.uint8) * scale
    )
    pixels = pixels.astype(np.uint8)
    if (size in (0, pixels.shape[2]) and size in (0, pixels.shape[3])) and channels in (0, pixels.shape[1]):
        return np.ascontiguousarray(pixels)
    mode = {1: "L", 3: "RGB"}[channels or pixels.shape[1]]
    pictures = (Image.fromarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)) for one in pixels)
    return np.stack([_pixels(picture, size, mode) for picture in pictures])


def _pixels(picture: Image.Image, size: int, mode: str) -> np.ndarray:
    """uint8 ``[C, H, W]``, resized to a square of ``size`` unless that is 0."""
    picture = picture.convert(mode)
    if size and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _folder(folder: Path, size: int, channels: int) -> Images:
    parts = [part for part in ("train", "test") if (folder / part).is_dir()]
    roots = {part: folder / part for part in parts} if parts == ["train", "test"] else {"train": folder}
    found = {part: _pictures(root) for part, root in roots.items()}
    skipped = [f"{name} ({reason})" for part in found.values() for name, reason in part.broken]
    total = sum(len(part.pictures) for part in found.values()) + len(skipped)
    if total == len(skipped):
        what = (
            "no image files"
            if not total
            else f"none of its {total} image files can be read, e.g. {skipped[0]}"
        )
        raise UserError(f"{folder}: {what}; known endings: {' '.join(SUFFIXES)}")
    every = [picture for part in found.values() for picture in part.pictures]
    colour = any(picture.mode not in ("1", "L", "LA", "I", "I;16", "F") for _, picture in every)
    mode = {1: "L", 3: "RGB"}[channels or (3 if colour else 1)]
    _one_size(every, size)
    pixels = {
        part: np.stack([_pixels(picture, size, mode) for _, picture in content.pictures])
        for part, content in found.items()
        if content.pictures
    }
    classes = sorted({path.parent.name for part, root in roots.items() for path, _ in found[part].pictures
                      if path.parent != root})  # fmt: skip
    labels = {}
    if len(classes) > 1:
        labels = {
            part: np.array([classes.index(path.parent.name) if path.parent.name in classes else -1
                            for path, _ in content.pictures], dtype=np.int64)
            for part, content in found.items()
        }  # fmt: skip
    notes = (_skipped(folder, skipped, total),) if skipped else ()
    return replace(_divide(folder.name, pixels, labels, notes), classes=tuple(classes) if labels else ())


@dataclass(frozen=True)
class _Found:
    pictures: list[tuple[Path, Image.Image]]
    broken: list[tuple[str, str]]


def _pictures(folder: Path) -> _Found:
    pictures: list[tuple[Path, Image.Image]] = []
    broken: list[tuple[str, str]] = []

    def gone(error: OSError) -> None:
        """A folder that cannot be read, or that vanished since it was seen."""
        broken.append((os.path.relpath(error.filename, folder), error.strerror or type(error).__name__))

    for path in sorted(Path(at) / name for at, _, names in os.walk(folder, onerror=gone) for name in names):
        if path.suffix.lower() not in SUFFIXES or (path.exists() and not path.is_file()):
            continue
        try:
            with Image.open(path) as picture:
                picture.load()
                pictures.append((path, picture.copy()))
        except (
            UnidentifiedImageError,
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            reason = (
                "not an image"
                if isinstance(error, UnidentifiedImageError)
                else (error.strerror if isinstance(error, OSError) else None)
                or (str(error).splitlines() or [type(error).__name__])[0]
            )
            broken.append((path.relative_to(folder).as_posix(), reason))
    return _Found(pictures, broken)


def _one_size(pictures: list[tuple[Path, Image.Image]], size: int) -> None:
    first_path, first = pictures[0]
    for path, picture in pictures:
        if not size and picture.size != first.size:
            raise UserError(
                f"images differ in size: {first_path.name} is {first.size[0]}x{first.size[1]}, {path.name} "
                f"{picture.size[0]}x{picture.size[1]}; --size N resizes all to N x N"
            )


def _skipped(folder: Path, skipped: list[str], total: int) -> str:
    more = f" and {len(skipped) - NAMED_AT_MOST} more" if len(skipped) > NAMED_AT_MOST else ""
    return f"{folder}: {len(skipped)} of {total} files skipped: {', '.join(skipped[:NAMED_AT_MOST])}{more}"


def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel of uint8 ``[N, C, H, W]``, as of [0, 1]: ``[C, 1, 1]``, never 0."""
    counts = np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    share, level = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = share @ level
    deviation = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
    scale = np.where(deviation > 1e-6, deviation, 1.0)
    return mean[:, None, None].astype(np.float32), scale[:, None, None].astype(np.float32)
