"""`--vector table`: an agent with a table in an environment with a table, the whole loop compiled by numba.

The rule is the agent's own function, compiled as it stands; a step is what rl/loop.py's is: act, let the world
answer, learn, and begin anew after an end. Only the random numbers are others, so the episodes are others too.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from core import trees
from core.averages import Averages
from core.errors import UserError
from core.noise import Noise, States
from core.schedules import Schedule
from core.sessions import Cadence
from core.tracking import Group
from rl.environments import Envs
from rl.loop import Tables
from rl.one_step import OneStep

CHUNK = 1 << 15  # decisions of one seed between two looks at whether someone asked to stop, at most

F1, F2, F3, I1, I3, B1, B3, DRAWN = (
    types.Array(kind, axes, "C") for kind, axes in (
        (types.float64, 1), (types.float64, 2), (types.float64, 3), (types.int64, 1), (types.int64, 3),
        (types.boolean, 1), (types.boolean, 3), (types.float32, 3),
    )
)  # fmt: skip
RULE = types.FunctionType(  # rl.one_step.Rule: q; state, action, reward, discount; next state and action, ε, α
    types.float64(
        F2, types.int64, types.int64, types.float64, types.float64,
        types.int64, types.int64, types.float64, types.float64,
    )
)  # fmt: skip
TURN = types.FunctionType(types.float64(types.float64))  # a schedule
ALONG = types.void(TURN, types.int64, types.int64, types.int64, F1)
SIMULATE = types.void(
    RULE, types.boolean, F2, F3, I3, F3, B3, F1, types.int64, types.float64, F1, F1, DRAWN,
    I1, I1, F1, B1, I1, I1, F1, F1,
)  # fmt: skip


def compiled(function: Callable[..., Any], signature: Any = None) -> Any:
    """The function as machine code; kept for the next process where its folder or the user's cache lets us."""
    try:
        return numba.njit(signature, cache=True)(function)
    except RuntimeError:  # nowhere to write: compile it every time
        return numba.njit(signature)(function)


@compiled
def choose(q: Any, state: int, epsilon: float, explore: float, which: float) -> int:
    """The ε-greedy action in a state by two numbers uniform on [0, 1), ties broken at random."""
    actions = q.shape[1]
    if explore < epsilon:
        return int(which * actions)
    best, ties = q[state, 0], 0
    for action in range(actions):  # no slices, they cost more than all the rest
        if q[state, action] > best:
            best, ties = q[state, action], 0
        ties += q[state, action] == best
    left = int(which * ties)
    for action in range(actions):
        if q[state, action] == best:
            if left == 0:
                return action
            left -= 1
    return 0  # none of them is a number


def along(turn: Schedule, begin: int, every: int, steps: int, out: NDArray[np.float64]) -> None:
    """The schedule at steps ``begin``, ``begin + every``, …"""
    for t in range(len(out)):
        out[t] = turn((begin + t * every) / steps if steps else 0.0)


def simulate(
    rule: Any, waits: bool, q: Any, bound: Any, successor: Any, reward: Any, ended: Any, start: Any,
    limit: int, gamma: float, lr: Any, epsilon: Any, chance: Any,
    place: Any, length: Any, gain: Any, waiting: Any, last_state: Any, last_action: Any, last_reward: Any,
    told: Any,
) -> None:  # fmt: skip
    """``len(lr)`` decisions in every environment of one seed; every array is changed in place.

    Args:
        limit: decisions after which an episode is cut; 0: never.
        chance: uniform on [0, 1) [step, env, 4, or 6 for a rule that waits].
        place, length, gain: of the running episodes [env]: state, decisions, return.
        told: sums over the chunk: absolute errors, episodes, their returns, their lengths.
    """
    envs = len(place)
    actions = np.empty(envs, np.int64)
    for t in range(len(lr)):
        for env in range(envs):
            actions[env] = choose(q, place[env], epsilon[t], chance[t, env, 0], chance[t, env, 1])
        for env in range(envs):
            state, action, k = place[env], actions[env], 0
            if waiting[env]:
                told[0] += abs(
                    rule(q, last_state[env], last_action[env], last_reward[env], gamma,
                         state, action, epsilon[t], lr[t])
                )  # fmt: skip
            while chance[t, env, 2] >= bound[state, action, k]:
                k += 1
            next_state, r = successor[state, action, k], reward[state, action, k]
            terminated = ended[state, action, k]
            gain[env], length[env] = gain[env] + r, length[env] + 1
            over = terminated or length[env] == limit
            waiting[env], place[env] = waits and not over, next_state
            last_state[env], last_action[env], last_reward[env] = state, action, r
            if not waiting[env]:
                next_action = -1
                if waits:  # cut by the limit: what it would have done
                    next_action = choose(q, next_state, epsilon[t], chance[t, env, 4], chance[t, env, 5])
                discount = 0.0 if terminated else gamma
                error = rule(q, state, action, r, discount, next_state, next_action, epsilon[t], lr[t])
                told[0] += abs(error)
            if over:
                told[1], told[2], told[3] = told[1] + 1, told[2] + gain[env], told[3] + length[env]
                place[env] = np.searchsorted(start, chance[t, env, 3], side="right")
                gain[env], length[env] = 0.0, 0


class Episodes:
    """Where every seed's running episodes stand, ``[seed, env]``."""

    def __init__(self, seeds: int, envs: int) -> None:
        lead = (seeds, envs)
        self.place, self.length, self.gain = (
            np.zeros(lead, np.int64),
            np.zeros(lead, np.int64),
            np.zeros(lead),
        )

    def state_dict(self) -> States:
        return [
            {"place": place.copy(), "length": length.copy(), "gain": gain.copy()}
            for place, length, gain in zip(self.place, self.length, self.gain, strict=True)
        ]

    def load_state_dict(self, states: States) -> None:
        for name in ("place", "length", "gain"):
            setattr(self, name, np.stack([state[name] for state in states]))


class Simulation:
    """An agent's table in its environments' table. ``stride`` reaches just to what is due next.

    Raises:
        UserError: the environment tells no table, the agent keeps none, or rewards should be normalised.
    """

    scale, shown, selected, done = 1, "episode/return", "eval/return", False

    def __init__(self, agent: Any, envs: Envs, steps: int, cadence: Cadence) -> None:
        task = envs.task
        if envs.known is None:
            raise UserError(f"--vector table needs a known transition table; {task.env} tells none: use sync")
        if not isinstance(agent, OneStep):
            raise UserError("--vector table is for q-learning, sarsa and expected-sarsa; use --vector sync")
        if task.normalise_reward:
            raise UserError("--vector table takes rewards as they are; leave out --normalise-reward")
        self.agent, self.envs, self.table, self.stride = agent, envs, envs.known.outcomes, envs.envs
        self.tables = Tables(agent, envs)
        self.steps, self.due = steps, [every for every in vars(cadence).values() if every]
        self.limit = envs.time_limit or 0
        self.noise, self.episodes = Noise(envs.seeds, "table"), Episodes(len(envs.seeds), envs.envs)
        self.parts: dict[str, trees.Stateful] = {"agent": agent, "envs": self.episodes, "chance": self.noise}
        self.rule = compiled(type(agent).rule, RULE.signature)
        self.along, self.simulate = compiled(along, ALONG), compiled(simulate, SIMULATE)
        self.lr, self.epsilon = (numba.njit(TURN.signature)(turn) for turn in (agent.lr, agent.epsilon))

    def begin(self) -> None:
        """An episode begins in every environment."""
        self.episodes.place[:] = np.searchsorted(
            self.table.start, self.noise.uniform(self.envs.envs).numpy(), side="right"
        )

    def advance(self, averages: Averages) -> None:
        """Many decisions in every environment of every seed, up to the next row, evaluation or checkpoint."""
        agent, rounds = self.agent, self._rounds()
        chance = self.noise.uniform(rounds, self.envs.envs, 6 if agent.waits else 4).numpy()
        lr, epsilon = np.empty(rounds), np.empty(rounds)
        for turn, out in ((self.lr, lr), (self.epsilon, epsilon)):
            self.along(turn, agent.step, self.envs.envs, agent.steps, out)
        for k in range(len(agent.q)):
            told, now = np.zeros(4), self.episodes
            self.simulate(
                self.rule, agent.waits, agent.q[k], *self.table, self.limit, agent.config.gamma, lr, epsilon,
                chance[k], now.place[k], now.length[k], now.gain[k], agent.waiting[k], agent.last_state[k],
                agent.last_action[k], agent.last_reward[k], told,
            )  # fmt: skip
            errors, episodes, gains, lengths = told.tolist()
            averages.add_sum(k, "loss/td", errors, rounds * self.envs.envs)
            if episodes:
                averages.add_sum(k, "episode/return", gains, int(episodes))
                averages.add_sum(k, "episode/length", lengths, int(episodes))
        self.stride = rounds * self.envs.envs
        agent.step += self.stride

    def _rounds(self) -> int:
        """Decisions of every environment until something is due, CHUNK at most."""
        step: int = self.agent.step
        left: int = min([every - step % every for every in self.due] + [self.steps - step, CHUNK])
        return -(-max(left, 1) // self.envs.envs)

    def look(self, group: Group, at: int) -> None:
        """The tables, drawn."""
        self.tables.look(group, at)

    def state_dict(self) -> States:
        return trees.states_of(self.parts, stride=[self.stride] * len(self.agent.q))

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken."""
        trees.load_states(self.parts, states)
        self.stride = states[0]["stride"]
