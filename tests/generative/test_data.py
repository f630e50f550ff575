"""Data sets, a person's own files, binarisation and batches."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import image_sets
from core.errors import UserError
from generative.data import Batches, Data, held_still, load

needs_lab_data = pytest.mark.skipif(
    not (Path(os.environ.get("LAB_DATA", "")) / "mnist").is_dir() or not os.environ.get("LAB_DATA"),
    reason="LAB_DATA does not name a folder with mnist",
)


def test_digits_are_scaled_and_always_split_the_same_way() -> None:
    images = load(Data())
    assert images.train.shape == (1500, 1, 8, 8)
    assert images.test.shape == (297, 1, 8, 8)
    assert images.train.dtype == np.uint8
    together = np.concatenate([images.train, images.test])
    assert sorted({int(value) for value in np.unique(together)}) == [round(k * 255 / 16) for k in range(17)]
    assert images.train_labels is not None
    assert np.bincount(images.train_labels).min() > 120
    again = load(Data())
    assert (again.test == images.test).all()
    # no image of the digits occurs twice, so the parts must not meet
    assert len(np.unique(together.reshape(1797, -1), axis=0)) == 1797


def test_the_binarised_test_set_never_changes() -> None:
    pixels = load(Data()).test
    once = held_still(pixels, "dynamic")
    assert torch.equal(once, held_still(pixels, "static"))
    assert set(once.unique().tolist()) == {0.0, 1.0}
    assert once.mean().item() == pytest.approx(pixels.mean() / 255, abs=0.005)
    digest = hashlib.sha256(once.numpy().astype(np.uint8).tobytes()).hexdigest()
    assert digest == "9a5b477f1a59dc93f7ba700211e1f85335035543e28ee196fd90e1c050e00293"
    grey = held_still(pixels, "none")
    assert torch.equal((grey * 255).round().to(torch.uint8), torch.from_numpy(pixels))


def numbered(count: int) -> np.ndarray:
    """Images whose every pixel is the image's number."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 1, 2, 2)).copy()


def numbers(batch: torch.Tensor) -> list[list[int]]:
    return [[round(value) for value in row] for row in (batch[:, :, 0, 0, 0] * 255).tolist()]


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    batches = Batches(numbered(10), (0, 1), 5, "none")
    seen = [numbers(batches.next()) for _ in range(4)]
    epochs = [[seen[2 * e][k] + seen[2 * e + 1][k] for e in range(2)] for k in range(2)]
    orders = [epoch for seed in epochs for epoch in seed]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_what_does_not_fill_a_batch_waits_for_the_next_epoch() -> None:
    batches = Batches(numbered(10), (0,), 4, "none")
    first, second, third = (numbers(batches.next())[0] for _ in range(3))
    assert len(set(first + second)) == 8
    assert batches.order.epoch == 1
    assert batches.order.offset == 4
    assert len(third) == 4


def test_dynamic_draws_anew_and_static_does_not() -> None:
    grey = np.full((4, 1, 8, 8), 128, dtype=np.uint8)
    dynamic = Batches(grey, (0, 1), 4, "dynamic")
    one, two = dynamic.next(), dynamic.next()
    assert one.shape == (2, 4, 1, 8, 8)
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    assert one.mean().item() == pytest.approx(128 / 255, abs=0.08)
    assert torch.equal(Batches(grey, (0, 1), 4, "dynamic").next(), one)
    static = Batches(grey, (0,), 4, "static")
    sets = [sorted(tuple(x.flatten().tolist()) for x in static.next()[0]) for _ in range(2)]
    assert sets[0] == sets[1]


def test_a_seed_sees_in_company_what_it_sees_alone() -> None:
    pixels = load(Data()).train[:50]
    company, alone = Batches(pixels, (3, 7), 20, "dynamic"), Batches(pixels, (7,), 20, "dynamic")
    for _ in range(5):
        assert torch.equal(company.next()[1], alone.next()[0])


def test_batches_go_on_in_the_middle_of_an_epoch() -> None:
    pixels = load(Data()).train[:50]
    first = Batches(pixels, (0, 1), 8, "dynamic")
    for _ in range(9):
        first.next()
    state = first.state_dict()
    expected = [first.next() for _ in range(8)]
    second = Batches(pixels, (0, 1), 8, "dynamic")
    second.load_state_dict(state)
    for batch in expected:
        assert torch.equal(second.next(), batch)
    assert (second.order.epoch, second.order.offset) == (first.order.epoch, first.order.offset)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (Data("mnits"), "unknown data set 'mnits'; did you mean 'mnist'?"),
        (Data("no/such/folder"), "no such file or folder: no/such/folder"),
        (Data("nothing.npz"), "no such file or folder: nothing.npz"),
        (Data("mnist", data_dir="/"), "--data-dir / holds no train-images-idx3-ubyte of mnist"),
    ],
)
def test_a_wrong_name_is_one_line(options: Data, line: str) -> None:
    with pytest.raises(UserError, match="^" + line.replace("?", r"\?")) as caught:
        load(options)
    assert "\n" not in str(caught.value)


def test_a_batch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(
        UserError, match="an update takes 11 training images, and 10 are there: make it 1 to 10"
    ):
        Batches(numbered(10), (0,), 11, "none")
    with pytest.raises(UserError, match="takes 0 training images"):
        Batches(numbered(10), (0,), 0, "none")


# --- a person's own files


def picture(path: Path, value: int, size: tuple[int, int] = (9, 8), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path)


def test_a_folder_names_and_counts_what_it_cannot_read(tmp_path: Path) -> None:
    for k in range(20):
        picture(tmp_path / f"{k:02d}.png", k)
    (tmp_path / "broken.png").write_bytes((tmp_path / "03.png").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "notes.txt").write_text("passed over")
    images = load(Data(str(tmp_path)))
    assert images.train.shape == (18, 1, 8, 9)  # H before W
    assert images.test.shape == (2, 1, 8, 9)
    assert sorted(np.concatenate([images.train, images.test])[:, 0, 0, 0].tolist()) == list(range(20))
    (note,) = images.notes
    assert "2 of 22 files skipped" in note
    assert "broken.png" in note
    assert "text.jpg (not an image)" in note


def test_a_folder_of_sizes_asks_for_one(tmp_path: Path) -> None:
    for k in range(11):
        picture(tmp_path / f"{k:02d}.png", 9)
    picture(tmp_path / "wide.png", 9, (12, 8), "RGB")
    with pytest.raises(UserError, match=r"00\.png is 9x8, wide\.png 12x8; --size N"):
        load(Data(str(tmp_path)))
    images = load(Data(str(tmp_path), size=16))
    assert images.train.shape == (11, 3, 16, 16)  # one is coloured, so all are
    assert load(Data(str(tmp_path), size=16, channels=1)).train.shape == (11, 1, 16, 16)


def test_subfolders_are_parts_and_classes(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for k in range(count):
            picture(tmp_path / part / "cat" / f"{k}.png", 10 + k)
            picture(tmp_path / part / "dog" / f"{k}.png", 20 + k)
    images = load(Data(str(tmp_path)))
    assert images.train[:, 0, 0, 0].tolist() == [10, 11, 12, 20, 21, 22]
    assert images.test[:, 0, 0, 0].tolist() == [10, 11, 20, 21]
    assert images.train_labels is not None
    assert images.test_labels is not None
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.test_labels.tolist() == [0, 0, 1, 1]


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image files; known endings"):
        load(Data(str(tmp_path)))
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(UserError, match="none of its 1 image files can be read"):
        load(Data(str(tmp_path)))


@pytest.mark.parametrize(
    ("array", "shape", "first"),
    [
        (np.full((20, 5, 6), 7, np.uint8), (18, 1, 5, 6), 7),
        (np.full((20, 5, 6, 3), 7, np.int64), (18, 3, 5, 6), 7),
        (np.full((20, 3, 5, 6), 0.2, np.float32), (18, 3, 5, 6), 51),
        (np.ones((20, 5, 6), np.bool_), (18, 1, 5, 6), 255),
    ],
)
def test_arrays_of_any_usual_kind(
    tmp_path: Path, array: np.ndarray, shape: tuple[int, ...], first: int
) -> None:
    np.save(tmp_path / "a.npy", array)
    images = load(Data(str(tmp_path / "a.npy")))
    assert images.train.shape == shape
    assert set(np.unique(images.train).tolist()) == {first}
    assert images.train.dtype == np.uint8


def test_an_npz_brings_its_parts_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, train=numbered(6), test=numbered(2), train_labels=np.arange(6), test_labels=np.arange(2))
    images = load(Data(str(path)))
    assert images.name == "own"
    assert images.train.shape == (6, 1, 2, 2)
    assert images.train_labels is not None
    assert images.train_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert images.test[:, 0, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.full((3, 4, 4), np.nan), r"not all numbers \(3 images hold NaN"),
        (np.full((3, 4, 4), 300), "runs from 300 to 300"),
        (np.full((3, 4, 4), 2.5), "runs from 2.5 to 2.5"),
        (np.zeros((3, 4)), r"has shape \(3, 4\)"),
        (np.array(["a", "b"]), r"has shape \(2,\)"),
        (np.zeros((1, 4, 4)), "too few"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, array: np.ndarray, line: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=line) as caught:
        load(Data(str(tmp_path / "a.npy")))
    assert "\n" not in str(caught.value)


def test_a_broken_npz_and_a_pickle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    np.save(tmp_path / "b.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    for name in ("a.npz", "b.npy"):
        with pytest.raises(UserError, match=f"{name} is not a readable array of numbers"):
            load(Data(str(tmp_path / name)))


# --- the known sets


@needs_lab_data
@pytest.mark.parametrize(
    ("name", "mean", "labels"),
    [("mnist", 33.318, [5, 0, 4, 1, 9]), ("fashion-mnist", 72.940, [9, 0, 0, 3, 0])],
)
def test_idx_sets(name: str, mean: float, labels: list[int]) -> None:
    images = load(Data(name))
    assert images.train.shape == (60_000, 1, 28, 28)
    assert images.test.shape == (10_000, 1, 28, 28)
    assert images.train.mean() == pytest.approx(mean, abs=1e-2)
    assert images.train_labels is not None
    assert images.train_labels[:5].tolist() == labels


@needs_lab_data
def test_static_mnist() -> None:
    images = load(Data("binarized-mnist"))
    assert images.train.shape == (60_000, 1, 28, 28)
    assert set(np.unique(images.train).tolist()) == {0, 255}
    assert (images.test / 255).mean() == pytest.approx(0.132512, abs=1e-6)


def test_a_file_with_the_wrong_checksum_is_refused_by_name(tmp_path: Path) -> None:
    # a well-formed IDX file, raw or compressed, that is not MNIST's
    wrong = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 7])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(wrong))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is not mnist's .* checksum differs"):
        load(Data("mnist", data_dir=str(tmp_path)))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(wrong)[:-4])
    with pytest.raises(UserError, match=r"cannot read .*train-images-idx3-ubyte\.gz"):
        load(Data("mnist", data_dir=str(tmp_path)))


def test_raw_idx_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"train-images-idx3-ubyte": (3, [2, 2, 3]), "train-labels-idx1-ubyte": (1, [2])}
    parts |= {"t10k-images-idx3-ubyte": (3, [1, 2, 3]), "t10k-labels-idx1-ubyte": (1, [1])}
    sums = {}
    (tmp_path / "mnist").mkdir()
    for name, (axes, shape) in parts.items():
        header = bytes([0, 0, 8, axes]) + b"".join(size.to_bytes(4, "big") for size in shape)
        raw = header + bytes(range(int(np.prod(shape))))
        (tmp_path / "mnist" / name).write_bytes(raw)
        sums[name] = hashlib.sha256(raw).hexdigest()
    monkeypatch.setitem(image_sets.IDX, "mnist", image_sets.Idx("", sums))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    images = load(Data("mnist"))
    assert images.train[1, 0].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert images.test.shape == (1, 1, 2, 3)


def test_what_cannot_be_fetched_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(
        image_sets.IDX, "mnist", image_sets.Idx("http://127.0.0.1:9/", image_sets.IDX["mnist"].sha256)
    )
    with pytest.raises(UserError, match=r"mnist is not on this machine .*LAB_DATA/mnist or .*--data-dir"):
        load(Data("mnist"))
