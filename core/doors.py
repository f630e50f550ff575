"""What every door to training does alike: the record is opened, and whatever happens then it is closed and says so."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from core import sessions
from core.config import Settings
from core.destination import WandB
from core.noise import States
from core.tracking import Group
from core.training import Evaluate, Learning, Training


class Options(sessions.Options, Protocol):
    """The options that are needed to open a record."""

    @property
    def quiet(self) -> bool: ...


def opened(
    suite: str, axis: str, task: str, argv: Sequence[str], settings: Settings, options: Options, wandb: WandB,
    facts: Mapping[str, Any], notes: Iterable[str] = (),
) -> Group:  # fmt: skip
    """The record of a new run of ``lab train ARGV``, which first says what it is, what differs, and the notes."""
    algorithm = argv[0]
    group = Group.create(
        root=Path(options.root),
        suite=suite,
        algorithm=algorithm,
        task=task,
        settings=sessions.recorded(algorithm, settings),
        seeds=options.seeds,
        axis=axis,
        name=options.name,
        wandb=wandb,
        command=["lab", "train", *argv],
        facts=facts,
        quiet=options.quiet,
    )
    group.say(f"{algorithm} on {task}: {settings.changed() or 'all settings at their defaults'}")
    for note in notes:
        group.say(note)
    return group


def trained(
    learning: Learning, evaluate: Evaluate, group: Group, options: sessions.Options,
    resumed: States | None = None, notes: Iterable[str] = (),
) -> int:  # fmt: skip
    """Train, from the start or from ``resumed``, saying the notes first. Returns the exit code."""
    training = Training(learning, group, options.steps, sessions.cadence(options))
    try:
        if resumed is not None:
            training.load_state_dict(resumed)
        for note in notes:
            group.say(note)
        return training.run(evaluate)
    except BaseException as error:
        group.finish("crashed", 1, str(error) or type(error).__name__)
        raise
