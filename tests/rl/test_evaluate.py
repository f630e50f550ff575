"""What a run has learned, loaded again: the same actions as in evaluation, the same statistics, a table, a film."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import pytest

from core.cli import main as lab
from core.errors import UserError
from core.noise import Chance
from core.run_folder import load as load_checkpoint
from rl.agent import Array, Memory
from rl.dynamic_programming import finite_horizon
from rl.evaluate import Player, assess, load
from rl.planning import finite_horizon_value, model_of
from rl.playing import play
from rl.rows import Origin
from tests.killing import different

SMALL = "--rollout 16 --batch 32 --epochs 2 --hidden 8 --compile off --eval-episodes 2 --final-episodes 3"
RUNS = {
    "pendulum": f"ppo --env Pendulum-v1 --preset none --envs 2 --steps 300 --seeds 4 2 {SMALL} --normalise-obs",
    "cartpole": f"ppo --env CartPole-v1 --preset none --envs 2 --steps 300 --seeds 1 {SMALL}",
    "lake": "q-learning --env FrozenLake-v1 --steps 3000 --seeds 0 1",
    "steps": "q-learning --env worlds.py:Steps --steps 60 --seeds 0 1",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the runs above."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copy(Path(__file__).with_name("worlds_by_hand.py"), folder / "worlds.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, argv in RUNS.items():
            assert lab(["train", *argv.split(), "--name", name, "--quiet", "--wandb", "disabled"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


class Watched:
    """A policy, and what it had executed."""

    def __init__(self, player: Player) -> None:
        self.agent, self.memory, self.taken = player.agent, player.agent.memory, list[Any]()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        return self.agent.act(obs, memory, start=start, explore=explore)

    def executed(self, action: Array) -> Array:
        self.taken.append(self.agent.executed(action))
        return self.agent.executed(action)


@pytest.mark.parametrize("name", RUNS)
def test_act_does_what_the_agent_does_in_evaluation(name: str) -> None:
    player = load(name)
    watched = Watched(player)
    twin = player.envs.frozen("here", 1)
    played = play(watched, twin, 1, max_steps=200)
    twin.close()

    env = player.environment()
    obs, _ = env.reset(seed=Origin(player.seed, "here", 0).chance(0))
    taken, total = [], 0.0
    for _ in range(200):
        action = player.act(obs)
        assert env.action_space.contains(action)
        taken.append(action)
        obs, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        if terminated or truncated:
            break
    env.close()

    assert len(taken) == played.lengths[0, 0]
    np.testing.assert_array_equal(np.array(taken), np.concatenate(watched.taken)[:, 0])
    assert total == pytest.approx(played.returns[0, 0], rel=1e-6)  # rewards are float32 there


def test_what_is_seen_is_normalised_by_what_the_run_saved() -> None:
    player = load("pendulum")
    _, state = load_checkpoint(Path("runs/pendulum/2/checkpoints/last.safetensors"))
    moments = state["envs"]["moments"]
    raw = np.array([0.6, -0.8, 3.0], np.float32)
    shown = ((raw - moments["mean"]) / np.sqrt(moments["var"] + 1e-8)).astype(np.float32)
    expected, _ = player.agent.act(shown[None, None], (), start=np.ones((1, 1), bool), explore=None)
    unnormalised, _ = player.agent.act(raw[None, None], (), start=np.ones((1, 1), bool), explore=None)

    assert moments["count"] > 300
    np.testing.assert_array_equal(player.act(raw), player.agent.executed(expected)[0, 0])
    assert np.abs(expected - unnormalised).max() > 1e-4


def test_evaluation_leaves_the_statistics_and_a_second_load_acts_alike() -> None:
    file = Path("runs/pendulum/2/checkpoints/last.safetensors")
    before, player = file.read_bytes(), load("pendulum")
    saved = load_checkpoint(file)[1]["envs"]["moments"]
    watched = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    first = [player.act(obs) for obs in watched]
    assess(player, episodes=2, max_steps=None, seed=0)

    assert player.envs._moments is not None
    assert different(player.envs._moments.state_dict()[0], saved) == []
    assert file.read_bytes() == before
    np.testing.assert_array_equal([player.act(obs) for obs in watched], first)
    np.testing.assert_array_equal([load("pendulum/2").act(obs) for obs in watched], first)


def test_exploring_draws_and_acting_does_not() -> None:
    obs = np.array([0.6, -0.8, 3.0], np.float32)
    one, other = load("pendulum"), load("pendulum")
    drawn = [float(one.act(obs, explore=True)[0]) for _ in range(5)]
    assert len(set(drawn)) == 5
    assert drawn == [float(other.act(obs, explore=True)[0]) for _ in range(5)]
    one.reset()
    assert len({float(one.act(obs)[0]) for _ in range(5)}) == 1


def test_a_group_gives_its_first_seed_and_an_id_its_own() -> None:
    assert load("pendulum").seed == 2
    assert load("pendulum/4").seed == 4
    assert load(Path("runs") / "lake" / "1").seed == 1
    assert load("lake", checkpoint="best").step <= load("lake").step == 3000
    with pytest.raises(ValueError, match=r"shows Box.* has shape \[4\]"):
        load("pendulum").act(np.zeros(4))


def test_the_table_of_a_world_known_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(["eval", "steps", "--episodes", "4"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()[1:]
    assert header.split("  ")[0] == "seed"
    assert [re.split(r"  +", row.strip()) for row in rows[:2]] == [
        ["0", "60", "3 ± 0", "3", "3", "0"],
        ["1", "60", "3 ± 0", "3", "3", "0"],
    ]
    assert rows[2] == "greedy return, mean over seeds: 3 [3, 3], 95 % Student interval, n = 2"

    assert lab(["eval", "steps/1", "--episodes", "4", "--max-steps", "2"]) == 0
    _, _, row, overall = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", row.strip()) == ["1", "60", "2 ± 0", "2", "2", "8"]  # 4 greedy, 4 stochastic
    assert overall == "greedy return, mean over seeds: 2, n = 1"


def test_a_table_on_a_known_model_has_its_exact_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(["eval", "lake", "--episodes", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    lake: Any = gym.make("FrozenLake-v1").unwrapped
    model = model_of(lake.P, lake.initial_state_distrib)
    for line, seed in zip(shown[2:4], ("0", "1"), strict=True):
        table = load(f"lake/{seed}").agent.greedy_table()[0]  # type: ignore[attr-defined]
        value = model.from_start(finite_horizon_value(model, table, 100))
        best = model.from_start(finite_horizon(model, 1.0, 100).value)
        exactly, regret = map(float, line.split()[-3:-1])
        assert exactly == pytest.approx(value, abs=1e-3)
        assert regret == pytest.approx(best - value, abs=1e-3)
    assert shown[-1].startswith("exact value, mean over seeds: ")


def test_another_seed_is_other_episodes() -> None:
    player = load("pendulum")
    first, again, other = (assess(player, episodes=2, max_steps=None, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.greedy.returns, again.greedy.returns)
    np.testing.assert_array_equal(first.stochastic.returns, again.stochastic.returns)
    assert (first.greedy.returns != other.greedy.returns).all()
    assert (first.greedy.returns != first.stochastic.returns).all()


def test_a_film_is_an_mp4_of_a_whole_episode(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(["eval", "cartpole", "--episodes", "1", "--video"]) == 0
    path, frames = re.fullmatch(
        r"(.*): (\d+) frames of seed 1", capsys.readouterr().out.splitlines()[-1]
    ).groups()  # type: ignore[union-attr]
    assert (
        Path(path) == Path("runs/cartpole/1/media/eval.mp4").resolve()
        or path == "runs/cartpole/1/media/eval.mp4"
    )
    assert Path(path).read_bytes()[4:8] == b"ftyp"
    read = imageio_ffmpeg.read_frames(path)
    about = next(read)
    assert about["size"] == (600, 400)
    assert about["fps"] == 50
    assert len(pictures := list(read)) == int(frames) > 5
    assert pictures[0] != pictures[-1]
    assert not list(Path(path).parent.glob(".*"))


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("eval nowhere", "no run 'nowhere' in runs; choose one of "),
        ("eval lake --episodes 0", "--episodes is 0; it must be at least 1"),
        ("eval lake --checkpoint worst", "--checkpoint takes last or best, not 'worst'"),
        ("eval steps --video --episodes 1", "worlds.py:Steps cannot be filmed"),
        ("eval fresh", "fresh/0 has no checkpoint yet"),
        ("eval torn", "is truncated or not a checkpoint"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    argv: str, line: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, spoil in SPOILT.items():
        if not (trained / "runs" / name).exists():
            shutil.copytree(trained / "runs" / "lake" / "0", trained / "runs" / name / "0")
            spoil(trained / "runs" / name / "0")
    assert lab(argv.split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert line in said[0]


def _no_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")


def _half_a_checkpoint(run: Path) -> None:
    file = run / "checkpoints" / "last.safetensors"
    file.write_bytes(file.read_bytes()[:100])


SPOILT: dict[str, Callable[[Path], None]] = {
    "fresh": _no_checkpoint,
    "torn": _half_a_checkpoint,
}


def test_a_generative_run_is_refused(trained: Path) -> None:
    folder = trained / "pictures" / "g" / "0"
    shutil.copytree(trained / "runs" / "lake" / "0", folder)
    file = folder / "run.json"
    file.write_text(file.read_text().replace('"suite": "rl"', '"suite": "generative"'))
    with pytest.raises(UserError, match="g/0 is no run of reinforcement learning"):
        load("last", trained / "pictures")
