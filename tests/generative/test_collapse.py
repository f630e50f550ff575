"""The comparison of mode collapse: its commands are understood, differ in what they compare alone, and give figures."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from core.cells import Suite, judged, keep, measured, records
from generative import train
from generative.build import module_of
from generative.collapse import CELLS, MODES, SETTINGS

SUITE = Suite("collapse", "tests.generative.test_collapse:SUITE", CELLS)


def settings(name: str, tier: str) -> dict[str, Any]:
    algorithm, *flags = shlex.split(CELLS[name].command(tier))
    return train.read(algorithm, module_of(algorithm), flags).flat()


def test_all_have_the_same_networks_data_and_updates_of_the_generator() -> None:
    shared = ("net", "hidden", "activation", "latent", "batch_size", "gain", "schedule", "steps", "seeds")
    for data in MODES:
        gan, alike, wgan = (settings(f"collapse-{name}-{data}", "table") for name in SETTINGS)
        assert {name: gan[name] for name in shared} == {name: wgan[name] for name in shared}
        assert gan["data"] == wgan["data"] == data
        assert (len(gan["seeds"]), len(CELLS)) == (10, 6)
        same = (*shared, "critic_steps", "lr", "beta1", "beta2", "data")
        assert {name: alike[name] for name in same} == {name: wgan[name] for name in same}


def test_the_mark_is_24_of_25_modes_by_wgan_gp() -> None:
    marks = {name: [m.of for m in cell.measures if m.mark] for name, cell in CELLS.items()}
    assert {name: of for name, of in marks.items() if of} == {"collapse-wgan-gp-grid": ["final/modes"]}


@pytest.mark.parametrize("name", ["collapse-gan-ring", "collapse-wgan-gp-grid"])
def test_a_short_run_gives_a_row_for_each_figure(name: str, tmp_path: Path) -> None:
    """As `lab bench trainers --tier smoke` makes it."""
    algorithm, *flags = shlex.split(CELLS[name].command("smoke"))
    root = ["--root", str(tmp_path / "smoke"), "--name", name, "--wandb", "disabled", "--quiet"]
    assert train.main([algorithm, *flags, *root]) == 0
    rows = measured(CELLS[name], records(tmp_path / "smoke" / name))
    keep(tmp_path / "smoke" / f"{name}.json", CELLS[name].command("smoke"), rows)
    modes, share, divergence = judged(SUITE, name, "smoke", tmp_path)
    assert [len(row["seeds"]) for row in (modes, share, divergence)] == [2, 2, 2]
    assert all(0 <= score <= MODES[name.rpartition("-")[2]] for score in modes["seeds"])
    assert all(0 <= score <= 1 for score in share["seeds"])
    assert all(score >= 0 for score in divergence["seeds"])
    assert modes["steps"] == 40
