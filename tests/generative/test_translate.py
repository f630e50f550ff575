"""The translator: every way of attention learns a task whose answer and alignment are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.cli import main
from core.errors import UserError
from core.measures import higher_is_better
from generative import pairs
from generative.aligned import CELL, draw
from generative.answering import build
from generative.build import batches_of, trainer_of
from generative.files import Pairs
from generative.trainer import evaluation_noise
from generative.trainers import translate

SMALL = translate.Config(width=32, batch=32, lr=1e-2, heads=2, layers=1)


def copies() -> Pairs:
    """Texts of three to five letters, said again."""
    chance = np.random.default_rng(0)
    texts = {"".join(chance.choice(list("abcd"), chance.integers(3, 6))) for _ in range(1_500)}
    every = sorted(texts, key=lambda text: text[::-1])
    order = chance.permutation(len(every))
    said = [every[k] for k in order]
    return pairs.encoded("copies", said, said, len(said) - 60)


COPIES = copies()


def fresh(steps: int, **changes: Any) -> translate.Translate:
    facts = {"device": "cpu", "path": "loop", "compile": False}
    model = trainer_of("translate", replace(SMALL, **changes), COPIES, (0,), steps, facts)
    assert isinstance(model, translate.Translate)
    return model


def trained(steps: int, **changes: Any) -> translate.Translate:
    model = fresh(steps, **changes)
    batches = batches_of(model, COPIES, (0,), "cpu")
    for _ in range(steps):
        model.step(batches.next())
    return model


def scores(model: translate.Translate, rows: torch.Tensor) -> dict[str, float]:
    found = model.evaluate(rows, evaluation_noise((0,), "figures", torch.device("cpu")))
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "additive"},
        {"attention": "dot", "net": "lstm"},
        {"net": "transformer", "lr": 3e-3},
        {"net": "gpt", "lr": 3e-3, "layers": 2},
    ],
    ids=["additive", "dot", "transformer", "gpt"],
)
def test_it_learns_to_say_again_what_it_never_read(changes: dict[str, Any]) -> None:
    model = trained(400, **changes)
    test = torch.from_numpy(COPIES.test)
    assert scores(model, test)["eval/exact"] > 0.9
    weights = model.alignment(test)
    if changes.get("net") in ("transformer", "gpt"):
        assert weights is None
        return
    assert weights is not None
    assert weights.shape == (1, 60, COPIES.test.shape[1] - COPIES.source, COPIES.source)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    padding = (test[:, : COPIES.source] == pairs.PADDING)[None, :, None].expand_as(weights)
    assert weights[padding].abs().max() == 0


def test_plain_learns_too_and_has_no_alignment() -> None:
    model = trained(150, attention="none", reverse=True)
    test = torch.from_numpy(COPIES.test)
    assert scores(model, test)["eval/loss"] < 0.8 * np.log(5)
    assert model.alignment(test) is None


def test_exact_counts_whole_answers_and_what_comes_after_the_end_is_nothing() -> None:
    model = trained(1)
    rows = torch.tensor([[3, 4, 3, 0, 0, 3, 4, 3, 2, 0, 0], [4, 4, 4, 0, 0, 4, 4, 4, 2, 0, 0]])
    said = torch.tensor([[[3, 4, 3, 2, 9, 9], [4, 4, 3, 2, 0, 0]]])
    model.answer = lambda source: said  # type: ignore[method-assign]
    assert scores(model, rows)["eval/exact"] == 0.5
    assert higher_is_better("eval/exact") is True


def test_an_alignment_is_drawn_dark_where_it_read_and_white_behind_the_ends() -> None:
    weights = np.zeros((4, 3))
    weights[1, 0] = weights[3, 2] = 1.0
    picture = draw(weights, "ab", "xy")[0]
    assert picture.shape == (5 * CELL, 4 * CELL)
    middle = picture[CELL // 2 :: CELL, CELL // 2 :: CELL][1:, 1:]
    assert middle[1, 0] < 0.2
    assert middle[0, 0] == 1
    assert middle[3, 2] == 1  # behind both ends
    assert picture[:CELL, CELL:].min() < 0.6  # the source's characters


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"width": 0}, "--width is 0; it must be more than 0"),
        ({"batch": 0}, "--batch is 0; it must be more than 0"),
        ({"decay": -1.0}, "--decay is -1.0; it must be 0 or more"),
        ({"dropout": 1.0}, "--dropout is 1.0; it must be at least 0 and less than 1"),
        ({"net": "transformer", "heads": 5}, "--width 32 does not divide into --heads 5"),
        ({"net": "gpt", "heads": 3}, "--width 32 does not divide into --heads 3"),
        ({"net": "transformer", "width": 33, "heads": 3}, "--width 33 is odd"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}") as caught:
        replace(SMALL, **changes)
    assert "\n" not in str(caught.value)


def size(**changes: Any) -> int:
    settings = replace(translate.Config(), **changes)
    return sum(weights.numel() for weights in build(settings, 54, 40).parameters())


def test_networks_that_are_set_side_by_side_have_about_as_many_weights() -> None:
    with_attention, plain = size(), size(attention="none", width=160)
    assert abs(plain / with_attention - 1) < 0.01


def test_the_gpt_of_the_sorting_demo_has_its_size() -> None:
    """minGPT's gpt-nano, 0.09 M, with three tokens and two places more than its 3 digits and 11 places."""
    nano = replace(translate.Config(), net="gpt", layers=3, heads=3, width=48)
    layer = 12 * 48**2 + 13 * 48  # weights of attention and the two maps; biases and norms
    size_by_hand = 3 * layer + 2 * 48 + 13 * 48 + 2 * 6 * 48 + 6
    assert sum(weights.numel() for weights in build(nano, 6, 13).parameters()) == size_by_hand


@pytest.mark.parametrize("net", ["gru", "transformer", "gpt"])
def test_step_by_step_it_scores_as_it_does_the_whole(net: str) -> None:
    torch.manual_seed(0)
    made = build(replace(SMALL, net=net), 8, 9).eval()
    source, given = torch.randint(3, 8, (2, 5)), torch.randint(3, 8, (2, 4))
    source[0, 3:] = pairs.PADDING
    state, found = made.net.begin(source, source != pairs.PADDING), []
    for token in given.unbind(-1):
        scores, state = made.net.step(token, state)
        found.append(scores)
    torch.testing.assert_close(torch.stack(found, -2), made(source, given))


def test_a_gpt_is_asked_for_the_target_alone() -> None:
    made = build(replace(SMALL, net="gpt"), 8, 9)
    source, given = torch.randint(3, 8, (2, 5)), torch.randint(3, 8, (2, 4))
    assert made(source, given).shape == (2, 4, 8)
    later = given.clone()
    later[:, 2:] = 3
    torch.testing.assert_close(made(source, later)[:, :2], made(source, given)[:, :2])


@pytest.mark.parametrize("net", ["transformer", "gpt"])
def test_dropout_drops_while_it_learns_and_not_while_it_answers(net: str) -> None:
    rows = torch.from_numpy(COPIES.train[None, :32])
    losses = [float(fresh(9, net=net, dropout=share).step(rows)["train/loss"]) for share in (0.0, 0.5, 0.5)]
    assert losses[1] == losses[2] != losses[0]
    still, dropped = (fresh(9, net=net, dropout=share) for share in (0.0, 0.5))
    test = torch.from_numpy(COPIES.test)
    assert scores(still, test) == scores(dropped, test)


@pytest.mark.parametrize("net", ["transformer", "gpt"])
def test_with_dropout_a_seed_learns_the_same_alone_and_in_company(net: str) -> None:
    facts = {"device": "cpu", "path": "loop", "compile": False}
    config = replace(SMALL, net=net, dropout=0.3)
    learned = []
    for seeds in ((3, 9), (9,)):
        model = trainer_of("translate", config, COPIES, seeds, 5, facts)
        batches = batches_of(model, COPIES, seeds, "cpu")
        metrics = [model.step(batches.next())["train/loss"][-1] for _ in range(3)]
        learned.append((metrics, {name: weights[-1].clone() for name, weights in model.weights().items()}))
    assert learned[0][0] == learned[1][0]
    assert all(torch.equal(weight, learned[1][1][name]) for name, weight in learned[0][1].items())


def test_from_training_to_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--steps 4 --seeds 0 1 --width 8 --wandb disabled --quiet --name run --eval-every 2"
    assert main(["train", "translate", *flags.split(), "--root", str(tmp_path)]) == 0
    media = tmp_path / "run" / "0" / "media"
    index = (media / "index.jsonl").read_text()
    assert index.count('"name": "answers", "columns": ["source", "answer", "target"]') == 2
    assert len(list(media.glob("alignment-*.png"))) == 2
    run = str(tmp_path / "run")
    capsys.readouterr()
    assert main(["sample", run, "--prompt", "12+34"]) == 0
    assert capsys.readouterr().out.startswith("seed 0\n")
    assert main(["eval", run]) == 0
    assert "2000 test pairs" in capsys.readouterr().out
    for wrong in ([], ["--prompt", "x"], ["--prompt", "1" * 30], ["--prompt", "1+1", "--out", "a.png"]):
        assert main(["sample", run, *wrong]) == 2
    for option in ("--count", "--length", "--temperature", "--seed"):
        assert main(["sample", run, "--prompt", "1+1", option, "3"]) == 2
        assert "answers with the likeliest text" in capsys.readouterr().err
