"""The cells of `lab bench networks`: what networks of each kind learn, against marks that are known."""

from core.cells import Cell, Mark, Measure, Suite, Tier
from core.image_sets import find

# Sequences in, numbers or tokens out: adding, copying, parity, digits pixel by pixel, a vector read out.
SEQUENCES: dict[str, Cell] = {}

_DATES = "translate --data dates --preset lab --attention"
_PAIRS = {
    "smoke": Tier("--steps 4 --eval-every 0 --width 12 --seeds 0 1", judged=False),
    "table": Tier("--seeds 0 1 2"),
}

# One text of another: dates, addition, sorting, reversal.
PAIRS: dict[str, Cell] = {
    "dates": Cell(
        "Dates as people write them to ISO, additive attention, exact on unseen days",
        _PAIRS,
        train=f"{_DATES} additive",
        measures=(Measure("final/exact", mark=Mark("≥", 0.99)),),
    ),
    "dates-plain": Cell(
        "The same, plain encoder and decoder of as many weights",
        _PAIRS,
        train=f"{_DATES} none --width 160",
        measures=(Measure("final/exact"),),
    ),
    "addition": Cell(
        "Sums of two numbers below 100, exact on unseen ones",
        {"smoke": Tier(judged=False), "table": Tier()},
        figures="generative.reading:addition",
    ),
    "sort": Cell(
        "Six digits in order, minGPT's gpt-nano, exact on unseen ones",
        _PAIRS,
        train="translate --data sort --preset lab",
        measures=(Measure("final/exact", mark=Mark("every seed =", 1.0), published="1 (minGPT's demo)"),),
    ),
    "sort-transformer": Cell(
        "The same, Transformer of encoder and decoder",
        _PAIRS,
        train="translate --data sort --preset lab --net transformer",
        measures=(Measure("final/exact"),),
    ),
    "reversal": Cell(
        "Letters from the last to the first, additive attention",
        _PAIRS,
        train="translate --data reversal --preset lab",
        measures=(
            Measure("final/exact", "exact on unseen ones", Mark("≥", 0.99)),
            Measure("generative.reading:mirrored", "looks at the mirrored place", Mark("≥", 0.95)),
        ),
    ),
}


def _no_shakespeare() -> str:
    there = find("tinyshakespeare", "", ("input.txt",))
    return "" if there else "put input.txt into $LAB_DATA/tinyshakespeare, or make it without this cell"


# What comes next: tiny Shakespeare.
LANGUAGE: dict[str, Cell] = {
    "shakespeare-gpt": Cell(
        "GPT on tiny Shakespeare, nanoGPT's recipe for a CPU, nats per held-out character",
        {
            "smoke": Tier(
                "--steps 4 --eval-every 0 --layers 1 --width 16 --heads 2 --seeds 0 1", judged=False
            ),
            "table": Tier("--seeds 0 1 2"),
        },
        train="lm --data shakespeare --preset nanogpt",
        measures=(
            Measure("final/loss", "of every one", Mark("≤", 1.88), "1.88 (nanoGPT, 20 random batches)"),
            Measure("generative.shakespeare:estimate", "of 20 random batches, mean of 50 estimates"),
            Measure("generative.shakespeare:spread", "one such estimate's standard deviation"),
        ),
        absent=_no_shakespeare,
    ),
    "shakespeare-lstm": Cell(
        "LSTM of 256 that carries its state, tiny Shakespeare at the GPT's wall-clock",
        {"smoke": Tier(judged=False), "table": Tier()},
        figures="generative.shakespeare:figures",
        absent=_no_shakespeare,
    ),
}

# Images and their classes: Fashion-MNIST.
IMAGES: dict[str, Cell] = {}

# BERT: what it learns of a text, and what that is worth where few labels are.
BERT: dict[str, Cell] = {}

NETWORKS = Suite(
    "networks",
    "core.network_cells:NETWORKS",
    {**SEQUENCES, **PAIRS, **LANGUAGE, **IMAGES, **BERT},
)
