"""The cells of `lab bench networks`: what networks of each kind learn, against marks that are known."""

from core.cells import Cell, Suite

# Sequences in, numbers or tokens out: adding, copying, parity, digits pixel by pixel, a vector read out.
SEQUENCES: dict[str, Cell] = {}

# One text of another: dates, addition, sorting, reversal.
PAIRS: dict[str, Cell] = {}

# What comes next: tiny Shakespeare.
LANGUAGE: dict[str, Cell] = {}

# Images and their classes: Fashion-MNIST.
IMAGES: dict[str, Cell] = {}

# BERT: what it learns of a text, and what that is worth where few labels are.
BERT: dict[str, Cell] = {}

NETWORKS = Suite(
    "networks",
    "core.network_cells:NETWORKS",
    {**SEQUENCES, **PAIRS, **LANGUAGE, **IMAGES, **BERT},
)
