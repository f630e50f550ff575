"""The trainers' table: every cell's command is understood; what needs data says so where they are not."""

import importlib
from pathlib import Path

from generative.cells import TRAINERS, needs
from generative.train import read
from tests.suites_of_cells import faults


def read_trainer(algorithm: str, flags: list[str]) -> None:
    read(algorithm, importlib.import_module(f"generative.trainers.{algorithm.replace('-', '_')}"), flags)


def test_every_cell_can_be_made() -> None:
    assert list(faults(TRAINERS, read_trainer)) == []


def test_data_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert needs("digits")() == ""
    missing = needs(str(tmp_path / "none.npy"))()
    assert "none.npy" in missing
