"""One seed's W&B run: everything this lab says to wandb while it trains, it says here."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import wandb

from core.destination import PATIENCE, Destination
from core.media import edges
from core.mirrors import FINISHING
from core.run_folder import RunFolder

TOLD = ("suite", "algorithm", "task", "seed", "versions", "git_commit", "facts")  # of run.json, to W&B


def reset() -> None:
    """Let go of wandb's own process; the next run gets a new one."""
    wandb.teardown()


class Mirror:
    """One seed's W&B run."""

    def __init__(self, folder: RunFolder, to: Destination, config: Mapping[str, Any], again: bool) -> None:
        """Open it; `again` continues a run that was online, and writes one afresh that was not."""
        self._folder, self._axis = folder, str(folder.run["axis"])
        record = folder.run["wandb"]
        home = Path(to.dir or folder.path).resolve()
        for earlier in (home / "wandb").glob(f"offline-run-*-{record['id']}"):
            shutil.rmtree(earlier)
        kept = again and record["mode"] == "online" == to.mode  # the server still has what it was told
        self._run = wandb.init(
            mode="online" if to.mode == "online" else "offline", dir=str(home), id=record["id"],
            project=record["project"], entity=record["entity"] or None, group=record["group"],
            name=f"{record['name']}-{folder.run['seed']}", job_type=folder.run["job_type"],
            tags=folder.run["tags"], notes=folder.run["notes"] or None, reinit="create_new",
            resume="allow" if kept else None, config={**config, **{key: folder.run[key] for key in TOLD}},
            settings=wandb.Settings(
                console="off", silent=True, disable_git=True, save_code=False, init_timeout=PATIENCE,
                finish_timeout=FINISHING, x_transaction_log_flush_interval=1, x_disable_stats=True,
            ),
        )  # fmt: skip
        self._run.define_metric(self._axis)
        self._run.define_metric("*", step_metric=self._axis)
        where = os.path.relpath(self._run.settings.sync_dir, folder.path.resolve())
        folder.update(wandb={**record, "mode": to.mode, "run": where, "synced": False})
        self._known = self._run.starting_step  # rows the server has, perhaps past the point resumed from
        for kind, item in folder.replay() if again else ():
            self.tell(kind, item)

    def tell(self, kind: str, item: Mapping[str, Any]) -> None:
        """One row of metrics, or one entry of the media index; each is one row of W&B's history.

        A map is passed over: W&B draws none, and the picture of its numbers is told.
        """
        if kind == "media" and item["kind"] == "map":
            return
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

    def finish(self, exit_code: int) -> None:
        """Close it."""
        self._run.finish(exit_code=exit_code)
