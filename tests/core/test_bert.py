"""`lab train bert`: both tasks together, through the real command."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import fit
from core.errors import UserError
from core.evaluate import load as load_learned
from core.networks.bert import pretraining_loss
from core.noise import Noise
from core.records import find
from core.run_folder import load as load_state
from core.task import Spec, divided
from core.tasks.bert import BERT, Config, load
from tests.core.recorded import lines, without_time
from tests.killing import assert_equal_runs, different, kill_and_resume

QUICK = ["--width", "16", "--heads", "2", "--layers", "1", "--batch", "8", "--wandb", "disabled", "--quiet"]
QUICK += ["--steps", "12", "--log-every", "6", "--eval-every", "6", "--compile", "off"]


def run(root: Path, *flags: str, name: str = "run", seeds: tuple[int, ...] = (0, 5)) -> int:
    given = ["--root", str(root), "--name", name, "--seeds", *map(str, seeds)]
    return fit.main(["bert", *given, *QUICK, *flags])


def small_task(seeds: tuple[int, ...] = (0,), **settings: Any) -> BERT:
    config = Config(width=16, heads=2, layers=1, **settings)
    return BERT(Spec(seeds), config, divided(load(config), 0.1))


def test_a_run_leaves_scores_of_both_tasks_and_a_table(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    for seed in "05":
        folder = tmp_path / "run" / seed
        told = json.loads((folder / "run.json").read_text())
        assert (told["suite"], told["algorithm"], told["task"]) == ("core", "bert", "stories")
        found = json.loads((folder / "summary.json").read_text())
        for part in ("final/", "final/test_"):
            assert 0 <= found[f"{part}mlm_accuracy"] <= 1
            assert 0.3 < found[f"{part}nsp_accuracy"] <= 1
            parts = found[f"{part}mlm_loss"] + found[f"{part}nsp_loss"]
            assert found[f"{part}loss"] == pytest.approx(parts, rel=1e-5)
        tables = [row for row in lines(folder / "media" / "index.jsonl") if row["kind"] == "table"]
        assert [table["name"] for table in tables] == ["gaps", "gaps"]
        assert tables[0]["columns"] == ["text", "hidden", "guessed", "said to follow"]
        assert len(tables[0]["rows"]) == 8
        assert tables[0]["rows"][0][0].startswith("[CLS] ")


def test_it_learns_a_text_whose_words_follow_from_one_another(tmp_path: Path) -> None:
    things = ("red apple", "blue bird", "green car")
    story = "".join(f"the {things[k % 3]}\n a {things[k % 3]}\n\n" for k in range(60))
    (tmp_path / "a.txt").write_text(story)
    flags = ["--data", str(tmp_path / "a.txt"), "--width", "32", "--lr", "5e-3", "--steps", "250"]
    assert run(tmp_path, *flags, "--eval-every", "250", seeds=(0,)) == 0
    found = json.loads((tmp_path / "run" / "0" / "summary.json").read_text())
    assert found["final/mlm_accuracy"] > 0.9
    assert found["final/nsp_accuracy"] > 0.9


def test_scores_are_means_over_texts_of_all_pieces() -> None:
    task = small_task(seeds=(0, 1))
    batch = tuple(torch.from_numpy(array[:150]).expand(2, 150, *array.shape[1:]) for array in task.validation)
    found = task.scores(batch)
    for seed in (0, 1):
        tokens, segments, seen, chosen, label = (array[seed] for array in batch[2:])
        gaps, follows = task.net.modules[seed](seen, segments, seen != 0)
        one = [pretraining_loss(*row) for row in zip(gaps, follows, tokens, chosen, label, strict=True)]
        mlm, nsp = (float(np.mean([float(pair[k]) for pair in one])) for k in (0, 1))
        assert found["mlm_loss"][seed].item() == pytest.approx(mlm, rel=1e-4)
        assert found["nsp_loss"][seed].item() == pytest.approx(nsp, rel=1e-4)
        right = [
            float((g.argmax(-1) == t)[c].float().mean()) for g, t, c in zip(gaps, tokens, chosen, strict=True)
        ]
        assert found["mlm_accuracy"][seed].item() == pytest.approx(np.mean(right), abs=1e-5)
        told = (follows.argmax(-1) == label).float().mean().item()
        assert found["nsp_accuracy"][seed].item() == pytest.approx(told, abs=1e-5)


def test_gaps_and_wrong_parts_are_drawn_anew_in_training() -> None:
    task, noise = small_task(seeds=(0, 3)), Noise((0, 3), "prepared")
    batch = tuple(torch.from_numpy(array[:200]).expand(2, 200, *array.shape[1:]) for array in task.train)
    one, other = task.prepared(batch, noise), task.prepared(batch, noise)
    for tokens, _, seen, chosen, label in (one, other):
        assert label.float().mean().item() == pytest.approx(0.5, abs=0.1)
        right = label == 0
        assert (tokens[right][:, 1] == batch[0][right][:, 0]).all()
        assert torch.equal(seen[~chosen], tokens[~chosen])
    assert not torch.equal(one[3], other[3])
    assert not torch.equal(one[4], other[4])
    assert not torch.equal(one[3][0], one[3][1]), "every seed has gaps of its own"


def test_the_vocabulary_does_not_know_words_of_the_held_out_parts(tmp_path: Path) -> None:
    text = "\n".join(f"w{k} goes" for k in range(100))
    (tmp_path / "a.txt").write_text(text)
    task = small_task(data=str(tmp_path / "a.txt"))
    assert "w79" in task.texts.names
    assert "w99" not in task.texts.names
    assert task.test[0][-1].tolist() == [4, task.texts.places["goes"]]


@pytest.mark.parametrize("flags", ["--path loop --dropout 0.1", "--path vmap"])
def test_a_seed_learns_the_same_alone_and_in_company(flags: str, tmp_path: Path) -> None:
    given = flags.split()
    assert run(tmp_path, *given) == run(tmp_path, *given, name="alone", seeds=(5,)) == 0
    both, alone = tmp_path / "run" / "5", tmp_path / "alone" / "5"
    assert without_time(lines(both / "metrics.jsonl")) == without_time(lines(alone / "metrics.jsonl"))
    states = [load_state(folder / "checkpoints" / "last.safetensors")[1] for folder in (both, alone)]
    assert different(*states) == []


def test_a_killed_run_resumed_equals_one_that_ran_through(tmp_path: Path) -> None:
    often = "--steps 60 --batch 8 --seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 20"
    small = "--width 16 --heads 2 --layers 1 --compile off --wandb disabled"
    argv = ["bert", *often.split(), *small.split()]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random("bert"), kills=1)
    assert_equal_runs(killed.cut, killed.whole)


@pytest.mark.slow
def test_killed_twenty_times_and_resumed_it_equals_one_that_ran_through(tmp_path: Path) -> None:
    often = "--steps 60 --batch 8 --seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 20"
    small = "--width 16 --heads 2 --layers 1 --compile off --wandb disabled"
    argv = ["bert", *often.split(), *small.split()]
    for k in range(20):
        killed = kill_and_resume(argv, tmp_path, name=f"cut{k}", chance=random.Random(k))
        assert_equal_runs(killed.cut, killed.whole)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--data nothing.txt", "no such file: nothing.txt"),
        ("--width 10 --heads 4", "--width is 10; it must be a multiple of --heads 4"),
        ("--length 4", "two words and three special tokens need 5"),
        ("--gaps 1", "lies in 0 … 1"),
        ("--vocabulary 0", "must be more than 0"),
        ("--batch 5000", "takes 5000 examples, and"),
        ("--monitor eval/mlm", "eval/mlm_accuracy, eval/nsp_accuracy"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(flags: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as error:
        run(tmp_path, *flags.split())
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_was_changed_since_is_not_gone_on_with(tmp_path: Path) -> None:
    text = "\n".join(f"w{k % 7} goes" for k in range(60))
    path, flags = tmp_path / "a.txt", ["--data", str(tmp_path / "a.txt"), "--length", "9"]
    path.write_text(text)
    assert run(tmp_path, *flags, seeds=(0,)) == 0
    load_learned(find(tmp_path, "run"))
    path.write_text(text.replace("w3", "x3"))
    with pytest.raises(UserError, match=r"a\.txt has other words than when this run began"):
        load_learned(find(tmp_path, "run"))


def test_few_documents_and_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the first 9 documents of stories have 18 pairs"):
        load(Config(documents=9))
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UserError, match=r"a\.txt has 0 pairs"):
        load(Config(data=str(tmp_path / "a.txt")))


def test_a_text_without_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n\nthree\nfour\n")
    with pytest.raises(UserError, match="has 1 pairs of sentences that follow one another; at least 20"):
        load(Config(data=str(tmp_path / "a.txt")))


def test_sentences_that_are_cut_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b c d e f\n" + "a b\n" * 29)
    (note,) = load(Config(data=str(tmp_path / "a.txt"), length=9)).notes
    assert note == "1.7% of the sentences are cut to 3 words; --length is for both"
