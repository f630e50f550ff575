"""The cells of `lab bench networks`: what networks of each kind learn, against marks that are known."""

from core.cells import Cell, Mark, Measure, Suite, Tier
from core.image_sets import find


def _sequence(
    title: str, words: str, mark: Mark | None = None, published: str = "", of: str = "accuracy"
) -> Cell:
    """One net on one data set, measured on its test part."""
    short = Tier("--steps 4 --eval-every 0 --width 8 --seeds 0 1", judged=False)
    return Cell(
        title,
        {"smoke": short, "table": Tier("--seeds 0 1 2")},
        train=f"sequence {words}",
        measures=(Measure(f"final/test_{of}", mark=mark, published=published),),
    )


# Sequences in, numbers or tokens out: adding, copying, parity, digits pixel by pixel, a vector read out.
_ADDING = {  # net -> mark, and what Bai et al. 2018 have at T = 600
    "lstm": (Mark("≤", 1e-3), "0.164"), "gru": (Mark("≤", 1e-3), "5.3e-5"), "rnn": (Mark("≥", 0.1), "0.177")
}  # fmt: skip
_ATTENTION = " --layers 2 --lr 2e-3 --warmup 0.1"
_COPIERS = {
    "lstm": " --steps 10000",
    "gru": " --lr 1e-2",
    "transformer": f"{_ATTENTION} --width 64 --steps 500",
}
SEQUENCES: dict[str, Cell] = {
    **{
        f"adding-{net}": _sequence(
            f"Adding two of 100 numbers, {net}, squared error (1/6 without memory)",
            f"--data adding --net {net}", mark, f"{theirs} at T = 600 (Bai et al. 2018)", of="loss",
        )
        for net, (mark, theirs) in _ADDING.items()
    },
    **{
        f"copy-{net}": _sequence(
            f"Ten symbols copied 20 steps later, {net}, right", f"--data copy --net {net}{words}", Mark("≥", 0.99)
        )
        for net, words in _COPIERS.items()
    },
    "copy-100-lstm": _sequence(
        "The same 100 steps later, lstm", "--data copy --length 100 --net lstm --steps 2000 --forget-bias 5"
    ),
    **{
        f"parity-{net}": _sequence(
            f"Parity of 200 bits, learnt on 1 to 40, {net}, right at every step", f"--data parity --net {net}{words}",
            None if words else Mark("≥", 0.99),
        )
        for net, words in {"rnn": "", "lstm": "", "gru": "", "transformer": f"{_ATTENTION} --width 32"}.items()
    },
    **{
        f"digits-{net}": _sequence(
            f"8×8 digits pixel by pixel, {net}, right", f"--data digits --net {net}", mark
        )
        for net, mark in {"gru": Mark("≥", 0.95), "lstm": None}.items()
    },
    "strings": _sequence(
        "Digits read off a picture, lstm, whole strings right", "--data strings --net lstm", Mark("≥", 0.99), of="exact"
    ),
    "gradient-flow": Cell(
        "Share of the gradient that arrives 100 steps back",
        {"smoke": Tier(judged=False), "table": Tier()},
        figures="core.gradient_figure:figures",
    ),
}  # fmt: skip

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
IMAGES: dict[str, Cell] = {
    "fashion-mnist": Cell(
        "ResNet of 8 layers on Fashion-MNIST, stopped early, accuracy",
        {
            "smoke": Tier("--width 4 --steps 2 --eval-every 0 --seeds 0 1", judged=False),
            "table": Tier("--seeds 0 1 2"),
        },
        train="classifier --data fashion-mnist --preset lab",
        measures=(
            Measure("final/test_accuracy", "test set", Mark("≥", 0.92)),
            Measure("final/accuracy", "held out to choose by"),
        ),
    ),
    "fashion-mnist-folds": Cell(
        "The same in four folds, one seed, a score for each fold",
        {"smoke": Tier(judged=False), "table": Tier()},
        figures="core.fold_figures:figures",
    ),
}

# BERT: what it learns of a text, and what that is worth where few labels are.
_SAMPLE = "(google-research/bert on its sample text, 20 steps from BERT-base)"
BERT: dict[str, Cell] = {
    "bert-toy": Cell(
        "BERT on thirty stories by heart",
        {
            "smoke": Tier("--steps 4 --eval-every 0 --width 8 --seeds 0 1", judged=False),
            "table": Tier("--seeds 0 1 2"),
        },
        train="bert --documents 30 --steps 3000 --lr 2e-3",
        measures=(
            Measure("fitted/mlm_accuracy", "gaps filled", Mark("≥", 0.95), f"0.986 {_SAMPLE}"),
            Measure("fitted/nsp_accuracy", "sentences told apart", Mark("≥", 0.99), f"1.0 {_SAMPLE}"),
        ),
    ),
    "bert": Cell(
        "BERT on a thousand stories",
        {"smoke": Tier(judged=False), "table": Tier()},
        figures="core.fine_tuning:figures",
    ),
}

NETWORKS = Suite(
    "networks",
    "core.network_cells:NETWORKS",
    {**SEQUENCES, **PAIRS, **LANGUAGE, **IMAGES, **BERT},
)
