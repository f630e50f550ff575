"""The colours words are read in, and pieces that pages share."""

import re
from itertools import product
from pathlib import Path

import pytest

from core.dashboard import look

CSS = (Path(look.__file__).parent / "assets" / "lab.css").read_text()
# Every pair of a text's colour and what it stands on.
PAIRS = [
    *product(("ink", "quiet", "link"), ("paper", "card", "press")),
    ("link", "link-paper"), ("ink", "link-paper"), ("quiet", "link-paper"), ("card", "link"),
    ("won", "won-paper"), ("open", "open-paper"), ("bad", "bad-paper"), ("bad", "card"), ("bad", "paper"),
]  # fmt: skip


def palette(dark: bool) -> dict[str, str]:
    start = CSS.index('html[data-theme="dark"] {' if dark else ":root {")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", CSS[start : CSS.index("}", start)]))


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_words_can_be_read(text: str, ground: str, dark: bool) -> None:
    colours = palette(dark)
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_edges_of_controls_can_be_seen(dark: bool) -> None:
    colours = palette(dark)
    for ground in ("card", "paper"):
        assert contrast(colours["edge"], colours[ground]) >= 3


@pytest.mark.parametrize("dark", [False, True])
def test_figures_have_the_pages_colours(dark: bool) -> None:
    colours, figure = palette(dark), look.DARK if dark else look.LIGHT
    assert figure == {name: colours[name] for name in figure}


def test_a_media_address_keeps_every_name_whole() -> None:
    assert look.media("g h/0", "media/a #1.png") == "/media/g%20h/0/a%20%231.png"
    assert look.media("<x>/..", "media/../b?.png") == "/media/%3Cx%3E/../../b%3F.png"


def test_a_state_that_is_no_word_makes_no_class() -> None:
    assert look.chip_class("running") == "chip running"
    assert look.chip_class('x" onload') == "chip"
