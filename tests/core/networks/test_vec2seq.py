"""A vector read out as a sequence: a row of digits, drawn side by side and dirty, to the string they are."""

import torch
import torch.nn.functional as F

from core.networks.net import Linear
from core.networks.recurrent import CELLS
from core.networks.sequences import VecToSeq
from core.schedules import linear

# Ten digits of 3×5 points, row by row.
DIGITS = (
    "111101101101111 010110010010111 111001111100111 111001111001111 101101111001001 "
    "111100111001111 111100111101111 111001010010010 111101111101111 111101111001111"
)


def glyphs() -> torch.Tensor:
    return torch.tensor([[float(c) for c in word] for word in DIGITS.split()])


def test_an_image_of_digits_becomes_the_string_of_digits() -> None:
    """Three digits of 15 points make a vector of 45; 200 of the 1,000 strings are never trained on."""
    torch.manual_seed(0)
    strings = torch.cartesian_prod(*[torch.arange(10)] * 3)[torch.randperm(1000)]
    train, test, table = strings[200:], strings[:200], glyphs()

    def image(strings: torch.Tensor) -> torch.Tensor:
        clean = table[strings].flatten(1)
        return clean + 0.1 * torch.randn(clean.shape)

    net = VecToSeq(CELLS["gru"](45, 64), Linear(64, 10), 3)
    steps, rate = 300, linear(1e-2, 0.0)
    optimiser = torch.optim.Adam(net.parameters())
    for k in range(steps):
        optimiser.param_groups[0]["lr"] = rate(k / steps)
        some = train[torch.randint(800, (128,))]
        optimiser.zero_grad()
        F.cross_entropy(net(image(some)).flatten(0, 1), some.flatten()).backward()
        optimiser.step()
    with torch.no_grad():
        said = net(image(test)).argmax(-1)
    assert (said == test).all(-1).float().mean() >= 0.99
