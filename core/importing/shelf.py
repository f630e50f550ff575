"""Where imported runs lie: each once, seeds of one experiment in one group."""

import shutil
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from time import localtime, strftime

from core import annotations, records
from core.groups import slug
from core.importing.adoption import Adopted, settle


class Shelf:
    """The groups of a runs folder that hold imported runs, and the places in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: dict[str, records.Record] = {}  # entity/project/id -> where it lies
        self.groups: dict[str, list[str]] = {}  # signature -> groups
        for record in records.scan(root):
            told = record.run.get("imported")
            if isinstance(told, dict) and "key" in told:
                self.places[str(told["key"])] = record
                groups = self.groups.setdefault(str(told.get("signature")), [])
                groups += [record.group] * (record.group not in groups)

    def place(self, adopted: Iterable[Adopted]) -> list[tuple[Adopted, Path, bool]]:
        """(the run, its folder, whether it was there before) for each."""
        return [(run, *self._place(run)) for run in adopted]

    def _place(self, run: Adopted) -> tuple[Path, bool]:
        """Where it lay, if what it is has not changed; else in a group of its kind with room, else in a new one."""
        signature = _signature(run)
        run.run["imported"]["signature"] = signature
        old = self.places.get(run.key)
        told = old.run["imported"].get("signature") if old else None
        if old and told == signature and run.names.seed in (None, old.seed):
            group, seed = old.group, old.seed
        else:
            group, seed = self._room(run, signature)
        settle(run, group, seed)
        target = self.root / group / str(seed)
        target.parent.mkdir(exist_ok=True)
        if old:
            if (old.path / annotations.NAME).is_file():
                shutil.copyfile(old.path / annotations.NAME, run.folder / annotations.NAME)
            old.path.rename(run.folder.with_name(run.folder.name + ".old"))
        run.folder.rename(target)
        if old and not any(old.path.parent.iterdir()):
            old.path.parent.rmdir()
        return target, old is not None

    def _room(self, run: Adopted, signature: str) -> tuple[str, int]:
        groups = self.groups.setdefault(signature, [])
        for group in groups:
            numbers = [run.names.seed] if run.names.seed is not None else count()
            seed = next((n for n in numbers if not (self.root / group / str(n)).exists()), None)
            if seed is not None:
                return group, seed
        stem = f"{slug(run.names.algorithm)}-{slug(run.names.task)}-{run.settings}"
        stem = f"{stem}-{strftime('%Y%m%d-%H%M%S', localtime(run.started))}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        group = next(name for name in names if not (self.root / name).exists())
        groups.append(group)
        return group, run.names.seed or 0


def _signature(run: Adopted) -> str:
    """Equal for runs that are seeds of one experiment."""
    return "/".join((run.key.rpartition("/")[0], run.names.algorithm, run.names.task, run.settings))
