"""Where a translator looks, and what the order of reading is worth: worked by hand, and from runs of a few updates."""

import json
import shlex
from pathlib import Path

import pytest
import torch

from core.cells import named
from core.cli import main
from core.errors import UserError
from core.network_cells import PAIRS
from core.records import find, read
from generative import reading
from tests.generative.test_cells import read_trainer


def test_the_mirror_of_every_character_but_the_end_and_the_padding_is_counted() -> None:
    weights = torch.zeros(2, 4, 3)
    # three characters, read from the last to the first; the end reads the first
    weights[0, 0, 2] = weights[0, 1, 1] = weights[0, 2, 0] = weights[0, 3, 0] = 1.0
    # two characters and padding: the first is answered beside the mirror, the second on it
    weights[1, 0, 0], weights[1, 1, 0], weights[1, 2, 0] = 1.0, 0.6, 1.0
    weights[1, 1, 1] = 0.4
    assert reading.on_the_mirror(weights, torch.tensor([3, 2])) == pytest.approx(4 / 5)
    assert reading.on_the_mirror(weights.flip(-1), torch.tensor([3, 2])) == pytest.approx(1 / 5)


def test_alignments_are_measured_of_every_seed_and_kept_as_pictures(tmp_path: Path) -> None:
    flags = "--data reversal --steps 2 --seeds 0 1 --width 8 --wandb disabled --quiet --name run"
    assert main(["train", "translate", *flags.split(), "--root", str(tmp_path)]) == 0
    both = reading.mirrored(find(tmp_path, "run"))
    assert len(both) == 2
    assert all(0 <= share < 0.5 for share in both)
    assert reading.mirrored(find(tmp_path, "run/1")) == both[1:]
    assert list((tmp_path / "run" / "1" / "media").glob("alignment-*.png"))


def test_both_orders_are_trained_alike_compared_on_the_way_and_kept(tmp_path: Path) -> None:
    rows = reading.addition(tmp_path, "smoke")["rows"]
    found = {}
    for order, words in (("reversed", True), ("as-it-stands", False)):
        runs = find(tmp_path, order)
        assert [run.config["reverse"] for run in runs] == [words] * 2
        found[order] = [run.series("eval/exact")[1].tolist() for run in runs]
    assert [row["scores"] for row in rows[:2]] == [[own[-1] for own in every] for every in found.values()]
    ahead, behind = ([own[0] for own in every] for every in found.values())  # after 5 of 20 updates
    assert rows[2]["scores"] == pytest.approx([a - b for a, b in zip(ahead, behind, strict=True)])
    written = (tmp_path / "reversed" / "0" / "run.json").read_text()
    assert reading.addition(tmp_path, "smoke")["rows"] == rows
    assert (tmp_path / "reversed" / "0" / "run.json").read_text() == written  # nothing is trained twice


def test_a_seed_that_failed_is_counted_and_has_no_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TIERS", {"smoke": "--steps 8 --seeds 0 1 --width 4 --eval-every 1"})
    whole = reading.addition(tmp_path, "smoke")["rows"]
    path = tmp_path / "as-it-stands" / "0" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed"}))
    rows = reading.addition(tmp_path, "smoke")["rows"]
    assert [row["failed"] for row in rows] == [0, 1, 1]
    assert [row["scores"] for row in rows] == [
        whole[0]["scores"], whole[1]["scores"][1:], whole[2]["scores"][1:],
    ]  # fmt: skip


def test_the_last_evaluation_in_a_share_of_the_run_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        json.dumps({"suite": "generative", "axis": "examples_seen", "seed": 0})
    )
    points = [(0, 0.1), (100, 0.2), (200, 0.4), (300, 0.7)]
    lines = [json.dumps({"examples_seen": step, "eval/exact": value}) for step, value in points]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    record = read(tmp_path)
    assert record is not None
    assert [reading.exact(record, share) for share in (0.0, 0.5, 0.67, 1.0)] == [0.1, 0.2, 0.4, 0.7]


def test_a_run_that_was_made_by_another_command_is_refused(tmp_path: Path) -> None:
    flags = "--data sort --steps 2 --seeds 0 --wandb disabled --quiet --name reversed"
    assert main(["train", "translate", *flags.split(), "--root", str(tmp_path)]) == 0
    with pytest.raises(UserError, match="was made by another command"):
        reading.addition(tmp_path, "smoke")


def test_every_cell_of_pairs_can_be_made() -> None:
    for cell in PAIRS.values():
        assert {"smoke", "table"} <= set(cell.tiers)
        places = [cell.figures] if cell.figures else [m.of for m in cell.measures if ":" in m.of]
        assert all(callable(named(place)) for place in places)
        for tier in cell.tiers if cell.train else ():
            algorithm, *flags = shlex.split(cell.command(tier))
            read_trainer(algorithm, flags)
