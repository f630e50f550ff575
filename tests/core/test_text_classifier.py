"""`lab train text-classifier`: labelled texts, going on from a run of `bert`, and the contract of every task."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import fine_tuning, fit, labelled
from core.documents import GRAZERS, HUNTERS, told
from core.errors import UserError
from core.records import find
from core.run_folder import load as load_state
from core.task import Spec, divided
from core.tasks.text_classifier import Config, TextClassifier, load
from tests.core.recorded import lines, without_time
from tests.killing import assert_equal_runs, different, kill_and_resume

ALIKE = ["--wandb", "disabled", "--quiet", "--compile", "off"]
QUICK = [*ALIKE, "--steps", "12", "--log-every", "6", "--eval-every", "6", "--batch", "8"]
SMALL = ["--width", "16", "--heads", "2", "--layers", "1"]


def run(root: Path, *flags: str, name: str = "run", seeds: tuple[int, ...] = (0, 5)) -> int:
    given = ["--root", str(root), "--name", name, "--seeds", *map(str, seeds)]
    return fit.main(["text-classifier", *given, *QUICK, *flags])


def story(folder: Path) -> Path:
    path = folder / "a.txt"
    path.write_text("\n".join(f"the {w} cat sees a {w} dog" for w in ("red", "old", "big") * 20))
    return path


@pytest.fixture(scope="module")
def read_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run of bert with seeds 0 and 5."""
    root = tmp_path_factory.mktemp("before")
    small = [*QUICK, *SMALL, "--data", str(story(root)), "--length", "40"]
    assert fit.main(["bert", "--root", str(root), "--name", "before", "--seeds", "0", "5", *small]) == 0
    return root / "before"


def task_of(seeds: tuple[int, ...] = (0,), kept: Any = None, **settings: Any) -> TextClassifier:
    config = Config(**settings)
    return TextClassifier(Spec(seeds, kept=kept), config, divided(load(config), 0.1))


def test_who_acts_takes_more_than_the_words_and_no_test_text_is_read_before() -> None:
    found = labelled.written()
    texts = [text for text, _ in found]
    assert len(set(texts)) == len(texts) == labelled.WRITTEN
    assert not set(texts) & set(told())
    for text, label in found[:300]:
        words = text.rstrip(".").split()
        (hunter,) = (name for name in HUNTERS if name in text)  # both of them, whoever acts
        (grazer,) = (name for name in GRAZERS if name in text)
        at = words.index("by") + 2 if "by" in words else 1
        assert " ".join(words[at : at + 2]) == (hunter if label == "hunter" else grazer)
    one = labelled.load("meetings")
    assert not set(one.train[0]) & set(one.test[0])
    assert np.mean(one.test[1] == "hunter") == pytest.approx(0.5, abs=0.04)


def test_few_are_of_every_label_alike_and_among_more() -> None:
    labels = np.array(["a"] * 50 + ["b"] * 10 + ["c"] * 5, object)
    some, more = labelled.few(labels, 6), labelled.few(labels, 20)
    assert sorted(labels[some]) == ["a", "a", "b", "b", "c", "c"]
    assert set(some) <= set(more)
    assert [list(labels[more]).count(k) for k in "abc"] == [8, 7, 5]
    with pytest.raises(
        UserError, match="--labels is 2; with 3 labels and 65 texts to learn from it must be 3 to 65"
    ):
        labelled.few(labels, 2)


def test_tokens_by_hand_and_words_that_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        "".join(f"good w{k}\tyes\nbad {' ' * k}one\tno\n" for k in range(20)), "utf-8"
    )
    task = task_of(data=str(tmp_path / "a.tsv"), vocabulary=3, length=4, width=8, heads=2, layers=1)
    assert set(task.names[5:]) == {"bad", "good", "one"}
    good, one = (task.names.index(name) for name in ("good", "one"))
    tokens, labels = task.rows(np.array(["good one bad", "new"], object), np.array(["yes", "no"], object))
    assert tokens.tolist() == [[1, good, one, 2], [1, 4, 2, 0]]  # cut to two words; [UNK]
    assert labels.tolist() == [1, 0]
    share = float(task.facts()["unknown words"].split("%")[0])
    assert share == pytest.approx(25, abs=2)  # every other text has one of its two words unknown


def test_each_seed_goes_on_from_its_own_and_the_record_says_from_what(
    read_before: Path, tmp_path: Path
) -> None:
    task = task_of((5, 0), start_from=str(read_before))
    for k, seed in enumerate((5, 0)):
        saved = load_state(read_before / str(seed) / "checkpoints" / "last.safetensors")[1]["net"]["weights"]
        views = task.net.layout.views(task.net.matrix[k])
        shared = [name for name in views if name.startswith("trunk.")]
        assert len(shared) > 10
        assert all(torch.equal(views[name], saved[name]) for name in shared)
    fresh = task_of((5, 0), start_from=str(read_before), weights=False)
    assert fresh.net.matrix.shape == task.net.matrix.shape
    assert not torch.equal(fresh.net.matrix, task.net.matrix)
    alone = task_of((7, 8), start_from=str(read_before / "5"))
    of_five = task.net.layout.views(task.net.matrix[0])["trunk.embedding.weight"]
    for k in (0, 1):
        assert torch.equal(alone.net.layout.views(alone.net.matrix[k])["trunk.embedding.weight"], of_five)
    assert run(tmp_path, "--start-from", str(read_before), seeds=(0, 5)) == 0
    told_of = json.loads((tmp_path / "run" / "5" / "run.json").read_text())["facts"]
    file = read_before / "5" / "checkpoints" / "last.safetensors"
    assert told_of["checkpoint of seed 5"] == f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert told_of["started from"] == "before, all of it"
    assert f"start_from: {read_before}" in (tmp_path / "run" / "5" / "config.yaml").read_text()


def test_a_run_leaves_scores_and_a_table(tmp_path: Path) -> None:
    assert run(tmp_path, "--labels", "64", *SMALL) == 0
    found = json.loads((tmp_path / "run" / "0" / "summary.json").read_text())
    assert 0.3 < found["final/test_accuracy"] < 0.75  # nothing is learned in 12 steps
    tables = [
        row for row in lines(tmp_path / "run" / "0" / "media" / "index.jsonl") if row["kind"] == "table"
    ]
    assert tables[0]["columns"] == ["text", "label", "taken for"]


def test_a_file_of_ones_own_is_learned(tmp_path: Path) -> None:
    text = "".join(
        f"a {w} day number {k}\t{w in 'fine good'}\n" for k in range(20) for w in ("fine", "bad", "good")
    )
    (tmp_path / "a.tsv").write_text(text)
    flags = [
        "--data",
        str(tmp_path / "a.tsv"),
        "--lr",
        "5e-3",
        "--steps",
        "120",
        "--eval-every",
        "40",
        "--patience",
        "9",
        *SMALL,
    ]
    assert run(tmp_path, *flags, seeds=(0,)) == 0
    assert json.loads((tmp_path / "run" / "0" / "summary.json").read_text())["final/test_accuracy"] > 0.9


def test_a_line_that_is_there_twice_is_in_one_part_alone(tmp_path: Path) -> None:
    own = [f"w{k} goes\t{'xy'[k % 2]}" for k in range(60)]
    (tmp_path / "a.tsv").write_text("\n".join(own * 3))
    examples = load(Config(data=str(tmp_path / "a.tsv")))
    parts = divided(examples, 0.1)
    every = [text for texts, _ in (parts.train, parts.validation, parts.test) for text in texts]
    assert sorted(every) == sorted(line.split("\t")[0] for line in own)
    assert examples.notes == ("120 lines are there already and are left out",)


def test_the_vocabulary_of_a_fold_is_of_what_is_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("".join(f"w{k} goes\t{k % 2}\n" for k in range(100)))
    config = Config(data=str(tmp_path / "a.tsv"), width=8, heads=2, layers=1)
    parts = divided(load(config), 0.1, 4, 2)
    task = TextClassifier(Spec((0,)), config, parts)
    own = {text.split()[0] for text in parts.train[0]}
    assert {name for name in task.names if name.startswith("w")} == own
    assert (task.validation[0][:, 1] == 4).all()


def test_epochs_are_passes_through_the_few_that_are_learned_from(tmp_path: Path) -> None:
    assert run(tmp_path, "--labels", "32", "--epochs", "3", *SMALL, seeds=(0,)) == 0
    (record,) = find(tmp_path, "run")
    assert record.config["steps"] == 3 * 32 // 8
    assert record.summary["examples_seen"] == 3 * 32


@pytest.mark.parametrize("flags", ["--path loop --dropout 0.1", "--path vmap"])
def test_a_seed_learns_the_same_alone_and_in_company(flags: str, read_before: Path, tmp_path: Path) -> None:
    given = [*flags.split(), "--start-from", str(read_before), "--labels", "32"]
    assert run(tmp_path, *given) == run(tmp_path, *given, name="alone", seeds=(5,)) == 0
    both, alone = tmp_path / "run" / "5", tmp_path / "alone" / "5"
    assert without_time(lines(both / "metrics.jsonl")) == without_time(lines(alone / "metrics.jsonl"))
    assert different(*(load_state(f / "checkpoints" / "last.safetensors")[1] for f in (both, alone))) == []


def test_going_on_needs_the_run_it_started_from_no_more(
    read_before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shutil.copytree(read_before, tmp_path / "before")
    task = task_of((0, 5), start_from=str(before))
    shutil.rmtree(before)
    again = task_of((0, 5), start_from=str(before), kept=json.loads(json.dumps(task.kept())))
    again.net.load_state_dict(task.net.state_dict())
    assert torch.equal(again.net.matrix, task.net.matrix)
    with pytest.raises(UserError, match="no run"):
        task_of((0, 5), start_from=str(before))


@pytest.mark.slow
def test_killed_twenty_times_and_resumed_it_equals_one_that_ran_through(
    read_before: Path, tmp_path: Path
) -> None:
    often = "--steps 80 --batch 8 --seeds 5 0 --log-every 3 --checkpoint-every 5 --eval-every 20 --labels 32"
    argv = ["text-classifier", *often.split(), "--start-from", str(read_before), "--compile", "off"]
    argv += ["--wandb", "disabled"]
    for k in range(20):
        killed = kill_and_resume(argv, tmp_path, name=f"cut{k}", chance=random.Random(k))
        assert_equal_runs(killed.cut, killed.whole)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--data nothing.tsv", "no such file: nothing.tsv"),
        ("--no-weights", "--no-weights is for --start-from"),
        ("--start-from nothing", "no run"),
        (
            "--start-from BEFORE --width 32",
            "--width is 32, and before, which it starts from, has 16; leave it out",
        ),
        ("--start-from BEFORE --vocabulary 9", "--vocabulary is that of the run it starts from"),
        ("--start-from BEFORE --seeds 0 3", "it has no seed 3; give --seeds of 0 5"),
        ("--labels 100000", "--labels is 100000"),
        ("--width 10", "--width is 10; it must be a multiple of --heads 4"),
        ("--length 2", "a word and two special tokens need 3"),
    ],
)
def test_mistakes_are_told_in_a_line(flags: str, message: str, read_before: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        run(tmp_path, *flags.replace("BEFORE", str(read_before)).split())
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 different labelled texts; at least 20"),
        ("a\tx\nb\ty\n" * 30, "has 2 different labelled texts; at least 20"),
        ("a\tb\nno label\n", "line 2 of .* is not a text, a tab and its label: 'no label'"),
        ("".join(f"a{k}\tx\n" for k in range(30)), "every text in .* is labelled 'x'"),
    ],
)
def test_a_file_that_is_none_is_told_by_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        labelled.load(str(tmp_path / "a.tsv"))


def test_only_a_finished_run_of_bert_can_be_gone_on_from(read_before: Path, tmp_path: Path) -> None:
    assert run(tmp_path, *SMALL, seeds=(0,)) == 0
    with pytest.raises(
        UserError, match="it is a run of text-classifier, and a finished one of bert is wanted"
    ):
        task_of(start_from=str(tmp_path / "run"))
    half = shutil.copytree(read_before, tmp_path / "half")
    told_of = json.loads((half / "0" / "run.json").read_text())
    (half / "0" / "run.json").write_text(json.dumps({**told_of, "status": "stopped"}))
    with pytest.raises(UserError, match="0 is stopped; it must be finished"):
        task_of(start_from=str(half))


def test_the_comparison_takes_no_run_of_other_settings_and_none_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "text-classifier --seeds 0 1 --labels 16 --steps 2 --eval-every 0 --width 8 --heads 2 --layers 1"
    (one, _) = fine_tuning.trained(tmp_path, "side", words)
    (again, _) = fine_tuning.trained(tmp_path, "side", words)
    assert one.run == again.run, "it is not trained twice"
    with pytest.raises(UserError, match="side has exit status 2"):
        fine_tuning.trained(tmp_path, "side", f"{words} --lr 3e-3")
    assert "side exists already" in capsys.readouterr().err
    told_of = {**json.loads((one.path / "run.json").read_text()), "status": "failed"}
    (one.path / "run.json").write_text(json.dumps(told_of))
    with pytest.raises(UserError, match="side/0 failed"):
        fine_tuning.trained(tmp_path, "side", words)
