"""Pictures of latent spaces: what stands where."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generative import latent
from generative.latent import HEAD, MARGIN, PALETTE, SIDE, principal


class Known:
    """Codes that are given; the image of a code is all as bright as its first number, and as its second."""

    def __init__(self, codes: Tensor) -> None:
        self.given = codes

    def codes(self, images: Tensor) -> Tensor:
        return self.given[:, : len(images)]

    def generate(self, z: Tensor) -> Tensor:
        return torch.sigmoid(z)[..., None, :, None].expand(-1, -1, 1, 2, 2)  # [seed, n, 1, row = number, 2]


def draw(codes: Tensor, labels: Any = None) -> dict[str, Tensor]:
    return latent.pictures(Known(codes), torch.zeros(codes.shape[1], 1, 2, 2), labels)  # type: ignore[arg-type]


def colour_at(picture: Tensor, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place of the map, from its left and its foot in shares of its side."""
    column, row = round(x * (SIDE - 1)), HEAD + round((1 - y) * (SIDE - 1))
    return tuple((picture[0, :, row, column] * 255).round().int().tolist())


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def test_codes_of_two_numbers_stand_where_they_are_in_the_colour_of_their_class() -> None:
    corners = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]]])
    found = draw(corners, np.array([4, 7, 4]))
    assert set(found) == {"latent", "manifold"}
    picture = found["latent"][0]
    assert picture.shape == (1, 3, SIDE + HEAD, SIDE + MARGIN)
    low, high = (1 - 1 / 1.06) / 2, (1 + 1 / 1.06) / 2  # the outermost codes stand 6 % inside
    assert colour_at(picture, low, low) == rgb(PALETTE[0])  # class 4, the first there is
    assert colour_at(picture, high, low) == rgb(PALETTE[1])
    assert colour_at(picture, high, high) == rgb(PALETTE[0])
    assert colour_at(picture, low, high) == (255, 255, 255)


def test_without_labels_there_is_no_legend() -> None:
    picture = draw(torch.randn(2, 9, 2))["latent"]
    assert picture.shape == (2, 1, 3, SIDE + HEAD, SIDE)
    assert not torch.equal(picture[0], picture[1])
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_more_classes_than_colours_share_them_and_have_no_legend() -> None:
    picture = draw(torch.randn(1, 30, 2), np.arange(30))["latent"][0, 0]
    assert (picture[:, :, SIDE:] == 1).all()


def test_wider_codes_are_shown_by_their_principal_components() -> None:
    found = draw(torch.randn(2, 50, 5), np.arange(50) % 3)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "latent_pca": (2, 1, 3, SIDE + HEAD, SIDE + MARGIN)
    }


def test_principal_components_by_hand() -> None:
    # deviations 3, 1 and 0.5 along three axes, the greatest one against the second axis
    codes = np.array([[0.0, 3, 0], [0, -3, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 0.5], [0, 0, -0.5]]) + 7
    places, share = principal(codes)
    assert share == pytest.approx(20 / 20.5)
    expected = [[3, 0], [-3, 0], [0, 1], [0, -1], [0, 0], [0, 0]]
    np.testing.assert_allclose(places, expected, atol=1e-12)
    np.testing.assert_allclose(principal(codes[:, ::-1])[0], expected, atol=1e-12)


def test_a_seed_that_failed_has_an_empty_map_and_the_others_their_own() -> None:
    codes = torch.randn(2, 20, 4)
    codes[0, 3, 1] = float("nan")
    found = draw(codes)["latent_pca"]
    dark = (found[:, 0, :, HEAD:] < 0.5).flatten(1).sum(1)
    assert dark[0] < 400  # the numbers on the axes alone
    assert dark[1] > dark[0] + 100
    torch.testing.assert_close(found[1], draw(codes[1:])["latent_pca"][0])


def test_a_code_of_one_number_is_a_line() -> None:
    found = draw(torch.tensor([[[-1.0], [1.0]]]))
    assert set(found) == {"latent"}
    assert colour_at(found["latent"][0], (1 - 1 / 1.06) / 2, 0.5) == rgb(PALETTE[0])


def test_the_manifold_is_a_grid_of_equal_probabilities() -> None:
    found = latent.manifold(Known(torch.zeros(2, 1, 2)), 2, tiles=3)  # type: ignore[arg-type]
    side = 3 * 28 + 2 * 2  # tiles and the white between
    assert found.shape == (2, 1, 1, side, side)
    tile = found[0, 0, 0].unfold(0, 28, 30).unfold(1, 28, 30)  # [row, column, 28, 28]
    quantiles = [-0.967422, 0.0, 0.967422]  # Φ⁻¹ of 1/6, 1/2, 5/6
    bright = torch.sigmoid(torch.tensor(quantiles))
    to_the_right, upwards = tile[..., 0, 0], tile[..., 27, 0]
    torch.testing.assert_close(to_the_right, bright.expand(3, 3), atol=2e-3, rtol=0)
    torch.testing.assert_close(upwards, bright.flip(0)[:, None].expand(3, 3), atol=2e-3, rtol=0)


def test_no_more_images_are_mapped_than_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent, "MAPPED", 2)
    far = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [0.0, 50.0]]])
    assert torch.equal(draw(far, np.arange(3))["latent"], draw(far[:, :2], np.arange(2))["latent"])
