"""The figures of tiny Shakespeare, made of a text that is small enough: as many updates as take as long, estimates."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.cells import records
from core.cli import main
from core.errors import UserError
from generative import shakespeare

SMALL = "--context 8 --batch 4 --layers 1 --heads 2 --width 8 --seeds 0 1"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the GPT's cell is finished, of a file of one's own."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    text = tmp_path / "own.txt"
    text.write_text("To be, or not to be: that is the question.\n" * 20)
    monkeypatch.setattr(shakespeare, "GPT", f"lm --data {text} --context 8 --batch 4 --layers 1 --heads 2")
    monkeypatch.setattr(
        shakespeare, "LSTM", f"lm --data {text} --context 8 --batch 4 --layers 1 --net lstm --wandb disabled"
    )
    monkeypatch.setattr(shakespeare, "STEPS", {"smoke": 6})
    flags = f"--data {text} {SMALL} --steps 6 --eval-every 0 --wandb disabled --quiet --name shakespeare-gpt"
    assert main(["train", "lm", *flags.split(), "--root", str(tmp_path)]) == 0
    return tmp_path


def test_the_lstm_makes_as_many_updates_as_take_as_long(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / "shakespeare-lstm"
    folder.mkdir()
    (folder / "seconds.json").write_text(json.dumps({"gpt": 0.03, "lstm": 0.012}))  # timed before
    rows = shakespeare.figures(folder, "smoke")["rows"]
    assert [row["what"] for row in rows[:3]] == [
        "held-out loss", "ms for an update of all seeds, GPT", "ms for an update of all seeds, LSTM",
    ]  # fmt: skip
    assert (rows[0]["steps"], len(rows[0]["scores"]), rows[0]["failed"]) == (15, 2, 0)  # 6 · 30 / 12
    assert rows[1]["scores"] == [pytest.approx(30)]
    assert [row["scores"][0] > 0 for row in rows[3:]] == [True, True]
    runs = records(folder / "lstm")
    assert [int(run.config["steps"]) for run in runs] == [15, 15]
    capsys.readouterr()

    page = root / "page.md"
    page.write_text("before\n<!-- shakespeare samples -->\n<!-- end -->\nafter\n")
    assert shakespeare.main(["--root", str(root), "--out", str(page)]) == 0
    text = page.read_text()
    assert text.count("```text") == 2
    assert "LSTM, seed 0, 15 updates" in text
    assert text.endswith("<!-- end -->\nafter\n")
    shakespeare.main(["--root", str(root)])
    assert capsys.readouterr().out.strip() in text  # the same each time


def test_both_are_timed(root: Path) -> None:
    seconds = shakespeare.seconds_per_update("smoke")
    assert set(seconds) == {"gpt", "lstm"}
    assert all(value > 0 for value in seconds.values())


def test_estimates_of_random_passages_scatter_about_the_loss_of_all(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shakespeare, "REPEATS", 8)
    runs = records(root / "shakespeare-gpt")
    found = shakespeare.estimates(runs)
    assert found.shape == (8, 2)
    whole = np.array([float(run.summary["final/loss"]) for run in runs])
    assert np.abs(found.mean(0) - whole).max() < 4 * found.std(0).max() / 8**0.5 + 0.02
    assert shakespeare.estimate(runs) == pytest.approx(found.mean(0).tolist())
    assert 0 < max(shakespeare.spread(runs)) < 0.2


def test_samples_of_what_is_not_trained_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is finished"):
        shakespeare.samples(tmp_path)
