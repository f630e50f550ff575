"""Augmentation: by hand, from given draws, and the same again from the same noise."""

import pytest
import torch

from core import augmentation
from core.errors import UserError
from core.noise import Noise

IMAGE = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)


def test_shift_by_hand() -> None:
    images = IMAGE.expand(3, 1, 2, 3)
    moved = augmentation.shift(images, torch.tensor([0, 1, -1]), torch.tensor([1, 0, -2]))
    assert moved[0, 0].tolist() == [[0, 1, 2], [0, 4, 5]]
    assert moved[1, 0].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert moved[2, 0].tolist() == [[6, 0, 0], [0, 0, 0]]


def test_flip_by_hand() -> None:
    flipped = augmentation.flip(IMAGE.expand(2, 1, 2, 3), torch.tensor([True, False]))
    assert flipped[0, 0].tolist() == [[3, 2, 1], [6, 5, 4]]
    assert torch.equal(flipped[1], IMAGE[0])


def test_noise_stays_inside() -> None:
    found = augmentation.noisy(torch.tensor([0.5, 0.9, 0.0]), torch.tensor([1.0, 2.0, -1.0]), 0.1)
    assert found.tolist() == pytest.approx([0.6, 1.0, 0.0])


def test_every_seed_and_image_has_draws_of_its_own_the_same_alone_and_in_company() -> None:
    images = torch.rand(2, 16, 1, 8, 8)
    images[:] = images[:1, :1]
    plan = augmentation.parsed(["shift=2", "flip=0.5", "noise=0.1"])
    both = augmentation.augmented(images, plan, Noise((3, 5), "augment"))
    assert torch.equal(both, augmentation.augmented(images, plan, Noise((3, 5), "augment")))
    alone = augmentation.augmented(images[:1], plan, Noise((5,), "augment"))
    assert torch.equal(both[1], alone[0])
    assert not torch.equal(both[0], both[1])
    assert len(both[0].flatten(1).unique(dim=0)) == 16
    assert (images == images[:1, :1]).all()  # what went in is as it was


def test_shifts_are_equally_likely_on_both_sides() -> None:
    dot = torch.zeros(1, 4000, 1, 5, 5)
    dot[..., 2, 2] = 1
    places = augmentation.augmented(dot, [("shift", 1.0)], Noise((0,), "augment"))[0].mean(0)[0]
    assert places[1:4, 1:4].flatten().tolist() == pytest.approx([1 / 9] * 9, abs=0.02)
    assert places.sum().item() == pytest.approx(1)


def test_words_that_cannot_be_understood() -> None:
    assert augmentation.parsed([]) == []
    with pytest.raises(UserError, match="unknown augmentation 'shfit'; did you mean 'shift'"):
        augmentation.parsed(["shfit=2"])
    for word in ("shift", "flip=2", "noise=-1", "noise=x"):
        with pytest.raises(UserError, match="=NUMBER"):
            augmentation.parsed([word])
