"""`lab train TASK` and `lab resume RUN`: supervised learning, from what was typed to the scores on the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core import config as settings_file
from core import threads
from core.config import Settings
from core.cross_validation import report
from core.destination import WandB
from core.doors import opened, trained
from core.early_stopping import Rule
from core.errors import UserError
from core.fitting import Fitting
from core.idle import GIVEN, Idle, idle
from core.machine import Machine, facts_of
from core.noise import State
from core.presets import preset_of
from core.records import Record
from core.sessions import Again, begun, check, resumable
from core.task import Examples, Keeping, Spec, Task, divided, module_of, rows_of
from core.tracking import Group

REPAYS = 20_000  # updates, over all seeds, from which compiling saves more seconds than it takes


IDLE: Idle = {  # when an option does nothing, whichever task has it
    "fold": [{"folds": [0]}],
    "validation": [{"folds": GIVEN}, {"the data set": ["has a validation part"]}],
    "steps": [{"epochs": GIVEN}],
    "mode": [{"patience": [None]}],
    "min_delta": [{"patience": [None]}],
    "baseline": [{"patience": [None]}],
    "patience": [{"eval_every": [0]}],
    "lr_end": [{"schedule": ["constant"]}],
    "momentum": [{"optimiser": ["adam"]}],
    "clip_by": [{"clip": [None]}],
}


@dataclass(frozen=True)
class Options:
    steps: int = 2_000  # updates of one seed over the whole training
    epochs: int | None = None  # passes through the examples trained on; instead of --steps
    seeds: tuple[int, ...] = (0, 1, 2)  # all trained together, in this process
    preset: str = "auto"  # settings known to work; auto: the first that knows the data; none
    validation: float = 0.1  # share held out to choose by, where the data set has no such part of its own
    folds: int = 0  # cross-validation: train that often, each time with another part held out; 0: once
    fold: int | None = None  # of the folds this one alone, from 1; None: all, one after the other
    patience: int | None = None  # evaluations without a gain after which a seed stops; None: never
    monitor: str = "eval/loss"  # the score that chooses the best weights, and that patience waits for
    mode: Literal["auto", "min", "max"] = "auto"  # which way the monitored score is better
    min_delta: float = 0.0  # a smaller gain counts as none
    baseline: float | None = None  # a score that is not better than this counts as no gain
    eval_every: int | None = None  # steps between evaluations; None: 20 per run; 0: never
    log_every: int | None = None  # steps between rows of metrics; None: 400 rows per run
    checkpoint_every: int | None = None  # steps between checkpoints; None: at every evaluation and the end
    root: str = "runs"  # where run folders go
    name: str | None = None  # the group's folder; None: made of algorithm, data, settings and time
    resume: Literal["never", "auto"] = "never"  # auto: go on with the newest unfinished run of these settings
    quiet: bool = False  # no progress

    @property
    def rule(self) -> Rule | None:
        """When a seed stops early; None: it does not, and keeps its last weights."""
        if self.patience is None:
            return None
        return Rule(self.monitor, self.patience, self.min_delta, self.mode, self.baseline)


def main(argv: list[str]) -> int:
    """``argv`` is the task's id and its options."""
    if not argv or argv[0].startswith("-"):
        raise UserError("name a task first, such as classifier")
    options: Options = read(argv[0], argv[1:]).values[0]
    if options.folds < 0 or options.folds == 1:
        raise UserError(f"--folds is {options.folds}; 0 is none, 2 or more is a number")
    if not options.folds or options.fold is not None:
        return train(argv, argv[1:])[0]
    status, folders = in_folds(argv, options)
    if not status:
        print(report(folders))
    return status


def in_folds(argv: Sequence[str], options: Options) -> tuple[int, list[Path]]:
    """Every fold of a cross-validation, one after the other; an exit code, and the folders of those that are done."""
    folders: list[Path] = []
    for fold in range(1, options.folds + 1):
        name = ["--name", f"{options.name}-fold-{fold}"] if options.name else []
        status, folder = train(argv, [*argv[1:], "--fold", str(fold), *name])
        if status:  # stopped, or failed: said already
            if fold < options.folds:
                print(f"fold {fold} of {options.folds}: the same command with --resume auto does the rest")
            return status, folders
        folders.append(folder)
    return 0, folders


def read(algorithm: str, flags: Sequence[str]) -> Settings:
    """The settings: defaults, then the preset for the data set, then --config, then flags."""
    module = module_of(algorithm)
    sections = (Options, Machine, WandB, module.Config)
    about: Any = {"prog": f"lab train {algorithm}", "description": (module.__doc__ or "").split("\n")[0]}
    first = settings_file.parse(sections, flags, ignored=("algorithm",), **about)
    preset, name = preset_of(module.PRESETS, first.values[0].preset, first.values[-1].data)
    return settings_file.parse(
        sections, flags, preset=preset, preset_name=name, ignored=("algorithm",), **about
    )


def train(argv: Sequence[str], flags: Sequence[str]) -> tuple[int, Path]:
    """One group of runs, as ``flags`` say; its exit code and its folder."""
    algorithm, settings = argv[0], read(argv[0], flags)
    options, machine, wandb, config = settings.values
    follows = [] if options.epochs is None else ["steps"]  # from the epochs
    check(options, *(["epochs"] if follows else []))
    if options.resume == "auto" and (folder := begun(algorithm, settings, options, follows)):
        return proceed(folder, Again(**asdict(wandb), quiet=options.quiet)), folder
    examples = module_of(algorithm).load(config)
    images, count = examples.train[0].ndim > 2, len(options.seeds)
    updates = count * steps_of(options, rows_of(examples.train), config.batch)
    facts = facts_of(machine, images=images, seeds=count, repays=updates >= REPAYS)
    fitting, options = build(algorithm, config, examples, options, facts)
    told = fitting.task.facts() if isinstance(fitting.task, Keeping) else {}
    idle_flags = unused(settings, module_of(algorithm), examples)
    notes = (*idle_flags, *examples.notes, *(f"{name}: {words}" for name, words in told.items()))
    group = opened(
        "core", "examples_seen", examples.name, argv, counted(settings, options), options, wandb, facts | told, notes
    )  # fmt: skip
    return trained(fitting, fitting.evaluate, group, options), group.path


def steps_of(options: Options, rows: int, batch: int) -> int:
    """Updates of one seed: as told, or as many as --epochs passes through so many rows are."""
    return options.steps if options.epochs is None else options.epochs * (rows // batch)


def counted(settings: Settings, options: Options) -> Settings:
    """The settings for the record, which says the steps that --epochs came to; read again, --epochs still rules."""
    if options.epochs is None:
        return settings
    origin = {**settings.origin, "steps": f"--epochs {options.epochs}"}
    return Settings((options, *settings.values[1:]), origin)


def unused(settings: Settings, module: Any, examples: Examples) -> list[str]:
    """A line for every flag that does nothing with these settings and data; a task adds its own table as IDLE."""
    own = "has a validation part" if examples.validation is not None else "is divided"
    return idle(settings, {**IDLE, **getattr(module, "IDLE", {})}, {"the data set": own})


def build(
    algorithm: str, config: Any, examples: Examples, options: Options, facts: Mapping[str, Any],
    kept: State | None = None,
) -> tuple[Fitting, Options]:  # fmt: skip
    """What is trained, and the options with their steps counted; ``kept`` is of the checkpoint to go on from."""
    threads.use(facts["threads"])
    fold = 1 if options.fold is None else options.fold
    parts = divided(examples, options.validation, options.folds, fold)
    name = f"fold {fold} of {options.folds}" if options.folds else "net"
    how = {"device": facts["device"], "path": facts["path"], "compiled": bool(facts["compile"])}
    task: Task = module_of(algorithm).TASK(Spec(options.seeds, name, **how, kept=kept), config, parts)
    options = replace(options, steps=steps_of(options, rows_of(task.train), task.batch))
    stream = f"data of {name}" if options.folds else "data"
    return Fitting(task, options.seeds, options.steps, options.monitor, options.rule, stream), options


def resume(records: Sequence[Record], argv: Sequence[str]) -> int:
    """`lab resume RUN`: go on with the unfinished seeds of the group that ``records`` belong to."""
    options: Again = settings_file.parse([Again], argv).values[0]
    return proceed(records[0].path.parent, options)


def settings_of(record: Record, seeds: tuple[int, ...]) -> tuple[Options, Machine, Any]:
    """What a run was trained with, of these of its seeds; UserError where its config.yaml does not say."""
    sections = (Options, Machine, module_of(record.algorithm).Config)
    flags = ["--config", str(record.path / "config.yaml")]
    options, machine, config = settings_file.parse(sections, flags, ignored=("algorithm",)).values
    return replace(options, seeds=seeds), machine, config


def proceed(folder: Path, again: Again) -> int:
    """Go on from the newest checkpoint, computed as before: the run itself says how."""
    if not (runs := resumable(folder)):
        return 0
    algorithm = runs[0].algorithm
    options, _, config = settings_of(runs[0], seeds=tuple(record.seed for record in runs))
    step, states = Group.restore(folder, options.seeds)
    examples = module_of(algorithm).load(config)
    facts, kept = runs[0].run["facts"], states[0].get("task")
    fitting, options = build(algorithm, config, examples, options, facts, kept)
    group = Group.reopen(
        folder,
        options.seeds,
        step=step,
        wandb=again,
        command=["lab", "resume", folder.name],
        quiet=again.quiet,
    )
    return trained(fitting, fitting.evaluate, group, options, states)
