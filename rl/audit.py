"""`lab check-env ID`: does an environment keep the rules that learning from it rests on?

Gymnasium's and Stable-Baselines3's checkers, and what they do not look at: whether it can be seeded, copied, begun anew
and repeated, what its time limit says, how large its observations are, whether its threshold can be reached.
"""

import contextlib
import io
import logging
import re
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasiums
from stable_baselines3.common.env_checker import check_env as stable_baselines

from core import config as settings_file
from core.errors import UserError
from rl.dynamic_programming import optimum
from rl.environments import REBUILT, Task, make
from rl.known import known
from rl.lives import Life, differ, drawn_from, kept, live, same

STEPS = 200  # of a life that is repeated
EPISODES = 8  # that are compared in length
LONGEST = 1_000  # steps of these
LARGE = 1_000.0  # observations beyond are called unscaled
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SLOW = 0.010  # seconds of a step


class Finding(NamedTuple):
    """Something to tell; a fault spoils what is learnt, a note does not."""

    kind: Literal["fault", "note"]
    what: str
    why: str
    mend: str


@dataclass(frozen=True)
class Options:
    seed: int = 0  # of actions and episodes


def main(argv: Sequence[str]) -> int:
    """``argv`` is the environment and its options; 1 where there are faults."""
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        raise UserError("name an environment first, such as CartPole-v1 or maze.py:Maze")
    words = argv if argv[0].startswith("-") else ["--env", *argv]
    options, task = settings_file.parse([Options, Task], words, prog="lab check-env").values
    findings = audit(task, options.seed)
    for finding in findings:
        print(
            f"{finding.kind}: {finding.what}\n  why it matters: {finding.why}\n  how to mend it: {finding.mend}"
        )
    faults = sum(finding.kind == "fault" for finding in findings)
    print(f"{task.env}: {faults} fault{'s' * (faults != 1)}, {len(findings) - faults} to know")
    return int(faults > 0)


def audit(task: Task, seed: int = 0) -> list[Finding]:
    """Everything there is to tell; the checks that need a repeatable environment are left out where it is none."""
    found = list(checkers(task))
    first = [live(make(task), seed, STEPS) for _ in range(2)]
    found += values(make(task), first[0])
    repeats = list(repeatable(first))
    if not repeats:
        repeats = [*separate(task, seed, first[0]), *fresh(task, seed, first[0])]
    exact = not any(finding.kind == "fault" for finding in repeats)
    return [
        *found,
        *repeats,
        *limits(task, seed),
        *threshold(task),
        *pace(task, seed),
        resuming(task.env, exact),
    ]


# --- checks


def checkers(task: Task) -> Iterator[Finding]:
    """What Gymnasium and Stable-Baselines3 say; an error of Gymnasium's is a fault, all else is to know."""
    for whose, check in (("Gymnasium", gymnasiums), ("Stable-Baselines3", stable_baselines)):
        env, told = make(task), list[str]()
        with _listening(told), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                check(
                    env.unwrapped, **({"skip_render_check": True} if whose == "Gymnasium" else {"warn": True})
                )
            except Exception as error:  # whatever the environment does wrong
                kind: Literal["fault", "note"] = "fault" if whose == "Gymnasium" else "note"
                line = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
                yield Finding(kind, f"{whose}'s checker stops at {line}", "agents rely on Gymnasium's interface",
                              "change the environment as the line says")  # fmt: skip
        env.close()
        lines = dict.fromkeys([*told, *(str(warning.message) for warning in caught)])
        for line in (
            COLOUR.sub("", line).strip().partition("\n")[0].removeprefix("WARN: ") for line in lines
        ):
            if "deprecat" not in line.lower():
                yield Finding(
                    "note", f"{whose}'s checker: {line}", "it may surprise an agent", "see what it says"
                )


@contextlib.contextmanager
def _listening(told: list[str]) -> Iterator[None]:
    """What is logged or printed in between is told, and not shown."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
    told += [line for line in printed.getvalue().splitlines() if "WARN" in line]


def values(env: gym.Env[Any, Any], life: Life) -> Iterator[Finding]:
    """Observations inside their space and of a size that networks can take, rewards that are numbers."""
    space, seen = env.observation_space, [obs for obs, *_ in life]
    env.close()
    for place, obs in enumerate(seen):
        if not space.contains(obs if isinstance(obs, dict | tuple) or np.ndim(obs) else np.asarray(obs)[()]):
            where = np.asarray(obs).dtype if not isinstance(obs, dict | tuple) else "parts"
            yield Finding("fault", f"observation {place} of a life is outside {space} ({where})",
                          "networks and tables are built for the space, and scaled by its bounds",
                          "widen the space, or return what lies in it, of its dtype")  # fmt: skip
            break
    if bad := [reward for _, reward, *_ in life if not np.isfinite(reward)]:
        yield Finding("fault", f"a reward is {bad[0]}", "one such number ends all learning",
                      "return finite rewards")  # fmt: skip
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        largest = float(np.nanmax(np.abs(np.asarray(seen, np.float64))))
        if largest > LARGE:
            yield Finding("fault", f"observations are unscaled: as large as {largest:,.0f}",
                          "a network begins with inputs of about 1, and learns slowly or never from others",
                          "divide them by what is usual, or train with --normalise-obs")  # fmt: skip


def repeatable(lives: Sequence[Life]) -> Iterator[Finding]:
    """Two fresh environments, the same seeds and actions."""
    place = differ(*lives)
    if place is None:
        return
    what = "reset(seed=…) begins otherwise each time" if place == 0 else (
        f"step {place} differs between two environments with the same seed and actions"
    )  # fmt: skip
    yield Finding("fault", f"randomness that no seed governs: {what}",
                  "no result can be repeated, and no run resumed exactly",
                  "draw from self.np_random alone, after super().reset(seed=seed)")  # fmt: skip


def separate(task: Task, seed: int, alone: Life) -> Iterator[Finding]:
    """A copy that lives beside it must not matter."""
    other = make(task)
    actions = drawn_from(other, seed + 1)
    other.reset(seed=seed + 1)

    def disturb() -> None:
        _, _, terminated, truncated, _ = other.step(actions.sample())
        if terminated or truncated:
            other.reset()

    place = differ(alone, live(make(task), seed, STEPS, disturb))
    other.close()
    if place is not None:
        yield Finding("fault", f"copies share state: step {place} differs when another copy is stepped in between",
                      "several environments learn side by side, and each would disturb the others",
                      "keep what changes in self, set in __init__ or reset, not in the class or module")  # fmt: skip


def fresh(task: Task, seed: int, alone: Life) -> Iterator[Finding]:
    """An episode must not depend on the one before it."""
    env = make(task)
    actions = drawn_from(env, seed + 1)
    for episode in range(3):
        env.reset(seed=seed + 17 + episode)
        for _ in range(20):
            _, _, terminated, truncated, _ = env.step(actions.sample())
            if terminated or truncated:
                break
    place = differ(alone, live(env, seed, STEPS))
    if place is None:
        return
    if task.env in REBUILT:
        yield Finding("note", "something of an episode is left after reset", "an episode depends on those before it",
                      "nothing to do here: the lab makes a new one for every episode")  # fmt: skip
        return
    yield Finding("fault", f"reset leaves something of the episode before: step {place} differs in a used environment",
                  "evaluation, resume and results depend on what was played before",
                  "set everything that an episode changes in reset")  # fmt: skip


def limits(task: Task, seed: int) -> Iterator[Finding]:
    """Episodes that all terminate after the same number of steps, wherever they are, look cut by a clock."""
    env, ends = make(task), list[tuple[int, bool, Any]]()
    actions = drawn_from(env, seed)
    for episode in range(EPISODES):
        obs, _ = env.reset(seed=seed + episode)
        for length in range(1, LONGEST + 1):
            obs, _, terminated, truncated, _ = env.step(actions.sample())
            if terminated or truncated:
                ends.append((length, bool(terminated and not truncated), kept(obs)))
                break
    env.close()
    lengths = {length for length, *_ in ends}
    if len(ends) < EPISODES or len(lengths) > 1 or not all(terminated for _, terminated, _ in ends):
        return
    if ends[0][0] > 5 and any(not same(ends[0][2], obs) for *_, obs in ends):
        yield Finding("fault", f"a time limit reported as termination: {EPISODES} random episodes, each terminated "
                      f"after {ends[0][0]} steps, in different states",
                      "agents take the end for a fact of the world, and value what lies before it wrongly",
                      "return terminated=False, truncated=True there, or use max_episode_steps")  # fmt: skip


def threshold(task: Task) -> Iterator[Finding]:
    """Where the transition table is known, the threshold can be held against the optimum."""
    env = make(task)
    tells, spec = known(env), env.spec
    env.close()
    if tells is None or spec is None or spec.reward_threshold is None:
        return
    limit = spec.max_episode_steps
    best = optimum(tells.model, 1.0, limit)
    if best is not None and (value := tells.model.from_start(best.value)) < spec.reward_threshold - 1e-9:
        yield Finding("note", f"the threshold {spec.reward_threshold:g} is out of reach: the best policy there is gets "
                      f"{value:.4f} on average", "time to the threshold is a matter of luck, or infinite",
                      f"register it with reward_threshold={value:.4g} or less")  # fmt: skip


def pace(task: Task, seed: int) -> Iterator[Finding]:
    """Seconds of a step, the median."""
    env, took, over = make(task), list[float](), True
    actions = drawn_from(env, seed)
    for _ in range(50):
        if over:
            env.reset(seed=seed)
        action, began = actions.sample(), time.perf_counter()
        _, _, terminated, truncated, _ = env.step(action)
        took.append(time.perf_counter() - began)
        over = bool(terminated or truncated)
    env.close()
    if (median := statistics.median(took)) > SLOW:
        yield Finding("note", f"a step takes {1000 * median:.0f} ms",
                      f"100,000 steps take {100_000 * median / 60:.0f} minutes",
                      "profile step; --vector async uses more cores")  # fmt: skip


def resuming(env: str, exact: bool) -> Finding:
    """How a run in it goes on after a kill."""
    if not exact:
        return Finding("note", "a run in it does not resume exactly", "what is replayed goes another way",
                       "mend the faults above")  # fmt: skip
    how = (
        "a new environment for every episode"
        if env in REBUILT
        else "the running episode's actions, played again"
    )
    return Finding(
        "note", f"runs in it resume exactly, by {how}", "nothing is lost by a kill", "nothing to do"
    )
