"""One seed's W&B run: everything this lab says to wandb while it trains, it says here."""

import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb

from core import annotations
from core.destination import PATIENCE, Destination, within
from core.measures import higher_is_better
from core.media import edges
from core.mirrors import FINISHING
from core.model import Model, shelf
from core.run_folder import RunFolder

TOLD = ("suite", "algorithm", "task", "seed", "versions", "git_commit", "facts")  # of run.json, to W&B
MOST_ROWS = 20_000  # of a table, the newest
NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")  # as the media index has them


def reset() -> None:
    """Let go of wandb's own process; the next run gets a new one."""
    wandb.teardown()


class Mirror:
    """One seed's W&B run."""

    def __init__(self, folder: RunFolder, to: Destination, config: Mapping[str, Any], again: bool) -> None:
        """Open it; `again` continues a run that was online, and writes one afresh that was not."""
        self._folder, self._axis, self._online = folder, str(folder.run["axis"]), to.mode == "online"
        record = folder.run["wandb"]
        home = Path(to.dir or folder.path).resolve()
        for earlier in (home / "wandb").glob(f"offline-run-*-{record['id']}"):
            shutil.rmtree(earlier)
        kept = again and record["mode"] == "online" == to.mode  # the server still has what it was told
        said = annotations.read(folder.path, folder.run)
        self._run = wandb.init(
            mode="online" if to.mode == "online" else "offline", dir=str(home), id=record["id"],
            project=record["project"], entity=record["entity"] or None, group=record["group"],
            name=f"{record['name']}-{folder.run['seed']}", job_type=folder.run["job_type"],
            # what people wrote on the server stays, unless something is said anew
            tags=None if kept else said.tags, notes=(to.notes if kept else said.notes) or None, reinit="create_new",
            resume="allow" if kept else None, config={**config, **{key: folder.run[key] for key in TOLD}},
            settings=wandb.Settings(
                console="off", silent=True, disable_git=True, save_code=False, init_timeout=PATIENCE,
                finish_timeout=FINISHING, finish_timeout_raises=True, x_transaction_log_flush_interval=1,
                x_disable_stats=True,
            ),
        )  # fmt: skip
        self._run.define_metric(self._axis)
        self._run.define_metric("*", step_metric=self._axis)
        if kept and (new := set(said.tags) - set(self._run.tags or ())):
            self._run.tags = (*(self._run.tags or ()), *sorted(new))
        where = os.path.relpath(self._run.settings.sync_dir, folder.path.resolve())
        at = str(folder.path.resolve())
        folder.update(wandb={**record, "mode": to.mode, "run": where, "at": at, "synced": False})
        self._known = self._run.starting_step  # rows the server has, perhaps past the point resumed from
        self._scores: dict[
            str, list[float]
        ] = {}  # best and last of each, where one value is better than another
        self._kept = kept
        self._tables: dict[str, tuple[list[str], list[Iterable[Any]]]] = {}  # columns, rows
        for kind, item in folder.replay() if again else ():
            self.tell(kind, item)
        for told in folder.run.get("alerts", []) if again and not kept else ():
            if told["mode"] != "online":  # that server has it
                self.alert(told["title"], told["text"])

    def tell(self, kind: str, item: Mapping[str, Any]) -> None:
        """One row of metrics, or one entry of the media index; each is one row of W&B's history.

        A map is passed over: W&B draws none, and the picture of its numbers is told. A table waits for the end: it
        goes up as an artifact, for each of which wandb asks the server and waits.
        """
        if kind == "media" and item["kind"] in ("map", "table"):
            if item["kind"] == "table":
                self._remember(item)
            return
        if kind == "row":
            self._score(item)
        if self._known > 0:
            self._known -= 1
            return
        entry = {} if kind == "row" else item
        told = {self._axis: item[self._axis]} if entry else dict(item)
        if entry.get("kind") == "image":
            told[item["name"]] = wandb.Image(str(self._folder.path / item["file"]))
        elif entry.get("kind") == "video":
            told[item["name"]] = wandb.Video(str(self._folder.path / item["file"]), format="mp4")
        for name, of in entry.get("of", {}).items():
            bins = np.array(of["counts"]), edges(of["low"], of["high"])
            told[name] = wandb.Histogram(np_histogram=bins)
        self._run.log(told)

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Values beside the metrics."""
        self._run.summary.update(dict(values))

    def alert(self, title: str, text: str) -> None:
        """Something went wrong: W&B tells its people, by mail or Slack as they chose."""
        self._run.alert(title, text, level="ERROR")

    def finish(self, exit_code: int, models: Sequence[Model]) -> None:
        """Hand in the tables and the models, and close it."""
        failed: list[Exception] = []

        def hand_in() -> bool:
            try:
                self._hand_in(models)
            except Exception as error:
                failed.append(error)
            return True

        if not within(FINISHING, hand_in):  # it asks the server, and waits for the answer
            raise TimeoutError(f"the server takes no artifact within {FINISHING} s")
        if failed:
            raise failed[0]
        self._run.finish(exit_code=exit_code)
        if self._online:
            shutil.rmtree(shelf(self._folder.path), ignore_errors=True)

    def _hand_in(self, models: Sequence[Model]) -> None:
        if self._kept:  # of what was told before it was resumed wandb knows no best
            seen = {name: {best_of(name): best, "last": last} for name, (best, last) in self._scores.items()}
            self._run.summary.update(seen)
        for name, (columns, rows) in self._tables.items():
            self._run.summary.update(
                {name: wandb.Table(columns=[self._axis, *columns], data=rows[-MOST_ROWS:])}
            )
        for model in models:
            # model-<id> as other tools name it: one artifact per run, a version per model
            artifact = wandb.Artifact(f"model-{self._run.id}", "model", metadata=model.about)
            folder = model.folder.resolve()  # `lab sync` may be called from anywhere
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = path.relative_to(folder).as_posix()
                artifact.add_file(str(path), name, policy="immutable", skip_cache=True)  # no second copy
            self._run.log_artifact(artifact, aliases=list(model.aliases))

    def _remember(self, entry: Mapping[str, Any]) -> None:
        """Rows of a table, those of an earlier step above; what is no number is empty: a column has one type."""
        _, rows = self._tables.setdefault(entry["name"], (list(entry["columns"]), []))
        rows += [
            [entry[self._axis], *(None if x in NOT_NUMBERS else x for x in row)] for row in entry["rows"]
        ]

    def _score(self, row: Mapping[str, Any]) -> None:
        """Of a score W&B's own table shows the best and the last value."""
        for name, value in row.items():
            if not name.startswith("eval/") or not (best := best_of(name)):
                continue
            if name not in self._scores:
                self._run.define_metric(name, step_metric=self._axis, summary=f"{best},last")
            found = [x for x in (*self._scores.get(name, [])[:1], value) if not math.isnan(x)] or [value]
            self._scores[name] = [max(found) if best == "max" else min(found), value]


def best_of(score: str) -> str:
    """The best of a score's values is its max or its min; "" where nobody knows."""
    return {True: "max", False: "min", None: ""}[higher_is_better(score)]
