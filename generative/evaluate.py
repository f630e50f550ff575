"""`lab eval RUN`, `lab sample RUN`, and `load`: what a run has learned, for people and for Python."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import config as settings_file
from core import threads
from core.draws import mix
from core.errors import UserError
from core.media import GAP, grid, write_png
from core.records import Record, find
from core.run_folder import load as load_checkpoint
from core.run_folder import newest_common
from core.statistics import student_interval
from generative import pairs
from generative.build import kind_of, serving, trainer_of
from generative.data import held_still
from generative.data import load as load_data
from generative.drawing import scatter
from generative.files import Dataset, Pairs, Points, Text
from generative.loop import scores
from generative.metrics import negative_log_likelihood
from generative.texts import NEWLINE, decode, encode
from generative.train import settings_of
from generative.trainer import Answerer, LikelihoodTrainer, Metrics, Trainer, Writer, evaluation_noise

Which = Literal["last", "best"]
# What is counted of each kind of data.
WHAT = {
    "images": "images",
    "points": "points",
    "text": "characters",
    "pairs": "pairs",
}


@dataclass(frozen=True)
class Evaluation:
    """Options of `lab eval`."""

    samples: int = 5_000  # importance samples per image for the likelihood; 0: the bound alone
    images: int = 0  # how many test images (or points), from the first; 0: all
    checkpoint: Which = "last"  # last, or best: the one that did best on the test set
    threads: int = 1  # of torch


@dataclass(frozen=True)
class Sampling:
    """Options of `lab sample`."""

    count: int | None = None  # images, points or texts per seed of the run; None: 64, of texts 4
    out: str = ""  # .png, .npz (arrays) or, of texts, .txt; empty: samples.png, or texts on the screen
    prompt: str = ""  # of texts: what they go on from
    length: int = 0  # of texts: how many characters after that; 0: as many as while training
    temperature: float = 1.0  # of texts: below 1 likelier, above 1 stranger; 0: the likeliest each time
    seed: int = 0  # of the noise; the same seed gives the same ones
    checkpoint: Which = "last"  # last, or best: the one that did best on the test set


@dataclass(frozen=True)
class Model:
    """The trained models of some seeds of one run, and the data they are tested on."""

    trainer: Trainer
    seeds: tuple[int, ...]
    dataset: Dataset
    test: Tensor  # [N, C, H, W] as the trainer sees images, [N, 2], or a text [N]

    def sample(self, count: int = 64, seed: int = 0) -> NDArray[np.float32]:
        """New images ``[seed, count, C, H, W]`` in [0, 1], or points ``[seed, count, 2]``, as ``seed`` has it."""
        noise = evaluation_noise([mix(seed, own) for own in self.seeds], "samples", self.test.device)
        images: NDArray[np.float32] = self.trainer.sample(count, noise).cpu().numpy()
        return images

    def write(
        self, count: int = 4, prompt: str = "", length: int = 0, seed: int = 0, temperature: float = 1.0
    ) -> list[list[str]]:
        """New texts of each seed that go on from a prompt, as ``seed`` has it; of lines up to their end.

        Of a model that makes one text of another: the likeliest one for the prompt.

        Raises:
            UserError: this model writes no texts, or never saw a character of the prompt.
        """
        trainer, text = self.trainer, self.dataset
        if isinstance(trainer, Answerer) and isinstance(text, Pairs):
            source = pairs.tokens(prompt, text).to(self.test.device)
            answers = trainer.answer(source.expand(len(self.seeds), 1, -1)).cpu()
            return [[pairs.text(one, text.characters) for one in own] for own in answers]
        if not (isinstance(trainer, Writer) and isinstance(text, Text)):
            raise UserError(
                f"{type(trainer).__name__} writes no texts; --prompt and --length are for those that do"
            )
        if text.lines and NEWLINE in prompt:
            raise UserError("--prompt has more than one line; every line is a text by itself for this model")
        begin = NEWLINE + prompt if text.lines else prompt or (NEWLINE if NEWLINE in text.characters else "")
        tokens = torch.from_numpy(encode(begin or text.characters[0], text.characters, "--prompt"))
        noise = evaluation_noise([mix(seed, own) for own in self.seeds], "samples", self.test.device)
        written = trainer.write(tokens.to(self.test.device), count, length, noise, temperature).cpu()
        return [[decode(one, text.characters, text.lines) for one in own] for own in written]

    def evaluate(self, images: int = 0) -> Metrics:
        """``eval/*`` ``[seed]`` of the first test images (0: all), as during training."""
        return scores(self.trainer, self.dataset, self.test[: images or None], self.seeds)

    def negative_log_likelihood(self, samples: int = 5_000, images: int = 0) -> Tensor:
        """Nats per test image ``[seed, N]``, by importance sampling.

        Raises:
            UserError: this kind of model gives images no probability.
        """
        trainer = self.trainer
        if not isinstance(trainer, LikelihoodTrainer):
            raise UserError(f"{type(trainer).__name__} gives images no probability; use --samples 0")
        noise = evaluation_noise(self.seeds, "likelihood", self.test.device)
        test = self.test[: images or None]
        return negative_log_likelihood(
            lambda x, count: trainer.log_weights(x, count, noise),
            test.expand(len(self.seeds), *test.shape),
            samples,
        )


def load(query: str | Sequence[Record], root: str = "runs", checkpoint: Which = "last") -> Model:
    """The models of a run: ``load("last").sample(16)``.

    Args:
        query: a path, the beginning of an id, a group (all its seeds) or ``last``; or records.
        root: where runs are looked up.
        checkpoint: the last one, or the best.

    Raises:
        UserError: no such run, or it has no checkpoint.
    """
    records = find(root, query) if isinstance(query, str) else list(query)
    if any(record.suite != "generative" for record in records):
        raise UserError(f"{records[0].id} is no run of a generative model; see `lab runs`")
    seeds = tuple(record.seed for record in records)
    data, options, _, config = settings_of(records[0]).values
    dataset = load_data(data)
    facts = {**records[0].run["facts"], "compile": False}
    if facts["device"] != "cpu" and not torch.cuda.is_available():
        facts["device"] = "cpu"
    trainer = trainer_of(records[0].algorithm, config, dataset, seeds, options.steps, facts)
    trainer.load_state_dict([state["trainer"] for state in _states(records, checkpoint)])
    return Model(trainer, seeds, dataset, held_still(dataset.test, trainer.binarise).to(facts["device"]))


def _states(records: Sequence[Record], checkpoint: Which) -> list[dict[str, Any]]:
    if checkpoint == "best":
        return [load_checkpoint(record.path / "checkpoints" / "best.safetensors")[1] for record in records]
    return [whole["state"] for _, whole in newest_common([record.path for record in records])]


def main(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab eval RUN`: the scores and the likelihood on the test set, per seed and over seeds."""
    options: Evaluation = settings_file.parse([Evaluation], argv, prog="lab eval RUN").values[0]
    if options.samples < 0 or options.images < 0:
        raise UserError("--samples and --images cannot be negative")
    threads.use(options.threads)
    model = load(records, checkpoint=options.checkpoint)
    found = {name.removeprefix("eval/"): value for name, value in model.evaluate(options.images).items()}
    if options.samples and isinstance(model.trainer, LikelihoodTrainer):
        likelihood = model.negative_log_likelihood(options.samples, options.images)
        found[f"nll@{options.samples}"] = likelihood.mean(dim=1)
    count = min(filter(None, (options.images, model.trainer.judged, len(model.test))))
    of = "" if count == len(model.test) else f"the first {count} of "
    what = WHAT[kind_of(model.dataset)]
    unit = ", nats per image" if isinstance(model.trainer, LikelihoodTrainer) else ""
    unit = ", nats per character" if what in ("characters", "pairs") else unit
    print(f"{records[0].group}: {of}{len(model.test)} test {what}, {options.checkpoint} checkpoint{unit}")
    for line in table(model.seeds, {name: value.double().cpu().numpy() for name, value in found.items()}):
        print(line)
    return 0


def table(seeds: Sequence[int], columns: dict[str, NDArray[np.float64]]) -> list[str]:
    """One line per seed, and their mean with its 95 % interval where there are two or more."""
    lines = [f"{'seed':>10}" + "".join(f"{name:>24}" for name in columns)]
    for k, seed in enumerate(seeds):
        lines.append(f"{seed:>10}" + "".join(f"{values[k]:>24.3f}" for values in columns.values()))
    if len(seeds) > 1:
        cells = []
        for values in columns.values():
            mean, low, high = student_interval(values)
            cells.append(f"{f'{mean:.3f} [{low:.3f}, {high:.3f}]':>24}")
        lines.append(f"{'mean':>10}" + "".join(cells))
    return lines


def sample(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab sample RUN`: new images as a grid, new points drawn over real ones, either as arrays, or new texts."""
    options: Sampling = settings_file.parse([Sampling], argv, prog="lab sample RUN").values[0]
    if options.count is not None and options.count < 1:
        raise UserError(f"--count is {options.count}; it must be at least 1")
    for name, value in (("length", options.length), ("temperature", options.temperature)):
        if not 0 <= value < math.inf:
            raise UserError(f"--{name} is {value}; it must be 0 or more")
    if records[0].algorithm in [*serving("text"), *serving("pairs")]:
        return _write(records, options)
    if options.prompt or options.length or options.temperature != 1:
        raise UserError(
            f"{records[0].algorithm} writes no texts; --prompt, --length and --temperature are for those that do"
        )
    out, count = Path(options.out or "samples.png"), options.count or 64
    if out.suffix not in (".png", ".npz"):
        raise UserError(f"--out {out} ends neither in .png (a grid) nor in .npz (arrays)")
    model = load(records, checkpoint=options.checkpoint)
    samples = model.sample(count, options.seed)
    what = "points" if isinstance(model.dataset, Points) else "images"
    try:
        if out.suffix == ".npz":
            arrays: dict[str, Any] = {what: samples, "seeds": np.array(model.seeds)}
            np.savez_compressed(out, **arrays)
        else:
            drawn = scatter(torch.from_numpy(samples), model.test).numpy() if what == "points" else samples
            write_png(out, stacked([grid(of_seed) for of_seed in drawn]))
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from None
    print(f"{out}: {count} {what} of each of {len(samples)} seeds of {records[0].group}")
    return 0


def _write(records: Sequence[Record], options: Sampling) -> int:
    """Texts on the screen, or into a file of text."""
    if Path(options.out).suffix not in ("", ".txt"):
        raise UserError(f"--out {options.out} does not end in .txt; {records[0].algorithm} writes texts")
    drawn = options.count not in (None, 1) or options.length or options.temperature != 1 or options.seed
    if records[0].algorithm in serving("pairs") and drawn:
        raise UserError(
            f"{records[0].algorithm} answers with the likeliest text; --count, --length, --temperature and --seed are "
            "for what writes on"
        )
    model = load(records, checkpoint=options.checkpoint)
    count, length = options.count or 4, options.length
    written = model.write(count, options.prompt, length, options.seed, options.temperature)
    whole = isinstance(model.dataset, Text) and model.dataset.lines
    parts = []
    for seed, texts in zip(model.seeds, written, strict=True):
        parts.append(
            f"seed {seed}\n" + ("" if whole else "\n") + ("\n" if whole else "\n\n---\n\n").join(texts)
        )
    page = "\n\n".join(parts)
    if not options.out:
        print(page)
        return 0
    try:
        Path(options.out).write_text(page + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {options.out}: {error.strerror or error}") from None
    print(f"{options.out}: {len(written[0])} texts of each of {len(written)} seeds of {records[0].group}")
    return 0


def stacked(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Grids of equal width one under another, with white between."""
    white = np.full((4 * GAP, *pictures[0].shape[1:]), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, white)]
    return np.concatenate(parts[:-1])
