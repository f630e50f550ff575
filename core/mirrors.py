"""The W&B runs of a group, held so that whatever happens to them training goes on and they end whole."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from core.config import read_yaml
from core.destination import Destination, within
from core.errors import UserError
from core.model import Model, TooLarge, models
from core.run_folder import RunFolder

FINISHING = 8  # seconds a W&B run may take to send its last rows; after that it is written anew, offline
LONGEST_TITLE = 63  # characters of an alert's title that wandb takes


class Run(Protocol):
    """What a mirror of one seed's record can be told."""

    def tell(self, kind: str, item: Mapping[str, Any]) -> None: ...
    def summarise(self, values: Mapping[str, Any]) -> None: ...
    def alert(self, title: str, text: str) -> None: ...
    def finish(self, exit_code: int, models: Sequence[Model]) -> None: ...


class Mirrors:
    """One mirror per seed. If wandb fails it is said once; `mend` writes anew, offline, what was lost."""

    def __init__(
        self,
        folders: list[RunFolder],
        to: Destination,
        begin: Callable[[RunFolder, Destination, Mapping[str, Any], bool], Run],
        reset: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._folders, self._to, self._begin, self._reset, self._say = folders, to, begin, reset, say
        self._runs: list[Run | None] = [None] * len(folders)
        self._summaries: list[dict[str, Any]] = [{} for _ in folders]
        self._lost: dict[int, int] = {}  # seed number -> exit code of a run whose W&B copy is not whole
        self._failed = False

    def open(self, again: bool = False) -> None:
        """Open one W&B run per seed; `again` continues them, or writes afresh those that were offline."""
        if self._to.mode == "disabled":
            return
        # beside the run, never in the home directory; and no crash reports to anyone
        home = Path(self._to.dir or self._folders[0].path / "wandb").resolve()
        os.environ.setdefault("WANDB_DATA_DIR", str(home / "data"))
        os.environ.setdefault("WANDB_CACHE_DIR", str(home / "cache"))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")  # what there is to say stands in our own lines
        seeds = range(len(self._folders))
        if self._to.mode == "online":
            try:
                for i in seeds:
                    self._open(i, again)
                return
            except Exception as error:
                within(FINISHING, self._forget)  # it still holds the ids
                self._to = replace(self._to, mode="offline", why=f"the server refused: {one_line(error)}")
                self._say(self._to.line(self._folders[0].path.parent))
        for i in seeds:
            self._guard(i, lambda i=i: self._open(i, again))  # type: ignore[misc]

    def tell(self, i: int, kind: str, item: Mapping[str, Any]) -> None:
        """Repeat one row, or one entry of the media index."""
        if run := self._runs[i]:
            self._guard(i, lambda: run.tell(kind, item))

    def summarise(self, i: int, values: Mapping[str, Any]) -> None:
        """Repeat the values that the summary has beside the metrics."""
        self._summaries[i].update(values)
        if run := self._runs[i]:
            self._guard(i, lambda: run.summarise(values))

    def alert(self, i: int, text: str) -> None:
        """Say on W&B that something went wrong. It stands in run.json too: rewriting W&B's copy keeps it."""
        if self._to.mode == "disabled":
            return
        told, run = self._folders[i].run, self._runs[i]
        title = f"{told['algorithm']} on {told['task']}, seed {told['seed']}"[:LONGEST_TITLE]
        alert = {"title": title, "text": text, "mode": self._to.mode if run else "offline"}
        with suppress(UserError):  # on a full disk it is still said
            self._folders[i].update(alerts=[*told.get("alerts", []), alert])
        if run:
            self._guard(i, lambda: run.alert(title, text))

    def finish(self, i: int, exit_code: int) -> None:
        """Close one run, its models with it."""
        if i in self._lost:
            self._lost[i] = exit_code
        if run := self._runs[i]:
            found = self._models(i)
            self._guard(i, lambda: run.finish(exit_code, found), exit_code)
            self._runs[i] = None

    def mend(self) -> None:
        """Write the runs that a failure of wandb left in pieces once more, offline, from their folders."""
        lost, self._lost = self._lost, {}
        self._to = replace(self._to, mode="offline")
        for i, exit_code in lost.items():
            with suppress(Exception):
                self._open(i, again=True)
                self.finish(i, exit_code)

    def _open(self, i: int, again: bool) -> None:
        config = read_yaml(self._folders[i].path / "config.yaml")
        run = self._runs[i] = self._begin(self._folders[i], self._to, config, again)
        if self._summaries[i]:
            run.summarise(self._summaries[i])

    def _models(self, i: int) -> list[Model]:
        """What of the checkpoints W&B gets; a model too large for it, or a broken one, costs one line."""
        try:
            return models(self._folders[i], self._to.model_mb) if self._to.model_mb > 0 else []
        except TooLarge as error:
            self._say(f"the model stays on disk, W&B does not get it: {error} (--wandb-model-mb)")
        except (UserError, OSError, KeyError) as error:
            self._say(f"W&B gets no model: {one_line(error)}")
        return []

    def _guard(self, i: int, tell: Callable[[], object], exit_code: int = 0) -> None:
        """Whatever wandb raises, training goes on; one failure is the end of all its runs in this process."""
        try:
            tell()
        except Exception as error:
            lost = {n for n, run in enumerate(self._runs) if run} | {i}
            self._lost = {**dict.fromkeys(lost, exit_code), **self._lost}
            self._runs = [None] * len(self._runs)
            if not self._failed:
                self._say(f"W&B failed ({one_line(error)}); training goes on, the record on disk stays whole")
            self._failed = True
            within(FINISHING, self._forget)

    def _forget(self) -> bool:
        """Let go of wandb's own process, which may be dead; the next run then gets a new one."""
        with suppress(Exception):
            self._reset()
        return True


def one_line(error: BaseException) -> str:
    """An exception as a few words."""
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0].rstrip(": ")
