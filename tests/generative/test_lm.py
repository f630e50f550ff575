"""The language model: what its losses mean, what it must learn, and what it writes."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.cli import main
from core.errors import UserError
from core.measures import higher_is_better
from core.optimisers import Decayed
from generative.build import batches_of, trainer_of
from generative.files import Text
from generative.texts import divide
from generative.trainer import evaluation_noise
from generative.trainers import lm

CPU = torch.device("cpu")
SMALL = lm.Config(layers=1, width=16, heads=2, context=8, batch=8, warmup=10, lr=1e-2, decay=0.0)


def build(text: Text, steps: int = 100, seeds: tuple[int, ...] = (0,), **changes: Any) -> lm.LM:
    facts = {"device": "cpu", "path": "loop", "compile": False}
    made = trainer_of("lm", replace(SMALL, **changes), text, seeds, steps, facts)
    assert isinstance(made, lm.LM)
    return made


def trained(text: Text, steps: int, **changes: Any) -> lm.LM:
    model = build(text, steps, **changes)
    batches = batches_of(model, text, (0,), "cpu")
    for _ in range(steps):
        model.step(batches.next())
    return model


def loss(model: lm.LM, text: Text) -> float:
    found = model.evaluate(torch.from_numpy(text.test), evaluation_noise((0,), "figures", CPU))
    value = float(found["eval/loss"])
    assert float(found["eval/bits_per_character"]) == pytest.approx(value / math.log(2))
    assert float(found["eval/perplexity"]) == pytest.approx(math.exp(value), rel=1e-5)
    return value


@pytest.mark.parametrize("net", ["gpt", "lstm", "gru"])
def test_it_learns_all_there_is_to_know_and_no_more(net: str) -> None:
    """Pairs of a fair coin's face and the same again: log 2 for two characters is the least that can be had."""
    coins = np.random.default_rng(0).integers(0, 2, 3_000)
    text = divide("coins", "".join("ab"[coin] * 2 + "." for coin in coins), False)
    least = math.log(2) / 3
    found = loss(trained(text, 400, net=net), text)
    assert least - 0.02 < found < least + 0.08


def test_a_recurrent_network_remembers_what_lies_before_its_passage() -> None:
    """A face and, two characters later, the same: of passages of one it can only be known by a state carried."""
    faces = np.random.default_rng(1).integers(0, 2, 400)
    text = divide("faces", "".join(".:" + "ab"[face] + "-" + "ab"[face] for face in faces), False)
    least = math.log(2) / 5
    # without a state both faces are a guess: 2 least
    assert least < loss(trained(text, 800, net="gru", context=1, batch=16), text) < 1.8 * least


def test_lines_are_scored_each_by_itself_and_padding_counts_for_nothing() -> None:
    text = divide("lines", "".join(f"{'ab' * (k % 3 + 1)}{k}\n" for k in range(60)), True)
    for net in ("gpt", "lstm"):
        model = build(text, net=net, context=16)
        module, newline = model.net.modules[0], text.characters.index("\n")
        ends = np.flatnonzero(text.test == newline)
        total = 0.0
        for a, b in pairwise(ends):
            line = torch.from_numpy(text.test[a : b + 1])
            with torch.no_grad():
                scores, _ = module(line[None, :-1])
            total += float(functional.cross_entropy(scores[0], line[1:], reduction="sum"))
        assert loss(model, text) == pytest.approx(total / (len(text.test) - 1), rel=1e-5)


def test_the_step_size_is_nanogpts() -> None:
    text = divide("abc", "abcdefghij" * 10, False)
    model = build(text, steps=2_000, lr=1e-3, lr_end=1e-4, warmup=100)
    rates = {}
    for t in (0, 50, 100, 1_050, 2_000):
        model.updates = t
        rates[t] = model.rate()
    assert rates[0] == pytest.approx(1e-3 / 101)
    assert rates[50] == pytest.approx(1e-3 * 51 / 101)
    assert rates[100] == pytest.approx(1e-3)
    assert rates[1_050] == pytest.approx(5.5e-4)
    assert rates[2_000] == pytest.approx(1e-4)


def test_the_preset_is_nanogpts_network() -> None:
    text = Text("shakespeare", np.arange(65).repeat(4), np.arange(65), "".join(map(chr, range(65, 130))))
    model = trainer_of("lm", lm.Config(), text, (0,), 2, {"device": "cpu", "path": "loop", "compile": False})
    counts = {name: value[0].numel() for name, value in model.weights().items()}
    positions = next(count for name, count in counts.items() if "table" in name)
    assert positions == 64 * 128
    # 4 layers of 12·128² and two norms, the last norm, 65 characters: nanoGPT prints 0.80M, without positions
    assert sum(counts.values()) - positions == 4 * (12 * 128**2 + 2 * 128) + 128 + 65 * 128


@pytest.mark.parametrize("net", ["gpt", "lstm"])
def test_it_writes_on_past_its_context_and_the_same_each_time(net: str) -> None:
    text = divide("abc", "abcdefghij" * 30, False)
    model = trained(text, 400, net=net)
    prompt = torch.tensor([3, 4, 5])

    def write() -> torch.Tensor:
        return model.write(prompt, 2, 30, evaluation_noise((0,), "samples", CPU))

    found = write()
    assert found.shape == (1, 2, 33)
    assert torch.equal(found[..., :3], prompt.expand(1, 2, 3))
    assert ((found[..., 1:] - found[..., :-1]) % 10 == 1).float().mean() > 0.95  # it knows what follows what
    assert torch.equal(found, write())


@pytest.mark.parametrize(
    ("net", "positions"),
    [("gpt", "learned"), ("gpt", "sinusoid"), ("gpt", "rope"), ("gpt", "alibi"), ("lstm", "learned")],
)
def test_at_temperature_0_it_writes_what_is_likeliest_when_all_is_read_anew(net: str, positions: str) -> None:
    text = divide("abc", "abcdefghij" * 30, False)
    model = build(text, seeds=(3, 4), net=net, positions=positions, layers=2)
    tables = [name for name in model.weights() if "table" in name]
    assert bool(tables) == (net == "gpt" and positions == "learned")
    prompt, noise = torch.tensor([3, 4]), evaluation_noise((3, 4), "samples", CPU)
    found = model.write(prompt, 1, 6, noise, temperature=0.0)
    for module, own in zip(model.net.modules, found[:, 0], strict=True):
        for t in range(2, 8):  # of the context of 8: nothing is forgotten yet
            with torch.no_grad():
                scores, _ = module(own[None, :t])
            assert own[t] == scores[0, -1].argmax()
    drawn = model.write(prompt, 20, 6, noise, temperature=3.0)
    assert not torch.equal(drawn, model.write(prompt, 20, 6, noise, temperature=3.0))  # other numbers
    assert len(drawn[0].unique(dim=0)) > len(
        model.write(prompt, 20, 6, noise, temperature=0.02)[0].unique(dim=0)
    )


def test_a_recurrent_network_writes_with_all_that_it_has_read() -> None:
    model = build(divide("abc", "abcdefghij" * 30, False), net="gru", context=4)
    first, second = (torch.tensor([k, *[5] * 6]) for k in (0, 9))  # they differ before the last passage
    noise = evaluation_noise((0,), "samples", CPU)
    for prompt in (first, second):
        found = model.write(prompt, 1, 9, noise, temperature=0.0)[0, 0]
        for t in range(7, 16):
            with torch.no_grad():
                scores, _ = model.net.modules[0](found[None, :t])
            assert found[t] == scores[0, -1].argmax()


@pytest.mark.parametrize("net", ["gpt", "lstm"])
def test_dropout_is_each_seeds_own_and_off_when_it_is_judged(net: str) -> None:
    text = divide("abc", "abcdefghij" * 30, False)

    def learned(seeds: tuple[int, ...], dropout: float) -> lm.LM:
        model = build(text, seeds=seeds, net=net, layers=2, dropout=dropout)
        batches = batches_of(model, text, seeds, "cpu")
        for _ in range(3):
            model.step(batches.next())
        return model

    together, alone, without = learned((0, 1), 0.5), learned((1,), 0.5), learned((1,), 0.0)
    assert torch.equal(together.net.matrix[1], alone.net.matrix[0])
    assert not torch.equal(alone.net.matrix[0], without.net.matrix[0])
    assert loss(alone, text) == loss(alone, text)


def test_what_decays_is_what_decays_in_nanogpt() -> None:
    """Every matrix, tables of characters and positions too; no norm."""
    model = build(divide("abc", "abcdefghij" * 10, False), decay=0.5)
    assert isinstance(model.net.optimiser, Decayed)
    spared = sum(p.numel() for p in model.net.modules[0].parameters() if p.dim() == 1)
    assert spared == 3 * 16
    assert int((model.net.optimiser.mask == 0).sum()) == spared


def test_a_line_longer_than_a_gpt_can_read_is_refused() -> None:
    text = divide("lines", "short\n" + "x" * 30 + "\n", True)
    with pytest.raises(
        UserError, match=r"a line has 31 characters .* --context 8 .* --context 31, --no-lines"
    ):
        build(text)
    assert build(text, net="lstm").batch == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 15},
        {"context": 0},
        {"beta2": 1.0},
        {"warmup": -1},
        {"clip": 0.0},
        {"dropout": 1.0},
        {"positions": "rope", "width": 6},
        {"positions": "sinusoid", "width": 15, "heads": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        replace(SMALL, **changes)


def test_from_training_to_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--steps 4 --seeds 0 1 --width 8 --heads 2 --layers 1 --wandb disabled --quiet --name run --eval-every 2"
    assert main(["train", "lm", *flags.split(), "--root", str(tmp_path)]) == 0
    index = (tmp_path / "run" / "0" / "media" / "index.jsonl").read_text()
    assert index.count('"kind": "table", "name": "samples", "columns": ["sample", "text"]') == 2
    run = str(tmp_path / "run")
    capsys.readouterr()
    assert main(["sample", run, "--count", "3", "--prompt", "the old"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert (shown[0], sum(line.startswith("the old") for line in shown)) == ("seed 0", 6)
    assert main(["sample", run, "--out", str(tmp_path / "out.txt")]) == 0
    assert (tmp_path / "out.txt").read_text().startswith("seed 0\n")
    assert main(["eval", run]) == 0
    assert "test characters, last checkpoint, nats per character" in capsys.readouterr().out
    assert main(["sample", run, "--temperature", "0", "--prompt", "the old", "--count", "2"]) == 0
    first, second = (line for line in capsys.readouterr().out.splitlines()[1:3])
    assert first == second
    for wrong in (
        ["--temperature", "-1"],
        ["--prompt", "7"],
        ["--out", "a.png"],
        ["--count", "0"],
        ["--prompt", "a\nb"],
    ):
        assert main(["sample", run, *wrong]) == 2
    assert higher_is_better("eval/bits_per_character") is False
