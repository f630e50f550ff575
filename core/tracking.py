"""The record of a run: a group of run folders, one per seed, and their W&B runs. Nothing else writes either.

Everything is written to disk first and to W&B second, so a W&B that fails costs nothing but its own copy, and
that copy can be written afresh from the folder.
"""

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import provenance
from core.destination import Destination, WandB, resolve
from core.errors import UserError
from core.groups import lay, now, reopened, session
from core.media import grid, histogram, write_png
from core.mirror import Mirror, reset
from core.mirrors import Mirrors
from core.noise import State, States
from core.progress import Progress
from core.rows import Array, per_seed, plain, rounded, to_numpy
from core.run_folder import RunFolder, newest_common, room, strict, write_json

AUTO = WandB()
FATAL = ("loss/", "train/", "grad_norm")  # a value here that is not finite ends that seed


class Group:
    """The seeds of one run, side by side. `alive` [S]: those that have not failed; others are passed over."""

    def __init__(self, path: Path, folders: list[RunFolder], to: Destination, quiet: bool) -> None:
        first = folders[0].run
        self.path = path
        self.seeds: tuple[int, ...] = tuple(folder.run["seed"] for folder in folders)
        self.axis = str(first["axis"])
        self.alive: NDArray[np.bool_] = np.ones(len(folders), bool)
        self._folders = folders
        self._open = self.alive.copy()
        self._last: list[dict[str, Any]] = [{} for _ in folders]  # the newest value of each metric
        self._extra: list[dict[str, Any]] = [{} for _ in folders]  # what `summary` was given
        self._saved: int | None = None  # the step of the newest checkpoint
        self._began = time.monotonic()
        self._progress = Progress(f"{first['algorithm']} {first['task']}", quiet)
        self._wandb = Mirrors(folders, to, Mirror, reset, self.say)

    @classmethod
    def create(
        cls, *, root: Path, suite: str, algorithm: str, task: str, settings: Mapping[str, Any],
        seeds: Sequence[int], axis: str, name: str | None = None, wandb: WandB = AUTO,
        command: Sequence[str] = (), facts: Mapping[str, Any] | None = None, tags: Sequence[str] = (),
        notes: str = "", job_type: str = "train", quiet: bool = False,
    ) -> "Group":  # fmt: skip
        """Lay the folders of a new group and open its W&B runs; its first line says where they are.

        Args:
            settings: every option, flat; seeds in it are passed over.
            axis: the key that counts progress in each row, `env_step` or `examples_seen`.
            name: the group's folder; by default algorithm, task, hash of the settings and time.
            facts: how it is computed: threads, device, path, …

        Raises:
            UserError: the root cannot be written, the name is taken, or W&B must be online and cannot be.
        """
        to = resolve(wandb)
        about = {
            "suite": suite, "algorithm": algorithm, "task": task, "axis": axis, "command": list(command),
            "facts": dict(facts or {}), "job_type": job_type, "tags": [*dict.fromkeys([*tags, *to.tags])],
            "notes": to.notes or notes,
        }  # fmt: skip
        path, folders = lay(Path(root), name, settings, seeds, to, about)
        group = cls(path, folders, to, quiet)
        group.say(to.line(path))
        group._wandb.open()
        return group

    @classmethod
    def reopen(
        cls, folder: Path, seeds: Sequence[int], *, step: int, wandb: WandB = AUTO,
        command: Sequence[str] = (), quiet: bool = False,
    ) -> "Group":  # fmt: skip
        """Continue after the newest checkpoint common to `seeds`, which `restore` said is at `step`.

        What was recorded later is taken back, and a W&B run that was offline is written afresh from the rest.
        Without a flag the W&B mode stays what it was.
        """
        folders, seconds = reopened(Path(folder), seeds, step)
        before = folders[0].run["wandb"]
        if wandb.wandb == "auto" and before["mode"] != "online":
            wandb = replace(wandb, wandb=before["mode"])
        if wandb.wandb_model_mb == AUTO.wandb_model_mb:
            wandb = replace(wandb, wandb_model_mb=before.get("model_mb", AUTO.wandb_model_mb))
        to = resolve(wandb)
        group = cls(Path(folder), folders, to, quiet)
        group._began -= seconds
        group._saved = step
        group.say(to.line(group.path))
        group.say(f"continuing {group.path.name} at {group.axis} {step}")
        if changed := provenance.changed(folders[0].run):
            group.say(f"not as when the run began: {changed}; the same numbers are not promised")
        killed = [i for i, opened in enumerate(folders) if opened.run["status"] == "running"]
        for last, opened in zip(group._last, folders, strict=True):
            for kind, item in opened.replay():
                last.update(item if kind == "row" else {})
            again = [*opened.run.get("resumed", []), {"step": step, "at": now(), "command": list(command)}]
            said = {
                "tags": [*dict.fromkeys([*opened.run["tags"], *to.tags])],
                "notes": to.notes or opened.run["notes"],
            }
            kept = {**session(), "started": opened.run["started"], "status": "running"}
            opened.update(**kept, **said, resumed=again)
        group._wandb.open(again=True)
        for i in killed:
            group._wandb.alert(i, f"crashed: its process was gone; it goes on from {group.axis} {step}")
        return group

    @classmethod
    def restore(cls, folder: Path, seeds: Sequence[int]) -> tuple[int, States]:
        """The newest step at which all of `seeds` have a checkpoint, and their states there.

        Raises:
            UserError: a checkpoint is damaged (the line names it), or there is none in common.
        """
        chosen = newest_common([Path(folder) / str(seed) for seed in seeds])
        return int(chosen[0][1]["step"]), [whole["state"] for _, whole in chosen]

    @property
    def seconds(self) -> float:
        """How long the run has taken, the parts before a resume included."""
        return time.monotonic() - self._began

    def log(self, step: int, metrics: Mapping[str, Array | float]) -> None:
        """One row per live seed; each value is [S], or one number for all.

        A `loss/*` or `train/*` value that is not finite ends that seed alone.
        """
        self.rows(step, per_seed(metrics, len(self.seeds)))

    def rows(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """One row per live seed, with the values that this seed has; {} writes none."""
        taken = round(self.seconds, 3)
        for i in self._live():
            if not rows[i]:
                continue
            values = plain(rows[i])
            row = {self.axis: step, "time/seconds": taken, **values}
            self._folders[i].append(row)
            self._last[i].update(row)
            self._wandb.tell(i, "row", row)
            wrong = [name for name in values if name.startswith(FATAL) and not math.isfinite(values[name])]
            if wrong:
                self.fail(i, f"{wrong[0]} is {values[wrong[0]]}", step)

    def histograms(self, step: int, arrays: Mapping[str, Array]) -> None:
        """A histogram of each array [S, …] per live seed; values that are not finite are left out."""
        numbers = {name: to_numpy(array) for name, array in arrays.items()}
        for i in self._live():
            found = {name: histogram(array[i]) for name, array in numbers.items()}
            self._note(i, step, {"kind": "histograms", "of": {name: h for name, h in found.items() if h}})

    def images(self, step: int, name: str, images: Array) -> None:
        """A grid of pictures per live seed from [S, N, C, H, W], floats in [0, 1] or bytes."""
        tiles = to_numpy(images)
        for i in self._live():
            path = self._folders[i].media(name, step, ".png")
            with room(path):
                write_png(path, grid(tiles[i]))
            self._note(i, step, {"kind": "image", "name": name, "file": f"media/{path.name}"})

    def video(self, step: int, name: str, i: int, film: Path) -> None:
        """A film of seed number `i`; the mp4 file at `film` is copied."""
        path = self._folders[i].media(name, step, ".mp4")
        with room(path):
            shutil.copyfile(film, path)
        self._note(i, step, {"kind": "video", "name": name, "file": f"media/{path.name}"})

    def maps(self, step: int, name: str, values: Array, ground: Mapping[str, Any]) -> None:
        """A table of numbers per live seed from [S, state, action], and beside it once what all of them share."""
        tables = to_numpy(values)
        for i in self._live():
            path = self._folders[i].media(name, step, ".json")
            shared = self._folders[i].media(name, "ground", ".json")
            with room(path):
                write_json(path, strict({"values": rounded(tables[i])}), indent=None)
                if not shared.exists():
                    write_json(shared, strict(ground), indent=None)
            files = {"file": f"media/{path.name}", "ground": f"media/{shared.name}"}
            self._note(i, step, {"kind": "map", "name": name, **files})

    def table(self, step: int, name: str, tables: Sequence[Mapping[str, Array]]) -> None:
        """A table for each live seed that has one, from its columns [N]. W&B gets a run's tables of one name as one."""
        for i in self._live():
            if tables[i]:
                columns = [to_numpy(column).tolist() for column in tables[i].values()]
                rows = [list(row) for row in zip(*columns, strict=True)]
                self._note(i, step, {"kind": "table", "name": name, "columns": [*tables[i]], "rows": rows})

    def checkpoint(self, step: int, states: States, *, best: bool | Sequence[bool] = False) -> None:
        """Save the state of every live seed; `best` says of each whether it is also the best so far.

        All files are whole on the disk before one of them replaces an older one: whenever the process is
        killed, there is a step to which all seeds can go back.
        """
        flags = [best] * len(self.seeds) if isinstance(best, bool) else list(best)
        for i in self._live():
            self._folders[i].save(step, states[i], self.seconds, bool(flags[i]))
        for i in self._live():
            self._folders[i].commit(bool(flags[i]))
            self._folders[i].summarise({**self._last[i], **self._extra[i]})
        self._saved = step

    def summary(self, i: int, values: Mapping[str, Any]) -> None:
        """Add plain values to the summary of seed number `i`, beside the newest value of each metric."""
        self._extra[i].update(values)
        self._folders[i].summarise({**self._last[i], **self._extra[i]})
        self._wandb.summarise(i, self._extra[i])

    def say(self, line: str) -> None:
        """A line for people: on the console, and in console.log of every live seed."""
        self._progress.say(line)
        for i in self._live():
            self._folders[i].say(line)

    def progress(self, step: int, total: int, value: float | None = None, label: str = "return") -> None:
        """Show how far the run is and the newest `value`; cheap, so call it as often as you like."""
        self._progress.show(step, total, value, label)

    def fail(self, i: int, reason: str, step: int) -> None:
        """End seed number `i` alone, as failed; its checkpoints stay."""
        kept = "it has no checkpoint yet" if self._saved is None else f"its checkpoint at {self._saved} stays"
        others = "; the other seeds go on" if self.alive.sum() > 1 else ""
        self.say(f"seed {self.seeds[i]} failed at {self.axis} {step}: {reason}; {kept}{others}")
        self.alive[i] = False
        self._close(i, "failed", 1, f"{reason} at {self.axis} {step}")

    def complete(self, i: int, best: tuple[int, State], last: tuple[int, State]) -> None:
        """End seed number `i` alone, as finished: it was trained by itself, and has its own (step, state)s."""
        for (step, state), is_best in ((best, True), (last, False)):
            self._folders[i].save(step, state, self.seconds, is_best)
            self._folders[i].commit(is_best)
        self._close(i, "finished", 0, None)

    def finish(self, status: str = "finished", exit_code: int = 0, error: str | None = None) -> None:
        """Close the record of every live seed and its W&B run; a second call does nothing."""
        self._progress.clear()
        live = self._live()
        with ThreadPoolExecutor(max(len(live), 1)) as pool:  # sending the last rows to W&B may take a while
            list(pool.map(lambda i: self._close(i, status, exit_code, error), live))
        self._wandb.mend()

    def _close(self, i: int, status: str, exit_code: int, error: str | None) -> None:
        self._open[i] = False
        with suppress(UserError):  # on a full disk the rest must still be closed
            self._folders[i].summarise({**self._last[i], **self._extra[i]})
            self._folders[i].update(status=status, ended=now(), seconds=round(self.seconds, 3), error=error)
        if error:
            self._wandb.alert(i, f"{status}: {error}")
        self._wandb.finish(i, exit_code)
        self._folders[i].close()

    def _note(self, i: int, step: int, entry: dict[str, Any]) -> None:
        entry = {self.axis: step, **entry}
        self._folders[i].note(entry)
        self._wandb.tell(i, "media", entry)

    def _live(self) -> list[int]:
        return [int(i) for i in np.flatnonzero(self._open)]
