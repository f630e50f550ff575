"""`lab train TRAINER` and `lab resume RUN`: from what was typed to a finished record."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core import config as settings_file
from core import threads
from core.cli import run as from_shell
from core.config import Settings
from core.destination import WandB
from core.doors import opened, trained
from core.errors import UserError
from core.machine import Machine
from core.presets import preset_of
from core.records import Record
from core.sessions import Again, begun, check, resumable
from core.tracking import Group
from generative.build import batches_of, decide, module_of, trainer_of
from generative.data import Batches, Data, load
from generative.files import Dataset
from generative.idle import unused
from generative.loop import Fitting
from generative.texts import Passages
from generative.trainer import Trainer


@dataclass(frozen=True)
class Options:
    steps: int = 2_000  # updates of one seed over the whole training
    seeds: tuple[int, ...] = (0, 1, 2)  # all trained together, in this process
    preset: str = "auto"  # settings known to work: iwae, …; auto: the first that knows the data; none
    eval_every: int | None = None  # steps between evaluations; None: 20 per run; 0: never
    log_every: int | None = None  # steps between rows of metrics; None: 400 rows per run
    checkpoint_every: int | None = None  # steps between checkpoints; None: at every evaluation and the end
    root: str = "runs"  # where run folders go
    name: str | None = None  # the group's folder; None: made of algorithm, data, settings and time
    resume: Literal["never", "auto"] = "never"  # auto: go on with the newest unfinished run of these settings
    quiet: bool = False  # no progress


SECTIONS = (Data, Options, Machine, WandB)


def main(argv: list[str]) -> int:
    """``argv`` is the trainer's id and its options."""
    if not argv or argv[0].startswith("-"):
        raise UserError("name a trainer first, such as vae")
    algorithm, flags = argv[0], argv[1:]
    settings = read(algorithm, module_of(algorithm), flags)
    data, options, machine, wandb, config = settings.values
    check(options)
    if options.resume == "auto" and (folder := begun(algorithm, settings, options)):
        return proceed(folder, Again(**asdict(wandb), quiet=options.quiet))
    dataset = load(data)
    facts = decide(machine, len(options.seeds), options.steps, dataset)
    threads.use(machine.threads)
    trainer, batches = build(algorithm, config, dataset, options, facts)
    notes = [*unused(settings, dataset), *dataset.notes]
    group = opened("generative", "examples_seen", dataset.name, argv, settings, options, wandb, facts, notes)
    fitting = Fitting(trainer, batches, dataset, group.seeds)
    return trained(fitting, fitting.evaluate, group, options)


def read(algorithm: str, module: Any, flags: Sequence[str]) -> Settings:
    """The settings: defaults, then the preset for the data set, then --config, then flags.

    A trainer of other data than images names its own default as ``DATA``.
    """
    sections = (*SECTIONS, module.Config)
    about: Any = {"prog": f"lab train {algorithm}", "description": (module.__doc__ or "").split("\n")[0]}
    first = settings_file.parse(sections, flags, ignored=("algorithm",), **about)
    options, data = first.values[1], first.values[0].data
    if "data" not in first.origin:
        data = getattr(module, "DATA", data)
    preset, name = preset_of(module.PRESETS, options.preset, data)
    if data != first.values[0].data:  # what this trainer learns where nobody says
        preset, name = {**preset, "data": data}, name or algorithm
    return settings_file.parse(
        sections, flags, preset=preset, preset_name=name, ignored=("algorithm",), **about
    )


def build(
    algorithm: str, config: Any, dataset: Dataset, options: Options, facts: dict[str, Any]
) -> tuple[Trainer, Batches | Passages]:
    """A trainer for these data, and its batches of them."""
    trainer = trainer_of(algorithm, config, dataset, options.seeds, options.steps, facts)
    return trainer, batches_of(trainer, dataset, options.seeds, facts["device"])


def resume(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab resume RUN`: go on with the unfinished seeds of the group that ``records`` belong to."""
    options: Again = settings_file.parse([Again], argv).values[0]
    return proceed(records[0].path.parent, options)


def settings_of(record: Record) -> Settings:
    """The settings a run was made with."""
    sections = (Data, Options, Machine, module_of(record.algorithm).Config)
    return settings_file.parse(
        sections, ["--config", str(record.path / "config.yaml")], ignored=("algorithm",)
    )


def proceed(folder: Path, again: Again) -> int:
    """Go on from the newest checkpoint, computed as before: the run itself says how."""
    if not (runs := resumable(folder)):
        return 0
    facts = runs[0].run["facts"]
    data, options, _, config = settings_of(runs[0]).values
    options = replace(options, seeds=tuple(record.seed for record in runs))
    dataset = load(data)
    step, states = Group.restore(folder, options.seeds)
    threads.use(facts["threads"])
    trainer, batches = build(runs[0].algorithm, config, dataset, options, facts)
    group = Group.reopen(
        folder,
        options.seeds,
        step=step,
        wandb=again,
        command=["lab", "resume", folder.name],
        quiet=again.quiet,
    )
    fitting = Fitting(trainer, batches, dataset, group.seeds)
    return trained(fitting, fitting.evaluate, group, options, states)


if __name__ == "__main__":
    sys.exit(from_shell(main, sys.argv[1:]))
