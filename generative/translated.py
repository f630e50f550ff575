"""What a translator is asked and says, among what is recorded: a table of answers, and where it looked."""

import numpy as np
import torch
from torch import Tensor

from core.rows import Array
from core.tracking import Group
from generative.aligned import draw
from generative.files import Pairs
from generative.pairs import text
from generative.trainer import Answerer

SHOWN = 4  # held-out pairs, the first


def show(group: Group, at: int, trainer: Answerer, pairs: Pairs, test: Tensor) -> None:
    """Answers to some held-out sources, and how they were read where attention tells."""
    rows = test[:SHOWN]
    sources = [text(row[: pairs.source], pairs.characters) for row in rows]
    targets = [text(row[pairs.source :], pairs.characters) for row in rows]
    seeds = len(group.seeds)
    answers = trainer.answer(rows[:, : pairs.source].expand(seeds, len(rows), -1))
    said = [[text(answer, pairs.characters) for answer in own] for own in answers]
    tables: list[dict[str, Array]] = [
        {
            name: np.array(column, object)
            for name, column in (("source", sources), ("answer", own), ("target", targets))
        }
        for own in said
    ]
    group.table(at, "answers", tables)
    if (weights := trainer.alignment(rows)) is not None:
        drawn = [
            torch.stack(
                [draw(w.double().numpy(), s, a) for w, s, a in zip(of_seed.cpu(), sources, own, strict=True)]
            )
            for of_seed, own in zip(weights, said, strict=True)
        ]
        group.images(at, "alignment", torch.stack(drawn))
