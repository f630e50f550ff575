"""Naming and laying groups: exclusive, and refused with one line where it cannot be."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import UserError
from core.fingerprint import hash_of
from core.groups import slug
from tests.core.recorded import group


def test_groups_of_the_same_second_do_not_meet(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: group(tmp_path), range(8)))
    assert len({one.path for one in made}) == 8
    for one in made:
        assert sorted(path.name for path in one.path.iterdir()) == ["3", "7"]
        one.finish()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    group(tmp_path, name="mine").finish()
    with pytest.raises(UserError, match="mine exists already; choose another --name, or continue it"):
        group(tmp_path, name="mine")
    for wrong in ("", "a/b", "..", "-x", "last", "a b"):
        with pytest.raises(UserError, match="cannot name a folder"):
            group(tmp_path, name=wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("root", ["file/runs", "file"])
def test_a_root_that_cannot_be_written_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot write in the runs folder .*; choose another with --root"):
        group(tmp_path / root)
    with pytest.raises(UserError, match="cannot write in the runs folder"):
        group(Path("/proc/runs"))


def test_the_hash_knows_the_settings_and_nothing_else() -> None:
    settings = {"algorithm": "ppo", "lr": 3e-4, "sizes": (64, 64)}
    assert len(hash_of(settings)) == 8
    assert hash_of(settings) == hash_of(
        {**settings, "seeds": (1, 2), "wandb": "offline", "root": "elsewhere"}
    )
    assert hash_of(settings) == hash_of(dict(reversed(settings.items())))
    assert hash_of(settings) != hash_of({**settings, "lr": 1e-3})


def test_a_slug_is_a_file_name() -> None:
    assert slug("my_pkg.maze:Maze-v0") == "my_pkg.maze-Maze-v0"
    assert slug("../../etc") == "etc"
    assert slug("///") == "task"
