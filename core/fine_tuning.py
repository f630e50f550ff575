"""What BERT's pre-training is worth where few labels are, a cell of `lab bench networks`.

A run of `bert`, then the same net on the same few labelled texts, with the same settings and steps, once with the run's
weights and once with fresh ones; the vocabulary is the run's for both. The step size of either is the one of RATES
with the best mean accuracy on texts that are held out; what is shown is the accuracy on the test set, looked at then.
How many labels are few was settled on seed 0, looking at its test set, so that other seeds are taken here.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.cells import Row, records
from core.cli import main as lab
from core.errors import UserError
from core.records import Record

LABELS = 32
RATES = {"smoke": ("1e-3",), "table": ("3e-4", "1e-3", "3e-3")}
SEEDS = {"smoke": "0 1", "table": "3 4 5"}
PRETRAINING = {"smoke": "--steps 20 --eval-every 0", "table": ""}  # in the table the preset's
STEPS = {"smoke": 10, "table": 200}  # of fine-tuning
SIDES = {"fine-tuned": "--weights", "from scratch": "--no-weights"}


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """Train what is missing, and tell what came of it."""
    seeds = f"--seeds {SEEDS[tier]}"
    runs = trained(folder, "pretrained", f"bert {seeds} {PRETRAINING[tier]}")
    rows = [
        row(runs, "gaps filled on held-out text", of(runs, "final/test_mlm_accuracy")),
        row(runs, "the same by a bigram of the text trained on", of(runs, "final/test_bigram_accuracy")),
    ]  # fmt: skip
    beyond = np.subtract(rows[0]["scores"], rows[1]["scores"]).tolist()
    rows.append(row(runs, "by how much more than the bigram", beyond, 0.01))
    found = {}
    for side, words in SIDES.items():
        start = f"--start-from {shlex.quote(str(folder / 'pretrained'))} {words}"
        tried = {
            rate: trained(
                folder,
                f"{side.replace(' ', '-')}-{rate}",
                f"text-classifier {seeds} {start} --labels {LABELS} --steps {STEPS[tier]} --eval-every 0 --lr {rate}",
            )
            for rate in RATES[tier]
        }
        best = max(tried, key=lambda rate: float(np.mean(of(tried[rate], "final/accuracy"))))
        found[side] = of(tried[best], "final/test_accuracy")
        rows.append(
            row(tried[best], f"{side} on {LABELS} labels, test accuracy (step size {best})", found[side])
        )
    gain = np.subtract(found["fine-tuned"], found["from scratch"]).tolist()
    rows.append(row(tried[best], "by how much fine-tuned is better", gain, 0.01))
    return {"rows": rows}


def trained(folder: Path, name: str, words: str) -> list[Record]:
    """The seeds of a run in the cell's folder, trained by the command a person would type, or gone on with.

    Raises:
        UserError: it stopped, a seed failed, or what is there was made with other settings.
    """
    command = ["train", *shlex.split(words), "--root", str(folder), "--name", name, "--resume", "auto"]
    command += ["--wandb", "disabled"]
    print(f"$ lab {shlex.join(command)}", flush=True)
    if status := lab(command):
        raise UserError(f"{folder / name} has exit status {status}; the line above says why")
    runs = records(folder / name)
    if failed := [record.id for record in runs if record.status != "finished"]:
        raise UserError(f"{', '.join(failed)} failed: nothing can be said of it")
    return runs


def of(runs: Sequence[Record], key: str) -> list[float]:
    """One number of every seed's summary."""
    return [float(record.summary[key]) for record in runs]


def row(
    runs: Sequence[Record], what: str, scores: list[float], mark: float | None = None, published: str = ""
) -> Row:
    """A row of the cell's; all of them in the run's own steps and minutes."""
    minutes = max(float(record.run["seconds"]) for record in runs) / 60
    about = {"failed": 0, "steps": int(runs[0].config["steps"]), "minutes": minutes, "published": published}
    return {"what": what, "scores": scores, **about, "mark": None if mark is None else ["≥", mark]}
