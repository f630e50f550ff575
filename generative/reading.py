"""How a translator reads: where it looks while it turns a text round, and what the order is worth when it adds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core import threads
from core.cells import Cell, Tier, records
from core.errors import UserError
from core.making import trained
from core.records import Record
from generative.evaluate import load
from generative.files import Pairs
from generative.pairs import PADDING
from generative.trainer import Answerer


def on_the_mirror(weights: Tensor, lengths: Tensor) -> float:
    """The share of answered characters whose largest weight lies on the mirrored character of the source.

    Args:
        weights: [n, T, S] how each step of the decoder read the source.
        lengths: [n] of the sources, at most S and T. The end of an answer mirrors nothing and is not counted.
    """
    step = torch.arange(weights.shape[-2])
    answered = step < lengths[:, None]  # [n, T]
    right = weights.argmax(-1) == lengths[:, None] - 1 - step
    return float(right[answered].double().mean())


def mirrored(runs: Sequence[Record]) -> list[float]:
    """Of the held-out texts of each seed's run, read as it answers: see `on_the_mirror`."""
    threads.use(1)
    model = load(runs)
    assert isinstance(model.dataset, Pairs)
    assert isinstance(model.trainer, Answerer)
    weights = model.trainer.alignment(model.test)
    assert weights is not None
    lengths = (model.test[:, : model.dataset.source] != PADDING).sum(-1).cpu()
    return [on_the_mirror(own.cpu(), lengths) for own in weights]


# --- reversed against as it stands (Sutskever et al. 2014, section 3.3; Keras' example of addition)

LINE = (
    "translate --data addition-2 --preset lab"  # the example's network: one LSTM of 128 a side, no attention
)
ORDERS = {"reversed": f"{LINE} --reverse", "as it stands": f"{LINE} --no-reverse"}
TIERS = {"smoke": "--steps 20 --seeds 0 1 --width 8 --eval-every 2", "table": "--seeds 0 1 2"}
SHORT = 0.15  # of the updates: where the two are compared, while both still learn
MARKS: dict[str, tuple[str, float]] = {"reversed": ("≥", 0.99), "lead": ("≥", 0.02)}
PUBLISHED = "0.99 of characters (Keras' example)"


def exact(record: Record, share: float) -> float:
    """The share of held-out pairs answered without a mistake, at the last evaluation in that share of the run."""
    steps, found = record.series("eval/exact")
    return float(found[steps <= share * steps[-1]][-1])


def addition(folder: Path, tier: str) -> dict[str, Any]:
    """The cell: both orders with the same settings, trained in `folder` and gone on with there."""
    runs, failed, seconds = dict[str, list[Record]](), dict[str, int](), 0.0
    for order, line in ORDERS.items():
        cell, own = Cell(order, {tier: Tier(TIERS[tier])}, train=line), folder / order.replace(" ", "-")
        if status := trained(cell, own, tier):
            raise UserError(f"{own} was not trained to its end (exit status {status})")
        every = records(own)
        runs[order] = [record for record in every if record.status == "finished"]
        failed[order] = len(every) - len(runs[order])
        seconds += max(float(record.run["seconds"]) for record in every)
    steps = int(every[0].config["steps"])
    final = {order: [exact(record, 1.0) for record in found] for order, found in runs.items()}
    ahead, behind = ({record.seed: exact(record, SHORT) for record in found} for found in runs.values())
    lead = [ahead[seed] - behind[seed] for seed in ahead if seed in behind]
    rows = {
        "reversed": {"what": "source reversed", "scores": final["reversed"], "published": PUBLISHED},
        "as it stands": {"what": "source as it stands", "scores": final["as it stands"]},
        "lead": {"what": f"the first less the second after {SHORT:.0%} of the updates", "scores": lead},
    }
    failed["lead"] = max(failed.values())
    for name, mark in MARKS.items():
        rows[name]["mark"] = list(mark)
    about = {"steps": steps, "minutes": seconds / 60}
    return {"rows": [{**row, "failed": failed[name], **about} for name, row in rows.items()]}
