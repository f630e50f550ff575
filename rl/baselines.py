"""Stable-Baselines3, trained by itself and recorded in the same shape as our own agents.

Its environments, sampling and updates are its own; ours are the settings, the record and the evaluation. The seeds are
trained one after the other. Its checkpoints hold weights to evaluate, not a state to go on from.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

from core import threads
from core.doors import opened
from core.draws import mix
from core.errors import UserError
from core.machine import Machine
from core.noise import State
from core.sessions import Again, begun, cadence, check
from core.stopping import Stopped, Stopping
from core.tracking import Group
from rl import spaces
from rl.environments import Envs, make
from rl.filming import Filming
from rl.guest import GuestPolicy, Player, Recorder
from rl.limits import unused
from rl.playing import Scores, nothing
from rl.recipes import RECIPES
from rl.task import Task
from rl.train import Options, evaluated, filming, proceed, read

BASELINES: dict[str, str] = {
    "sb3-a2c": "advantage actor-critic",
    "sb3-dqn": "deep Q-network",
    "sb3-ppo": "proximal policy optimisation",
}

NEVER = 10**9  # iterations between lines of their own log
VECTORS: dict[str, Callable[[list[Any]], VecEnv]] = {"sync": DummyVecEnv, "async": SubprocVecEnv}


def model_of(
    algorithm: str, config: Any, task: Task, envs: int, seed: int, check: Callable[[], None] = nothing
) -> OnPolicyAlgorithm | OffPolicyAlgorithm:
    """An untrained model in environments of its own.

    Args:
        seed: of the run; neighbouring seeds share no environment's episodes.
        check: called before each gradient step; what it raises ends the training.

    Raises:
        UserError: it cannot serve these spaces or settings.
    """
    recipe = RECIPES[algorithm]
    vector: VecEnv = VECTORS[task.vector]([lambda: Monitor(make(task)) for _ in range(envs)])
    if task.normalise_obs or task.normalise_reward:
        vector = VecNormalize(
            vector, norm_obs=task.normalise_obs, norm_reward=task.normalise_reward, gamma=config.gamma
        )
    pixels = spaces.kind(vector.observation_space, task.env) == "pixels"
    policy = "CnnPolicy" if pixels else "MlpPolicy"
    chance = mix("stable-baselines3", seed) % 2**31
    try:
        arguments = recipe.arguments(config, envs, pixels)
        model = recipe.model(policy, vector, seed=chance, device="cpu", **arguments)
    except UserError:
        vector.close()
        raise
    except (AssertionError, NotImplementedError, ValueError) as error:
        vector.close()
        raise UserError(f"{algorithm} cannot train on {task.env} with these settings: {error}") from error
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.policy.optimizer.register_step_pre_hook(lambda *_: check())
    return model


def policy_of(algorithm: str, config: Any, task: Task, seed: int) -> GuestPolicy:
    """An untrained policy, to load weights into."""
    model = model_of(algorithm, config, replace(task, vector="sync"), 1, seed)
    assert model.env is not None
    model.env.close()
    return GuestPolicy([model])


def stretch(model: OnPolicyAlgorithm | OffPolicyAlgorithm) -> int:
    """How many steps it takes, all environments at once, before it learns."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps
    assert isinstance(model.train_freq, TrainFreq)
    return model.train_freq.frequency


@dataclass(frozen=True)
class Run:
    """What the seeds of one run have in common."""

    algorithm: str
    task: Task
    options: Options
    config: Any
    group: Group
    filming: Filming | None
    check: Callable[[], None]  # raises Stopped when someone asks to stop


class Seed(BaseCallback):
    """One seed: trained by Stable-Baselines3, recorded by us."""

    def __init__(self, run: Run, index: int) -> None:
        super().__init__()
        self.run, options, seed = run, run.options, run.options.seeds[index]
        task = replace(run.task, vector="sync")
        self.yard = Envs(task, [seed], options.envs)  # never stepped: twins of it are evaluated in
        self.learner = model_of(run.algorithm, run.config, run.task, options.envs, seed, run.check)
        self.policy = GuestPolicy([self.learner])
        self.stretch = stretch(self.learner)  # steps between updates
        self.taken = 0  # of them
        self.recorder = Recorder(
            run.group,
            index,
            options.steps,
            options.envs,
            cadence(options),
            Player(self._score, self._state),
        )

    def train(self) -> None:
        """From the first step to the last scores; its record is closed then, unless it failed."""
        try:
            self.learner.learn(self.run.options.steps, self, log_interval=NEVER)
        except ValueError as error:
            if "to satisfy the constraint" not in str(error):  # torch's distributions, of what is not finite
                raise
            self.run.group.fail(self.recorder.index, "its policy is not finite", self.recorder.step)
        self.recorder.finish()
        if self.recorder.alive:
            last = self.run.options.steps, self._state()
            self.run.group.complete(self.recorder.index, self.recorder.best_moment, last)

    def close(self) -> None:
        self.yard.close()
        assert self.learner.env is not None
        self.learner.env.close()

    def _on_step(self) -> bool:
        self.run.check()
        self.recorder.step += self.run.options.envs
        for info in self.locals["infos"]:
            if ended := info.get("episode"):
                self.recorder.add({"episode/return": ended["r"], "episode/length": ended["l"]})
        self.taken += 1
        if self.taken == self.stretch:  # it learns first
            return self.recorder.alive
        self.recorder.due()
        return self.recorder.alive and not self.recorder.done

    def _on_rollout_start(self) -> None:
        """Take over what an update logged, and do what was due at its step."""
        metrics, logged = RECIPES[self.run.algorithm].metrics, self.learner.logger.name_to_value
        if "train/n_updates" in logged:
            self.recorder.add({ours: sign * logged[theirs] for theirs, (ours, sign) in metrics.items()})
            logged.clear()
        if self.taken == self.stretch:
            self.recorder.due()
        self.taken = 0

    _on_training_end = _on_rollout_start  # the last update

    def _score(self, step: int, last: bool) -> Scores:
        """By the code, and on the episodes, that score our agents; training is left as it is."""
        self.yard.load_statistics([self._state()["envs"]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix("stable-baselines3", "evaluation", step, *self.yard.seeds))
            return evaluated(
                self.policy, self.yard, self.run.options, self.run.filming, step, last, self.run.check
            )

    def _state(self) -> State:
        """The weights, and environments that have not begun but know how observations are normalised."""
        (agent,), (envs,) = self.policy.state_dict(), self.yard.state_dict()
        seen = self.learner.get_vec_normalize_env()
        if seen is not None and seen.norm_obs:
            envs["moments"] = {name: getattr(seen.obs_rms, name) for name in ("mean", "var", "count")}
        return {"agent": agent, "envs": {**envs, "obs": None}}


def main(argv: list[str]) -> int:
    """``argv`` is the baseline's id and its options."""
    algorithm, flags = argv[0], argv[1:]
    settings = read(algorithm, RECIPES[algorithm], flags)
    task, options, machine, wandb, config = settings.values
    check(options, "envs", "eval_episodes", "final_episodes", "eval_max_steps")
    refuse(algorithm, task, machine)
    if options.resume == "auto" and (folder := begun(algorithm, settings, options)):
        return proceed(folder, Again(**asdict(wandb), quiet=options.quiet))  # says that it is finished
    threads.use(machine.threads)
    envs = tried(algorithm, config, task, options)
    facts = {"device": "cpu", "path": "sb3", "compile": False}
    facts |= {"threads": machine.threads, "vector": task.vector}
    notes = unused(settings, envs.observation_space, envs.action_space)
    group = opened("rl", "env_step", task.env, argv, settings, options, wandb, facts, notes)
    film = filming(group, options)
    with Stopping() as stopping:
        try:
            return train(Run(algorithm, task, options, config, group, film, stopping.check))
        except Stopped:
            group.say("stopped; runs of Stable-Baselines3 cannot be resumed, train it anew")
            group.finish("stopped", stopping.exit_code)
            return stopping.exit_code
        except BaseException as error:
            group.finish("crashed", 1, str(error) or type(error).__name__)
            raise


def tried(algorithm: str, config: Any, task: Task, options: Options) -> Envs:
    """Environments made once and closed, and a model too: what cannot work is said before anything is written."""
    envs = Envs(task, options.seeds, 1)
    envs.close()
    model_of(algorithm, config, task, options.envs, options.seeds[0]).get_env().close()  # type: ignore[union-attr]
    return envs


def train(run: Run) -> int:
    """One seed after the other; 1 if one of them failed."""
    for index in range(len(run.options.seeds)):
        seed = Seed(run, index)
        try:
            seed.train()
        finally:
            seed.close()
    run.group.finish()
    return 0 if run.group.alive.all() else 1


def refuse(algorithm: str, task: Task, machine: Machine) -> None:
    """What our agents can and these cannot."""
    if task.vector not in VECTORS:
        raise UserError(f"--vector {task.vector} is not for {algorithm}; use --vector sync or async")
    if machine.device not in ("auto", "cpu"):
        raise UserError(f"--device {machine.device}: {algorithm} trains on the CPU here; use --device cpu")
    if machine.compile == "on" or machine.path == "vmap":
        raise UserError(f"--compile on and --path vmap are not for {algorithm}; leave them out")
