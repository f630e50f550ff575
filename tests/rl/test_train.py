"""`lab train` and `lab resume` as a person meets them: what is written, what is refused, how it ends."""

import json
import math
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from core import trees
from core.destination import WandB
from core.noise import Chance, States
from core.run_folder import load
from core.sessions import Cadence
from core.tracking import Group
from core.training import Training
from rl.agent import Array, Memory, Metrics, Transition
from rl.environments import Envs, Task
from rl.loop import Interaction
from rl.rows import Origin
from tests.core.recorded import lines, records, run_json, without_time
from tests.killing import (
    Command,
    Process,
    assert_equal_runs,
    different,
    finished,
    forked,
    kill,
    told,
    wait_for,
)

WORLDS = Path(__file__).with_name("worlds_by_hand.py")
SMALL = "--rollout 16 --batch 16 --epochs 2 --hidden 8 --compile off --eval-episodes 2 --final-episodes 3"
OFF = ["--wandb", "disabled", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory that several tests share."""
    folder = tmp_path_factory.mktemp("train")
    shutil.copy(WORLDS, folder / "worlds.py")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory of one test."""
    shutil.copy(WORLDS, tmp_path / "worlds.py")
    return tmp_path


def train(line: str, folder: Path) -> int:
    return finished(["train", *line.split(), *OFF], folder)


def column(run: Path, name: str) -> list[Any]:
    return [row[name] for row in lines(run / "metrics.jsonl") if name in row]


# --- what is written


def test_a_run_folder_is_what_its_page_says(place: Path) -> None:
    argv = f"train ppo --env CartPole-v1 --preset none --steps 320 --seeds 5 7 {SMALL} --wandb offline"
    assert finished(argv.split(), place) == 0, told(place)
    (group,) = (path for path in (place / "runs").glob("ppo-CartPole-v1-*"))
    assert sorted(path.name for path in group.iterdir()) == ["5", "7"]
    run = group / "7"
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    for name in (
        "config.yaml",
        "run.json",
        "metrics.jsonl",
        "summary.json",
        "console.log",
        "media/index.jsonl",
    ):
        assert name in files
    for which in ("last", "previous", "best"):
        assert f"checkpoints/{which}.safetensors" in files
    assert any(name.startswith("wandb/offline-run-") for name in files)

    config, about = yaml.safe_load((run / "config.yaml").read_text()), run_json(run)
    assert (config["algorithm"], config["env"], config["steps"], config["seeds"]) == (
        "ppo",
        "CartPole-v1",
        320,
        [7],
    )
    assert (about["status"], about["suite"], about["axis"], about["task"]) == (
        "finished",
        "rl",
        "env_step",
        "CartPole-v1",
    )
    assert about["command"][:4] == ["lab", "train", "ppo", "--env"]
    facts = {"device": "cpu", "path": "vmap", "compile": False, "threads": 1, "vector": "sync"}
    assert about["facts"] == facts
    first, second = (run / "console.log").read_text().splitlines()[:2]
    assert "W&B offline" in first
    assert "steps=320 (flag)" in second

    summary = json.loads((run / "summary.json").read_text())
    assert summary["env_step"] == 320
    assert len(summary["final/returns"]) == 3
    assert summary["final/return"] == pytest.approx(np.mean(summary["final/returns"]))
    assert summary["eval/return"] == summary["final/return"]
    returns = column(run, "eval/return")
    assert len(returns) == 20
    best = {"value": max(returns), "step": 16 * (returns.index(max(returns)) + 1)}
    assert summary["best"] == {"eval/return": best}
    names = {name for row in lines(run / "metrics.jsonl") for name in row}
    assert names >= {"env_step", "episode/return", "episode/length", "eval/return", "eval/return_stochastic"}
    assert names >= {"loss/policy", "loss/value", "policy/entropy", "policy/kl", "policy/clip_fraction"}
    vocabulary = {"env_step", "episode", "eval", "loss", "policy", "value", "grad_norm", "time"}
    assert {name.split("/")[0] for name in names} <= vocabulary


def test_a_run_is_repeated_from_its_config(folder: Path) -> None:
    assert train("q-learning --env FrozenLake-v1 --steps 900 --lr 0.3 --seeds 4 --name one", folder) == 0
    config = folder / "runs" / "one" / "4" / "config.yaml"
    assert train(f"q-learning --config {config} --name two", folder) == 0, told(folder)
    assert_equal_runs(folder / "runs" / "two", folder / "runs" / "one")


@pytest.mark.parametrize("env", ["worlds.py:Line", "worlds:Line-v0"])
def test_an_environment_of_ones_own_needs_no_edit(env: str, place: Path) -> None:
    name = env.replace(":", "-")
    assert train(f"ppo --env {env} --envs 2 --steps 96 --seeds 0 {SMALL} --log-every 1 --name {name} "
                 "--normalise-obs --normalise-reward", place) == 0, told(place)  # fmt: skip
    run = place / "runs" / name / "0"
    assert set(column(run, "episode/return")) == {3.0}  # of raw rewards
    assert set(column(run, "episode/length")) == {3.0}
    assert len(column(run, "episode/return")) == 96 // 2 // 3  # both environments end together
    assert set(column(run, "eval/return")) == {3.0}


# --- what is refused: one line, exit 2, nothing written


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("train pqo --env CartPole-v1", ["unknown algorithm 'pqo'", "did you mean 'ppo'"]),
        ("train ppo --env CartPol-v1", ["unknown environment 'CartPol-v1'", "did you mean 'CartPole-v1'"]),
        ("train ppo --env worlds.py:Lime", ["has no class 'Lime'", "did you mean 'Line'"]),
        ("train ppo --env there.py:Line", ["there is no file there.py"]),
        ("train ppo --env nowhere:Line-v0", ["nowhere", "cannot be imported"]),
        ("train ppo --env worlds.py:Line --env-args {'long':3}", ["worlds.py:Line does not take --env-args", "long"]),
        ("train ppo --env CartPole-v1 --step 5", ["unknown option --step", "did you mean --steps"]),
        ("train ppo --env CartPole-v1 --steps many", ["--steps", "'many'"]),
        ("train ppo --env CartPole-v1 --steps 0", ["--steps is 0; it must be at least 1"]),
        ("train ppo --env CartPole-v1 --rollout 0", ["--rollout is 0; it must be at least 1"]),
        ("train ppo --env CartPole-v1 --batch 0", ["--batch is 0; it must be at least 1"]),
        ("train a2c --env CartPole-v1 --lr -0.1", ["--lr is -0.1; it must be at least 0"]),
        ("train reinforce --env CartPole-v1 --hidden 8 0", ["--hidden is 8 0; every width must be at least 1"]),
        ("train dqn --env CartPole-v1 --train-every 0", ["--train-every is 0; it must be at least 1"]),
        ("train sb3-a2c --env CartPole-v1 --rollout 0", ["--rollout is 0; it must be at least 1"]),
        ("train q-learning --env FrozenLake-v1 --gamma 3", ["--gamma is 3.0; it must be at least 0 and at most 1"]),
        ("train ppo --env CartPole-v1 --seeds 1 1", ["--seeds 1 1: give at least one seed, each once"]),
        ("train ppo --env CartPole-v1 --preset zoom", ["unknown preset 'zoom'", "did you mean 'zoo'"]),
        ("train ppo --env Taxi-v3 --preset zoo", ["preset 'zoo' has no settings for Taxi-v3"]),
        ("train ppo --env CartPole-v1 --wandb sometimes", ["--wandb", "'sometimes'"]),
        ("train ppo --env CartPole-v1 --lr_schedule linaer", ["'linaer'", "did you mean 'linear'"]),
        ("train ppo --env CartPole-v1 --activation thanh", ["'thanh'", "did you mean 'tanh'"]),
        ("train ppo --env CartPole-v1 --device cuda:7", ["--device cuda:7"]),
        ("train q-learning --env CartPole-v1", ["q-learning needs Discrete observations, not Box(", "ppo takes"]),
        ("train ppo --env Blackjack-v1", ["Tuple(Discrete(32), Discrete(11), Discrete(2))", "--flatten"]),
        ("train ppo --env CartPole-v1 --root worlds.py/runs", ["cannot write in the runs folder worlds.py/runs"]),
        ("train ppo --env CartPole-v1 --config none.yaml", ["none.yaml"]),
        ("resume last", ["no runs in runs"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_writes_nothing(argv: str, words: list[str], folder: Path) -> None:
    assert finished(argv.split(), folder) == 2
    said = told(folder).splitlines()
    assert len(said) == 1
    assert said[0].startswith("lab: ")
    assert [word for word in words if word not in said[0]] == []
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"lab.log", "worlds.py"}


def test_a_run_too_short_to_learn_from_says_so(folder: Path) -> None:
    line = f"train ppo --env CartPole-v1 --preset none --seeds 0 {SMALL} --wandb disabled --steps"
    said = "end before the first update: nothing will be learned"
    for steps in (15, 16):
        assert finished([*line.split(), str(steps), "--name", f"of-{steps}"], folder) == 0, told(folder)
        assert (said in told(folder)) == (steps == 15)
        (folder / "lab.log").unlink()


def test_flattened_spaces_are_served(place: Path) -> None:
    assert train(f"ppo --env Blackjack-v1 --flatten --steps 64 --seeds 0 {SMALL} --name cards", place) == 0
    assert run_json(place / "runs" / "cards" / "0")["status"] == "finished"


# --- training is left alone


def test_training_is_the_same_with_evaluation_and_without(place: Path) -> None:
    often = f"ppo --env CartPole-v1 --preset none --envs 2 --steps 480 --seeds 0 1 {SMALL} --log-every 40"
    assert train(f"{often} --eval-every 60 --name seen", place) == 0, told(place)
    assert train(f"{often} --eval-every 0 --name unseen", place) == 0, told(place)
    for seed in "01":
        seen, unseen = (place / "runs" / name / seed for name in ("seen", "unseen"))
        assert [len(column(run, "eval/return")) for run in (seen, unseen)] == [8, 1]
        rows = [
            [row for row in without_time(lines(run / "metrics.jsonl")) if "eval/return" not in row]
            for run in (seen, unseen)
        ]
        assert len(rows[0]) == 12
        assert rows[0] == rows[1]
        states = [load(run / "checkpoints" / "last.safetensors")[1] for run in (seen, unseen)]
        assert set(different(*states)) <= {"best", "best_at", "evaluated"}


class Witness:
    """An agent that learns nothing and remembers every transition it was shown."""

    def __init__(self, seeds: int) -> None:
        self.seeds, self.seen = seeds, list[Transition]()

    def memory(self, envs: int) -> Memory:
        return ()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        assert explore is not None
        return (explore.uniform(obs.shape[1]) < 0.5).astype(np.int64), memory

    def learn(self, transition: Transition) -> Metrics:
        self.seen.append(transition)
        return {"loss/none": torch.zeros(self.seeds)}

    def executed(self, action: Array) -> Array:
        return action + 5

    def state_dict(self) -> States:
        return [{} for _ in range(self.seeds)]

    def load_state_dict(self, states: States) -> None: ...


@pytest.mark.parametrize("vector", ["sync", "async"])
def test_no_step_leads_to_a_beginning(vector: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a world of three steps, seen as 10, 11, 12 and at the end 13."""
    monkeypatch.chdir(folder)
    envs = Envs(Task(env="worlds.py:Steps", vector=vector), (3, 5), 2)
    group = Group.create(
        root=folder / "runs", suite="rl", algorithm="witness", task="steps", settings={}, seeds=(3, 5),
        axis="env_step", wandb=WandB(wandb="disabled"), quiet=True,
    )  # fmt: skip
    agent, none = Witness(2), {"eval/return": np.zeros(2)}
    training = Training(Interaction(agent, envs), group, 60, Cadence(log=2, evaluate=0, checkpoint=0))
    assert training.run(lambda step, last, check: none) == 0
    envs.close()

    assert len(agent.seen) == 30  # two environments a step
    for t, step in enumerate(agent.seen):
        np.testing.assert_array_equal(step.obs, np.full((2, 2), 10 + t % 3))
        np.testing.assert_array_equal(step.next_obs, step.obs + 1)
        np.testing.assert_array_equal(step.terminated, np.full((2, 2), t % 3 == 2))
        np.testing.assert_array_equal(step.reward, np.ones((2, 2)))
        assert not step.truncated.any()
    for seed in "35":
        assert column(group.path / seed, "episode/return") == [3.0] * 10
        assert column(group.path / seed, "episode/length") == [3.0] * 10
        assert [row["env_step"] for row in lines(group.path / seed / "metrics.jsonl")] == [
            *range(2, 61, 2),
            60,
        ]


# --- how it ends


@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_a_loss_that_is_no_number_ends_one_seed_alone(path: str, place: Path) -> None:
    """Seed 1 is paid NaN in its 21st episode, steps 61 to 63; the update after step 64 learns from it.

    The next row of metrics would be written at step 100; the checkpoint due at 84 does not wait for it.
    """
    sick = Origin(1, "train", 0).chance(20)
    often = f"ppo --env worlds.py:Sick --steps 160 --seeds 0 1 2 {SMALL} --path {path} --log-every 100 "
    often += "--checkpoint-every 21 --eval-every 50"
    assert train(f"{often} --name well-{path}", place) == 0, told(place)
    assert train(f'{often} --env-args {{"sick":{sick}}} --name sick-{path}', place) == 1, told(place)
    group, well = place / "runs" / f"sick-{path}", place / "runs" / f"well-{path}"

    assert [run_json(group / seed)["status"] for seed in "012"] == ["finished", "failed", "finished"]
    assert run_json(group / "1")["error"] == "loss/policy is nan at env_step 84"
    said = [line for line in (group / "1" / "console.log").read_text().splitlines() if "failed" in line]
    assert said == [
        "seed 1 failed at env_step 84: loss/policy is nan; its checkpoint at 63 stays; the other seeds go on"
    ]
    step, state = load(group / "1" / "checkpoints" / "last.safetensors")
    assert step == 63
    assert math.isnan(state["agent"]["rollout"]["steps"][2][-3:].sum())
    assert all(weights.isfinite().all() for weights in tensors(state["agent"]["net"]))
    assert "final/return" not in json.loads((group / "1" / "summary.json").read_text())
    for seed in "02":
        healthy = without_time(lines(well / seed / "metrics.jsonl"))
        assert [
            row for row in without_time(lines(group / seed / "metrics.jsonl")) if "loss/policy" not in row
        ] == [row for row in healthy if "loss/policy" not in row]
        states = [load(each / seed / "checkpoints" / "last.safetensors")[1] for each in (group, well)]
        assert different(*states) == []
    assert finished(["compare", f"sick-{path}"], place) == 0, told(place)
    assert "2 of 3 (1 failed)" in told(place)
    assert finished(["resume", f"sick-{path}", "--quiet"], place) == 0
    assert told(place).splitlines()[-1] == f"sick-{path} is finished already; nothing to resume"


def tensors(tree: Any) -> list[torch.Tensor]:
    return [
        leaf for leaf in trees.leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
    ]


STOPPED = f"ppo --env CartPole-v1 --preset none --envs 2 --steps 1200 --seeds 0 1 {SMALL} --log-every 40 "
STOPPED += "--eval-every 400"


@pytest.fixture(scope="module")
def unstopped(place: Path) -> Path:
    """The group that ran through."""
    assert train(f"{STOPPED} --name unstopped", place) == 0, told(place)
    return place / "runs" / "unstopped"


def started(run: Path, process: Process) -> None:
    """Wait until it trains."""
    file = run / "metrics.jsonl"
    assert wait_for(lambda: file.exists() and file.stat().st_size > 500, process)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_closes_everything_and_can_go_on(
    number: signal.Signals, code: int, place: Path, unstopped: Path
) -> None:
    """As from a terminal, where Ctrl-C reaches the whole group of processes, W&B's own among them."""
    name = number.name.lower()
    argv = [*STOPPED.split(), "--name", name, "--wandb", "offline"]
    process = Command(["train", *argv], place)
    run = place / "runs" / name / "1"
    started(run, process)
    asked = time.monotonic()
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == code, told(place)
    assert time.monotonic() - asked < 10

    assert run_json(run)["status"] == "stopped"
    step, _ = load(run / "checkpoints" / "last.safetensors")
    assert 0 < step < 1200
    said = (run / "console.log").read_text().splitlines()[-1]
    assert said == f"stopped at step {step}; lab resume {name} goes on from there"
    (ending,) = [record["exit"]["exit_code"] for record in records(run) if record["type"] == "exit"]
    assert ending == code
    assert finished(["resume", name, "--quiet"], place) == 0, told(place)
    assert_equal_runs(run.parent, unstopped)
    (ending,) = [record["exit"].get("exit_code", 0) for record in records(run) if record["type"] == "exit"]
    assert ending == 0


def test_it_stops_within_an_evaluation_too(folder: Path) -> None:
    """Episodes without an end, evaluated for longer than anyone would wait; then resumed, it evaluates again."""
    often = f"ppo --env worlds.py:Line --steps 40 --seeds 0 1 {SMALL} --eval-every 20"
    often += ' --env-args {"length":1000000000} --eval-max-steps'
    process = forked(["train", *f"{often} 100000000 --name long".split(), *OFF], folder)
    run = folder / "runs" / "long" / "1"
    started_at = run / "checkpoints" / "last.safetensors"
    assert wait_for(lambda: (run / "metrics.jsonl").exists() and column(run, "loss/policy") != [], process)
    time.sleep(0.5)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 143
    step, state = load(started_at)
    assert (step, state["evaluated"]) == (20, 0)
    assert column(run, "eval/return") == []

    for file in (folder / "runs" / "long").glob("*/config.yaml"):
        file.write_text(file.read_text().replace("eval_max_steps: 100000000", "eval_max_steps: 30"))
    assert finished(["resume", "long", "--quiet"], folder) == 0, told(folder)
    assert train(f"{often} 30 --name short", folder) == 0
    assert_equal_runs(folder / "runs" / "long", folder / "runs" / "short")


def test_resume_auto_starts_goes_on_and_knows_the_end(folder: Path, unstopped: Path) -> None:
    argv = ["train", *STOPPED.split(), "--resume", "auto", *OFF]
    process = forked(argv, folder)
    assert wait_for(lambda: len(list((folder / "runs").glob("*/1/metrics.jsonl"))) == 1, process)
    (group,) = (folder / "runs").iterdir()
    started(group / "1", process)
    assert finished(argv, folder) == 2  # by a second one at the same time
    assert told(folder).splitlines()[-1] == f"lab: {group.name} is still running; stop it first"
    assert kill(process)

    assert finished(argv, folder) == 0, told(folder)
    assert "continuing" in (group / "1" / "console.log").read_text()
    assert_equal_runs(group, unstopped)
    assert finished(argv, folder) == 0
    assert told(folder).splitlines()[-1] == f"{group.name} is finished already; nothing to resume"
    assert list((folder / "runs").iterdir()) == [group]
    other = [word if word != "1200" else "80" for word in argv]
    assert finished(other, folder) == 0
    assert len(list((folder / "runs").iterdir())) == 2
