"""Tiny Shakespeare: an LSTM that carries its state beside nanoGPT's recipe at equal wall-clock, and samples of both.

How many updates of the LSTM take as long as all of the GPT's is measured where it is trained: both make some updates in
turn, again and again, and the medians of what one update takes are divided.

`python -m generative.shakespeare --out FILE.md` writes a sample of each between the marks of that file.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from core import config as settings_file
from core import threads
from core.cells import Cell, Tier
from core.cells import records as runs_in
from core.cli import run as from_shell
from core.errors import UserError
from core.jsonl import as_float
from core.making import trained
from core.records import Record
from core.run_folder import write_json
from core.tables import write_between
from generative.build import decide
from generative.data import load as load_data
from generative.evaluate import load
from generative.train import build, read
from generative.trainer import evaluation_noise
from generative.trainers import lm

GPT = "lm --data shakespeare --preset nanogpt"
LSTM = f"{GPT} --net lstm --layers 1"
WORDS = {"smoke": "--width 16 --seeds 0 1", "table": "--width 256 --seeds 0 1 2"}  # of the LSTM
GPTS = {"smoke": "--width 16 --seeds 0 1", "table": "--seeds 0 1 2"}
STEPS = {"smoke": 4, "table": 2_000}  # updates of the GPT
PIECES = {"smoke": (2, 2), "table": (9, 20)}  # how often both are timed, and over how many updates
EVALUATIONS = {"smoke": 0, "table": 8}  # of each run, as the preset has it
BATCHES, REPEATS = 20, 50  # nanoGPT's estimate is of so many random batches; how often it is made here
CELLS = {"GPT": "shakespeare-gpt", "LSTM": "shakespeare-lstm/lstm"}  # where runs are
MARKS, LONG = "shakespeare samples", 300  # of a page; characters of a sample


# --- the cell: as many updates as take as long


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """The LSTM's cell: what was timed is kept as ``seconds.json``, its run as ``lstm``."""
    timed = folder / "seconds.json"
    if not timed.exists():
        write_json(timed, seconds_per_update(tier))
    seconds = json.loads(timed.read_text())
    steps = max(round(STEPS[tier] * seconds["gpt"] / seconds["lstm"]), 1)
    often = steps // EVALUATIONS[tier] if EVALUATIONS[tier] else 0
    words = f"--steps {steps} --eval-every {often} {WORDS[tier]}"
    if trained(Cell("LSTM", {tier: Tier(words)}, train=LSTM), folder / "lstm", tier):
        raise UserError("the LSTM's training stopped; the same command goes on")
    runs = runs_in(folder / "lstm")
    done = [record for record in runs if record.status == "finished"]
    about = {"failed": len(runs) - len(done), "steps": steps}
    took = {name: max(as_float(record.run["seconds"]) for record in of) for name, of in {
        "LSTM": runs, "GPT": runs_in(folder.parent / CELLS["GPT"]),
    }.items() if of}  # fmt: skip
    rows = [
        {"what": "held-out loss", "scores": [as_float(r.summary.get("final/loss")) for r in done], **about}
    ]
    rows += [
        {"what": f"ms for an update of all seeds, {name}", "scores": [1e3 * seconds[name.lower()]]}
        for name in ("GPT", "LSTM")
    ]
    rows += [{"what": f"seconds of the {name}'s whole run", "scores": [of]} for name, of in took.items()]
    return {"rows": rows}


def seconds_per_update(tier: str) -> dict[str, float]:
    """What one update of all seeds takes, by the median of pieces that take turns."""
    pieces, updates = PIECES[tier]
    step = {"gpt": updating(f"{GPT} {GPTS[tier]}"), "lstm": updating(f"{LSTM} {WORDS[tier]}")}
    found: dict[str, list[float]] = {name: [] for name in step}
    for piece in range(pieces + 1):
        for name, update in step.items():
            began = time.perf_counter()
            for _ in range(updates):
                update()
            if piece:  # the first of each warms up
                found[name].append((time.perf_counter() - began) / updates)
    return {name: float(np.median(times)) for name, times in found.items()}


def updating(words: str) -> Callable[[], None]:
    """One update after the other of what `lab train WORDS` would train; each is over when the call returns."""
    algorithm, *flags = words.split()
    data, options, machine, _, config = read(algorithm, lm, flags).values
    dataset = load_data(data)
    facts = decide(machine, len(options.seeds), options.steps, dataset)
    threads.use(machine.threads)
    trainer, batches = build(algorithm, config, dataset, options, facts)

    def update() -> None:
        trainer.step(batches.next())["train/loss"].cpu()

    return update


# --- what nanoGPT prints


def estimates(runs: Sequence[Record]) -> NDArray[np.float64]:
    """nanoGPT's estimate of the held-out loss, made REPEATS times: [REPEATS, seed].

    The mean over BATCHES batches of as many passages as an update reads, from anywhere in the held-out text.
    """
    model = load(runs)
    assert isinstance(model.trainer, lm.LM)
    size, length = model.trainer.batch, model.trainer.length
    noise = evaluation_noise(model.seeds, "nanogpt", model.test.device)
    found = []
    for _ in range(REPEATS * BATCHES):
        begin = noise.integers(len(model.test) - length, size)
        passages = model.test[begin[..., None] + torch.arange(length + 1, device=begin.device)]
        scores, _ = model.trainer.net(passages[..., :-1], ())
        nats = functional.cross_entropy(scores.movedim(-1, 1), passages[..., 1:], reduction="none")
        found.append(nats.double().mean((1, 2)).cpu().numpy())
    means: NDArray[np.float64] = np.array(found).reshape(REPEATS, BATCHES, -1).mean(1)
    return means


def estimate(runs: Sequence[Record]) -> list[float]:
    """The mean of ``estimates`` for each seed."""
    return [float(value) for value in estimates(runs).mean(0)]


def spread(runs: Sequence[Record]) -> list[float]:
    """The standard deviation of one such estimate, for each seed."""
    return [float(value) for value in estimates(runs).std(0, ddof=1)]


# --- samples


@dataclass(frozen=True)
class Options:
    root: str = "runs/bench/networks/table"  # where the two cells were made
    out: str = ""  # a Markdown file with the marks; empty: on the screen


def main(argv: Sequence[str]) -> int:
    """Write a sample of each network's first seed."""
    options: Options = settings_file.parse([Options], argv, prog="python -m generative.shakespeare").values[0]
    drawn = samples(Path(options.root))
    if options.out:
        write_between(Path(options.out), MARKS, drawn)
    else:
        print(drawn)
    return 0


def samples(root: Path) -> str:
    """LONG characters by the first seed of each, as Markdown; UserError where one is not trained."""
    parts = []
    for name, place in CELLS.items():
        if not (runs := [r for r in runs_in(root / place) if r.status == "finished"][:1]):
            raise UserError(f"nothing is finished in {root / place}; `lab bench networks` makes it")
        text = load(runs).write(1, length=LONG)[0][0].strip("\n")
        loss, steps = as_float(runs[0].summary.get("final/loss")), int(runs[0].config["steps"])
        parts.append(
            f"{name}, seed {runs[0].seed}, {steps:,} updates, {loss:.3f} nats:\n\n```text\n{text}\n```"
        )
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(from_shell(main, sys.argv[1:]))
