"""The agents' table: every cell's command is understood; a best checkpoint is played on episodes of its own."""

import importlib
import shutil
from pathlib import Path

import pytest

from core.cells import records
from core.cli import main as lab
from rl import cells
from rl.recipes import RECIPES
from rl.train import read
from tests.suites_of_cells import faults


def read_agent(algorithm: str, flags: list[str]) -> None:
    module = RECIPES.get(algorithm) or importlib.import_module(f"rl.agents.{algorithm.replace('-', '_')}")
    read(algorithm, module, flags)


def test_every_cell_can_be_made() -> None:
    assert list(faults(cells.AGENTS, read_agent)) == []


def test_smoke_is_never_longer_than_table() -> None:
    for name, cell in cells.AGENTS.cells.items():
        smoke, table = (
            int(tier.words.split("--steps ")[1].split()[0]) if "--steps" in tier.words else 0
            for tier in (cell.tiers["smoke"], cell.tiers["table"])
        )
        assert smoke <= table / 4, name


def test_a_best_checkpoint_is_played_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a world of three steps that pay 1 each; the last checkpoint is not looked at."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(__file__).with_name("worlds_by_hand.py"), "worlds.py")
    flags = ["--steps", "200", "--seeds", "0", "1", "--name", "steps", "--wandb", "disabled", "--quiet"]
    assert lab(["train", "q-learning", "--env", "worlds.py:Steps", *flags]) == 0
    runs = records(tmp_path / "runs" / "steps")
    for path in (tmp_path / "runs" / "steps").glob("*/checkpoints/*.safetensors"):
        if path.stem != "best":
            path.unlink()
    assert cells.best(runs) == [3.0, 3.0]
