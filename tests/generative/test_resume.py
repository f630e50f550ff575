"""Exact resume, proven by killing: a generative run killed and resumed equals one that ran through."""

import random
from pathlib import Path

import pytest

from tests.core.recorded import history
from tests.killing import Command, assert_equal_runs, kill_and_resume

OFTEN = "--seeds 3 1 --log-every 3 --checkpoint-every 7 --eval-every 25 --compile off"
CASES = {
    "a translator": "translate --steps 60 --width 16 --batch 16",
    "a Transformer that translates and drops": (
        "translate --data sort --net transformer --dropout 0.2 --steps 60 --layers 1 --heads 2 --width 16 --batch 16"
    ),
    "a GPT that answers": "translate --data sort --steps 60 --layers 1 --heads 2 --width 16 --batch 16 --dropout 0.2",
    "drawn anew each time": "vae --batch 40 --steps 120 --hidden 16 --latent 4 --binarise dynamic",
    "all seeds at once": "vae --batch 40 --steps 120 --hidden 16 --latent 4 --binarise dynamic --path vmap --draws 3",
    "convolutions and warm-up": "vae --batch 40 --steps 60 --latent 4 --net conv --warmup 0.5 --clip 5",
    "an autoencoder that denoises": "ae --kind denoising --batch 40 --steps 120 --hidden 16 --latent 4",
    "two players with batch norm": "gan --steps 60 --net dcgan --width 4 --batch-size 20 --critic-steps 2",
    "a GPT": "lm --steps 60 --layers 1 --width 16 --heads 2 --batch 8 --warmup 5",
    "a recurrent network that reads on": "lm --net lstm --steps 60 --layers 2 --width 16 --batch 8 --no-lines",
    "two players on points, at once": "wgan-gp --data ring --steps 120 --hidden 16 --critic-steps 3 --schedule linear",
}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_resumed_equals_one_that_ran_through(case: str, tmp_path: Path) -> None:
    argv = [*CASES[case].split(), *OFTEN.split(), "--wandb", "disabled"]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random(case))
    assert_equal_runs(killed.cut, killed.whole)


def test_wandb_is_told_the_same_by_a_killed_and_resumed_run(tmp_path: Path) -> None:
    argv = [*CASES["drawn anew each time"].split(), *OFTEN.split(), "--wandb", "offline"]
    killed = kill_and_resume(argv, tmp_path, chance=random.Random(5), start=Command)
    assert_equal_runs(killed.cut, killed.whole)
    for seed in "13":
        told = history(killed.cut / seed)
        assert told == history(killed.whole / seed)
        assert len([row for row in told if "train/bound" in row]) == 40
        assert len([row for row in told if "eval/bound" in row]) == 5
        assert sum("samples.path" in row for row in told) == 5


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_twenty_kills_leave_no_trace(case: str, tmp_path: Path) -> None:
    argv = [*CASES[case].split(), *OFTEN.split(), "--wandb", "disabled"]
    chance, kills = random.Random(case), 0
    for attempt in range(20):
        killed = kill_and_resume(argv, tmp_path, name=f"cut-{attempt}", kills=20 - kills, chance=chance)
        assert_equal_runs(killed.cut, killed.whole)
        kills += killed.kills
        if kills >= 20:
            break
    assert kills >= 20
