"""Grids, pictures and histograms, with pixels and counts worked by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.media import BINS, GAP, edges, grid, histogram, pixels, write_png


def test_floats_become_bytes_by_rounding() -> None:
    values = np.array([0.0, 0.5, 1.0, -3.0, 7.0, np.nan, 0.001, 0.003])
    assert pixels(values).tolist() == [0, 128, 255, 0, 255, 0, 0, 1]
    every = np.arange(256, dtype=np.uint8)
    assert pixels(every / 255).tolist() == every.tolist()
    assert pixels(every) is every


def test_tiles_stand_row_by_row() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 28, 30), np.uint8)
    picture = grid(images)  # 2 × 2, the fourth place empty
    assert picture.shape == (28 * 2 + GAP, 30 * 2 + GAP, 1)
    assert [picture[0, 0, 0], picture[0, 32, 0], picture[30, 0, 0], picture[30, 32, 0]] == [0, 1, 2, 255]
    assert (picture[28:30] == 255).all()
    assert (picture[:, 30:32] == 255).all()
    assert grid(images, columns=3).shape == (28, 30 * 3 + 2 * GAP, 1)


def test_small_images_are_enlarged_and_keep_their_orientation() -> None:
    image = np.zeros((1, 3, 8, 8), np.float32)
    image[0, 1, 2, 5] = 1.0  # green, row 2, column 5
    picture = grid(image)
    assert picture.shape == (32, 32, 3)
    where = np.argwhere(picture[:, :, 1] == 255)
    assert where.min(0).tolist() == [8, 20]
    assert where.max(0).tolist() == [11, 23]
    assert picture[:, :, [0, 2]].max() == 0


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 2, 8, 8), (0, 1, 8, 8)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a grid takes images"):
        grid(np.zeros(shape))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_gives_the_pixels_back(tmp_path: Path, channels: int) -> None:
    picture = np.arange(4 * 5 * channels, dtype=np.uint8).reshape(4, 5, channels)
    write_png(tmp_path / "a.png", picture)
    read = np.asarray(Image.open(tmp_path / "a.png")).reshape(4, 5, channels)
    np.testing.assert_array_equal(read, picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_histogram_counts_what_is_finite() -> None:
    found = histogram(np.array([0.0, 0.0, 1.0, 64.0, np.nan, np.inf]))
    assert found is not None
    assert (found["low"], found["high"], sum(found["counts"])) == (0.0, 64.0, 4)
    assert (found["counts"][0], found["counts"][1], found["counts"][-1]) == (2, 1, 1)
    assert edges(0, 64).tolist() == list(range(BINS + 1))
    same = histogram(np.full(5, 3.0, np.float32))
    assert same is not None
    assert (same["low"], same["high"], sum(same["counts"])) == (2.5, 3.5, 5)
    tight = histogram(np.array([1e8, np.nextafter(1e8, 2e8)]))
    assert tight is not None
    assert sum(tight["counts"]) == 2
    assert histogram(np.array([np.nan])) is None
