"""Playing whole episodes with a policy that is not learning: what evaluation is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.noise import Chance
from rl.agent import Array, Policy, Tabular
from rl.dynamic_programming import optimum
from rl.environments import Envs
from rl.planning import finite_horizon_value, reached
from rl.tabular import Table

Scores: TypeAlias = dict[str, NDArray[Any]]  # name to [seed]; eval/returns and episodes/* to [seed, episode]

ROWS = 20  # environments per seed that evaluation plays side by side, at most


class Played(NamedTuple):
    """Episodes played; each ``[seed, episode]``."""

    returns: NDArray[np.float64]  # of raw rewards
    lengths: NDArray[np.int64]
    capped: NDArray[np.bool_]  # cut by ``max_steps``: neither the world nor its time limit had ended it


def nothing() -> None:
    """What ``check`` does where nobody can ask to stop."""


def play(
    policy: Policy,
    envs: Envs,
    episodes: int,
    *,
    max_steps: int,
    explore: Chance | None = None,
    check: Callable[[], None] = nothing,
) -> Played:
    """Play ``episodes`` with every seed, each at most ``max_steps`` long.

    Every environment plays equally many, so short episodes do not count more often than long ones. An environment
    that is still going after ``max_steps`` is given up: its remaining episodes count as that one did.

    Args:
        policy: acts greedily, or by ``explore``.
        envs: fresh ones with seeds of their own, frozen normalisation and raw rewards.
        check: called at every step; what it raises ends the play.
    """
    seeds, rows = len(envs.seeds), envs.envs
    share = -(-episodes // rows)
    returns, capped = np.zeros((seeds, rows, share)), np.zeros((seeds, rows, share), np.bool_)
    lengths = np.zeros((seeds, rows, share), np.int64)
    ended, length = np.zeros((seeds, rows), np.int64), np.zeros((seeds, rows), np.int64)
    running = np.zeros((seeds, rows))
    obs, start, memory = envs.reset(), np.ones((seeds, rows), np.bool_), policy.memory(rows)
    while (ended < share).any():
        check()
        action, memory = policy.act(obs, memory, start=start, explore=explore)
        landed = envs.step(policy.executed(action))
        running, length = running + landed.reward, length + 1
        over = landed.terminated | landed.truncated
        late = ~over & (length >= max_steps)
        for k, row in np.argwhere((over | late) & (ended < share)):
            given_up = bool(late[k, row])
            place = (k, row, slice(ended[k, row], share if given_up else ended[k, row] + 1))
            returns[place], lengths[place], capped[place] = running[k, row], length[k, row], given_up
            ended[k, row] = share if given_up else ended[k, row] + 1
        running, length = np.where(over, 0.0, running), np.where(over, 0, length)
        obs, start = landed.obs, landed.start

    def in_order(part: NDArray[Any]) -> NDArray[Any]:
        return part.swapaxes(1, 2).reshape(seeds, -1)[:, :episodes]

    return Played(in_order(returns), in_order(lengths), in_order(capped))


class Solo:
    """One seed of a policy, acting in one environment at a time.

    Args:
        policy: of the seeds of ``envs``.
        envs: one environment wide; never stepped, they say what is seen of an observation.
        k: which of the seeds.
    """

    def __init__(self, policy: Policy, envs: Envs, k: int = 0) -> None:
        self.policy, self.envs, self.k = policy, envs, k
        self.reset()

    def reset(self) -> None:
        """An episode begins: what was remembered is forgotten."""
        self._memory, self._start = self.policy.memory(1), np.ones((len(self.envs.seeds), 1), np.bool_)

    def act(self, obs: Any, explore: Chance | None = None) -> Any:
        """The action for one observation as the environment gives it, as the environment takes it."""
        space = self.envs.observation_space
        raw: Array = np.asarray(obs, space.dtype)
        if raw.shape != (space.shape or ()):
            raise ValueError(
                f"{self.envs.task.env} shows {space}; this observation has shape {list(raw.shape)}"
            )
        same = np.stack([raw] * len(self.envs.seeds))  # what the other seeds would do is left unused
        seen = self.envs.see(same)
        action, self._memory = self.policy.act(seen, self._memory, start=self._start, explore=explore)
        self._start = np.zeros_like(self._start)
        return self.policy.executed(action)[self.k, 0]


def scores(
    policy: Policy,
    envs: Envs,
    *,
    episodes: int,
    max_steps: int,
    stream: str,
    check: Callable[[], None] = nothing,
) -> Scores:
    """How good a policy is: exactly where it is a table on a known model, else by playing.

    Args:
        envs: the training environments; they are left as they are.
        stream: names the evaluation's own episodes and chance.
        check: called at every step; what it raises ends the evaluation.
    """
    if envs.model is not None and isinstance(policy, Tabular):
        return exact(policy, envs, max_steps)
    found: Scores = {}
    both = []
    for suffix in ("", "_stochastic"):
        played = trial(
            policy,
            envs,
            episodes=episodes,
            max_steps=max_steps,
            stream=f"{stream}{suffix}",
            explore=bool(suffix),
            check=check,
        )
        both.append(played)
        found[f"eval/return{suffix}"] = played.returns.mean(1)
        if not suffix:
            found["eval/length"] = played.lengths.mean(1)
            found["eval/capped"] = played.capped.sum(1).astype(np.float64)
            found["eval/returns"] = played.returns
    return {**found, **listed(*both)}


def listed(greedy: Played, stochastic: Played) -> Scores:
    """Every episode as one row of the table of episodes, the greedy ones first; columns are [seed, row]."""
    shape = greedy.returns.shape
    columns = {
        "greedy": (np.ones(shape, np.bool_), np.zeros(stochastic.returns.shape, np.bool_)),
        "episode": tuple(
            np.broadcast_to(np.arange(p.returns.shape[1]), p.returns.shape) for p in (greedy, stochastic)
        ),
        "return": (greedy.returns, stochastic.returns),
        "length": (greedy.lengths, stochastic.lengths),
        "capped": (greedy.capped, stochastic.capped),
    }
    return {f"episodes/{name}": np.concatenate(pair, axis=1) for name, pair in columns.items()}


def trial(
    policy: Policy,
    envs: Envs,
    *,
    episodes: int,
    max_steps: int,
    stream: str,
    explore: bool,
    check: Callable[[], None] = nothing,
) -> Played:
    """Episodes in environments like ``envs`` of a stream of their own; ``envs`` are left as they are."""
    rows = next(rows for rows in range(min(episodes, ROWS), 0, -1) if episodes % rows == 0)
    chance = Chance(envs.seeds, f"{stream} exploring") if explore else None
    twins = envs.frozen(stream, rows)
    try:
        return play(policy, twins, episodes, max_steps=max_steps, explore=chance, check=check)
    finally:
        twins.close()


def exact(policy: Tabular, envs: Envs, max_steps: int) -> Scores:
    """The greedy policy's exact value where episodes begin, its distance to the best there is, and the table's own.

    Both under the task's time limit. Where it has none the best has none either, but the policy is stopped after
    ``max_steps``: it may walk for ever. There is no distance to a best that is paid for ever. The table's own is
    max |Q − Q*| over what can be reached, at its own γ.
    """
    model, limit, tables = envs.model, envs.time_limit, policy.greedy_table()
    assert model is not None
    best = optimum(model, 1.0, limit)
    values = [model.from_start(finite_horizon_value(model, table, limit or max_steps)) for table in tables]
    returns = np.array(values, np.float64)
    found: Scores = {"eval/return": returns}
    if best is not None:
        found["eval/regret"] = model.from_start(best.value) - returns
    if isinstance(policy, Table) and (optimal := optimum(model, policy.config.gamma)) is not None:
        open_states = reached(model.P, model.start > 0)
        found["eval/q_distance"] = np.abs(policy.q - optimal.q)[:, open_states].max((1, 2))
    return found
