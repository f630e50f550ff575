"""Deep Q-network: Q-learning with a network, from a replay of what happened, towards a target that stands still.

Mnih et al. 2015. With q_θ the network and q_θ' an older copy of it, over transitions drawn from the replay:

    L = E[ ℓ( r + γ q_θ'(s', a') − q_θ(s, a) ) ],   a' = argmax_a q_θ'(s', a),   and no future beyond a terminal state

ℓ is Huber's loss. Switches: ``double`` lets q_θ choose a' (van Hasselt et al. 2016); ``dueling`` builds q from a value
and advantages (Wang et al. 2016); ``n_step`` sums n rewards before the value (Sutton 1988); ``prioritised`` draws by
the last error (Schaul et al. 2016).
"""

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor

from core import trees
from core.errors import UserError
from core.gradients import Params
from core.networks.net import pick
from core.noise import Chance, States
from core.optimisers import SGD
from core.replicas import Replicas
from core.schedules import first_part, schedule
from rl import spaces
from rl.agent import Array, Memory, Metrics, Spec, Transition
from rl.exploration import epsilon_greedy, greedy
from rl.limits import overtaken, sensible, within
from rl.losses import huber, squared, td_error, value_of_choice
from rl.q_network import QNetwork
from rl.replay import Replay, Sample, parted

TAGS = {"model": "free", "kind": "value", "policy": "off", "spaces": "any -> discrete"}
ERRORS = {"huber": huber, "mse": squared}
READ = 512  # observations that the target values at once: more fall out of the processor's cache


@dataclass(frozen=True)
class Config:
    gamma: float = 0.99  # discount γ
    lr: float = 1e-4  # learning rate
    batch: int = 32  # transitions in one gradient step of a seed
    capacity: int = 100_000  # transitions of a seed that the replay holds
    learning_starts: int = 100  # steps taken at random before anything is learned
    train_every: int = 4  # steps between learning
    gradient_steps: int = 1  # how often it learns then; -1: once for every step since
    target_every: int = 1000  # steps between copies of the network into its target
    tau: float = 1.0  # share of the network in the new target; 1: the target is a copy
    epsilon: float = 1.0  # chance of a random action at the start
    epsilon_end: float = 0.05  # and after the exploration, on a straight line
    exploration_fraction: float = 0.1  # part of all steps that this takes
    loss: str = "huber"  # of the TD error: huber, mse
    max_grad_norm: float = 10.0  # over all weights of a seed; 0: not clipped
    hidden: tuple[int, ...] = (64, 64)  # widths of the network
    activation: str = "relu"  # of the hidden layers
    double: bool = False  # the learning network chooses the successor's action
    dueling: bool = False  # value and advantages
    n_step: int = 1  # rewards summed before the value of what follows
    prioritised: bool = False  # draw by the last TD error
    alpha: float = 0.6  # exponent of the priorities
    beta: float = 0.4  # exponent of their correction at the start; 1 at the end


_ZOO = {"hidden": (256, 256), "steps": 100_000, "learning_starts": 0, "lr": 6.3e-4, "batch": 128, "capacity": 50_000,
        "target_every": 250, "gradient_steps": -1, "exploration_fraction": 0.12, "epsilon_end": 0.1}  # fmt: skip
_CLEANRL = {"steps": 500_000, "lr": 2.5e-4, "batch": 128, "capacity": 10_000, "learning_starts": 10_000,
            "train_every": 10, "target_every": 500, "exploration_fraction": 0.5, "loss": "mse", "max_grad_norm": 0.0,
            "hidden": (120, 84)}  # fmt: skip

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "zoo": {  # rl-baselines3-zoo, hyperparams/dqn.yml
        "CartPole-v1": {"steps": 50_000, "lr": 2.3e-3, "batch": 64, "learning_starts": 1000, "target_every": 10,
                        "train_every": 256, "gradient_steps": 128, "exploration_fraction": 0.16, "epsilon_end": 0.04,
                        "hidden": (256, 256)},
        "MountainCar-v0": {"steps": 120_000, "lr": 4e-3, "batch": 128, "capacity": 10_000, "learning_starts": 1000,
                           "gamma": 0.98, "target_every": 600, "train_every": 16, "gradient_steps": 8,
                           "exploration_fraction": 0.2, "epsilon_end": 0.07, "hidden": (256, 256)},
        "LunarLander-v3": _ZOO,
        "Acrobot-v1": _ZOO,
    },
    "cleanrl": dict.fromkeys(("CartPole-v1", "Acrobot-v1", "MountainCar-v0"), _CLEANRL),  # dqn.py
}  # fmt: skip


def updates(config: Config, envs: int, steps: int) -> int:
    """How many gradient steps one seed takes."""
    every = -(-config.train_every // envs) * envs
    times = every if config.gradient_steps < 0 else config.gradient_steps
    return max(steps // every - config.learning_starts // every, 0) * times


def refuse(config: Config, envs: int) -> None:
    """UserError for settings that make no sense."""
    sensible(config)
    within(config, batch=(1, config.capacity), capacity=(envs, inf))
    if config.gradient_steps == 0:
        raise UserError("--gradient-steps is 0; it must be 1 or more, or -1 for as many as there were steps")


class DQN:
    def __init__(self, spec: Spec, config: Config) -> None:
        refuse(config, spec.envs)
        self.spec, self.config, self.step, self.waiting = spec, config, 0, 0
        self.error = pick(ERRORS, config.loss, "loss")
        actions = spaces.count(spec.action_space, "dqn", "actions")
        self.first_action = int(spec.action_space.start)
        build = partial(
            QNetwork, spec.observation_space, actions, config.hidden, config.activation, config.dueling
        )
        how: Any = {"device": spec.device, "path": spec.path, "compiled": spec.compiled}
        self.net = Replicas(build, spec.seeds, clip=config.max_grad_norm or None, **how)
        self.target = Replicas(build, spec.seeds, optimiser=SGD(), **how)  # copied into, never stepped
        self.nets = {"net": self.net}
        alpha = config.alpha if config.prioritised else None
        self.replay = Replay(config.capacity, spec.seeds, spec.envs, n_step=config.n_step, gamma=config.gamma,
                             alpha=alpha, device=spec.device)  # fmt: skip
        self.parts = dict[str, trees.Stateful](net=self.net, target=self.target, replay=self.replay)
        self.beta = schedule("linear", config.beta, 1.0)
        self.notes = overtaken(config, spec.envs, "target_every", "train_every")
        self.explored = first_part(config.epsilon, config.epsilon_end, config.exploration_fraction)

    @property
    def done(self) -> float:
        return self.step / self.spec.steps if self.spec.steps else 0.0

    @property
    def epsilon(self) -> float:
        return 1.0 if self.step < self.config.learning_starts else self.explored(self.done)

    def memory(self, envs: int) -> Memory:
        return ()

    def act(
        self, obs: Array, memory: Memory, *, start: Array, explore: Chance | None
    ) -> tuple[Array, Memory]:
        values = self.net.act(obs, "forward")  # [S, E, A]
        if explore is None:
            return greedy(values), memory
        chance = explore.uniform(values.shape[1], 1 + values.shape[2])
        return epsilon_greedy(values, self.epsilon, chance), memory

    def executed(self, action: Array) -> Array:
        return action + self.first_action

    def learn(self, transition: Transition) -> Metrics:
        self.replay.add(transition)
        config = self.config
        self.step, self.waiting = self.step + self.spec.envs, self.waiting + self.spec.envs
        if self.step % config.target_every < self.spec.envs:  # it has just passed a multiple
            self.target.matrix.lerp_(self.net.matrix, config.tau)
        if self.waiting < config.train_every:
            return {}
        waited, self.waiting = self.waiting, 0
        if self.step <= config.learning_starts:
            return {}
        times = waited if config.gradient_steps < 0 else config.gradient_steps
        found = self._by_priority(times) if config.prioritised else self._alike(times)
        del found[0]["error"]  # one for each transition; the others are averaged
        metrics = {name: torch.stack([each[name] for each in found]).mean(0) for name in found[0]}
        return {**metrics, "policy/epsilon": torch.full((len(self.spec.seeds),), self.epsilon)}

    def _alike(self, times: int) -> list[Metrics]:
        """Gradient steps on transitions drawn alike: all drawn at once, for the target stands still meanwhile."""
        sample = self.replay.sample(times * self.config.batch)
        following = torch.cat([self.target(part) for part in sample.next_obs.split(READ, dim=1)], 1)
        batches = trees.map(partial(parted, times=times), (sample, following))
        return [self.net.step(self.loss, *trees.of_seed(batches, k), lr=self.config.lr) for k in range(times)]

    def _by_priority(self, times: int) -> list[Metrics]:
        """Gradient steps on transitions drawn by their priorities, which each step changes."""
        found = []
        for _ in range(times):
            sample, places = self.replay.sample_by_priority(self.config.batch, self.beta(self.done))
            found.append(self.net.step(self.loss, sample, self.target(sample.next_obs), lr=self.config.lr))
            self.replay.prioritise(places, found[-1]["error"])
        return found

    def loss(self, params: Params, sample: Sample, following: Tensor) -> tuple[Tensor, Metrics]:
        """The loss of one seed's batch; ``following`` is q_θ'(s', ·), ``[batch, action]``."""
        value = self.net.apply(params, sample.obs).gather(-1, sample.action.unsqueeze(-1)).squeeze(-1)
        chosen_by = self.net.apply(params, sample.next_obs) if self.config.double else following
        error = td_error(value, sample.reward, sample.discount, value_of_choice(following, chosen_by))
        loss = (sample.weight * self.error(error)).mean()
        return loss, {"loss/td": loss, "value/q": value.mean(), "error": error}

    def state_dict(self) -> States:
        count = len(self.spec.seeds)
        return trees.states_of(self.parts, step=[self.step] * count, waiting=[self.waiting] * count)

    def load_state_dict(self, states: States) -> None:
        trees.load_states(self.parts, states)
        self.step, self.waiting = states[0]["step"], states[0]["waiting"]


AGENT = DQN
