"""What a translator's loss is a mean over: the characters of the answers and their ends, and no padding."""

import pytest
import torch

from generative import pairs
from generative.build import trainer_of
from generative.trainers import translate

FOUND = pairs.encoded("mine", ["ab", "abcd", "dcba"], ["a", "abcda", "bb"], 2)


@pytest.mark.parametrize("net", ["gru", "transformer"])
def test_long_answers_weigh_more_and_padding_nothing(net: str) -> None:
    facts = {"device": "cpu", "path": "loop", "compile": False}
    config = translate.Config(net=net, width=8, heads=2, layers=1)  # type: ignore[arg-type]
    model = trainer_of("translate", config, FOUND, (0,), 10, facts)
    assert isinstance(model, translate.Translate)
    weights = {name: weight[0] for name, weight in model.net.weights().items()}
    rows = torch.from_numpy(FOUND.train)
    real = (rows[:, FOUND.source :] != pairs.PADDING).sum(-1)
    assert sorted(real.tolist()) == [2, 6]  # their ends are learned, too
    alone = torch.stack([model.loss(weights, row[None])[0] for row in rows])
    together, _ = model.loss(weights, rows)
    assert together.item() == pytest.approx(float((alone * real).sum() / real.sum()), rel=1e-5)
    assert together.item() != pytest.approx(alone.mean().item(), rel=1e-3)
