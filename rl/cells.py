"""The cells of `lab bench agents`: every agent against what is published of it, or against an optimum that is known.

Settings are rl-baselines3-zoo's where it has some (`--preset zoo`); what it publishes is one trained run each.
"""

from collections.abc import Sequence

from core import threads
from core.cells import Cell, Mark, Measure, Suite, Tier
from core.records import Record
from rl.evaluate import Player
from rl.playing import trial

FRESH = 100  # episodes a best checkpoint is played again, since it was chosen by the luck of its own

SEEDS = {3: "--seeds 0 1 2", 5: "--seeds 0 1 2 3 4"}
SHORT = "--seeds 0 1 --eval-episodes 2 --final-episodes 4"


def best(records: Sequence[Record]) -> list[float]:
    """The best checkpoint's mean return over fresh episodes, of each seed."""
    threads.use(1)
    found = []
    for record in records:
        player = Player(record, "best")
        played = trial(
            player.agent,
            player.envs,
            episodes=FRESH,
            max_steps=player.options.eval_max_steps,
            stream="lab bench best",
            explore=False,
        )
        found.append(float(played.returns.mean()))
    return found


def _tiers(steps: int, short: int, seeds: int) -> dict[str, Tier]:
    return {
        "smoke": Tier(f"--steps {short} {SHORT}", judged=False),
        "table": Tier(f"--steps {steps} {SEEDS[seeds]}"),
    }


def _cell(
    title: str, train: str, steps: int, mark: Mark | None = None, zoo: str = "", *, short: int = 3000, seeds: int = 5
) -> Cell:  # fmt: skip
    """One run, measured at its end."""
    published = f"{zoo} (rl-zoo3)" if zoo else ""
    measures = (Measure(mark=mark, published=published),)
    return Cell(title, _tiers(steps, short, seeds), train=train, measures=measures)


def _dqn(
    title: str, env: str, steps: int, short: int, *, best: Mark | None = None, end: Mark | None = None, zoo: str = "",
    switch: str = "",
) -> Cell:  # fmt: skip
    """DQN as the zoo trains it, and measured twice: its policy is not the best one at the end."""
    measures = (
        Measure("rl.cells:best", f"best checkpoint, {FRESH} fresh episodes", best),
        Measure("final/return", "at the end", end, f"{zoo} (rl-zoo3)" if zoo else ""),
    )
    train = f"dqn --env {env} --preset zoo {switch}".strip()
    return Cell(f"{title}, {env}", _tiers(steps, short, 5), train=train, measures=measures)


def _switched(title: str, switch: str) -> Cell:
    return _dqn(title, "CartPole-v1", 50_000, 3_000, switch=switch)


def _cliff(algorithm: str, title: str, steps: int, mark: Mark | None = None) -> Cell:
    """A table's greedy policy on the cliff, exact: -13 is the best there is, and off-policy agents must find it."""
    train = f"{algorithm} --env CliffWalking-v1 --preset lab"
    return _cell(f"{title}, CliffWalking-v1, greedy policy, exact", train, steps, mark, short=2_000)


AGENTS = Suite(
    "agents",
    "rl.cells:AGENTS",
    {
        "cliff": Cell(
            "CliffWalking-v1",
            {"smoke": Tier(judged=False), "table": Tier()},
            figures="rl.cliff:figures",
        ),
        "double-q-cliff": _cliff("double-q-learning", "Double Q-learning", 50_000, Mark("every seed =", -13)),
        "q-lambda-cliff": _cliff("q-lambda", "Q(λ)", 50_000, Mark("every seed =", -13)),
        "dyna-q-cliff": _cliff("dyna-q", "Dyna-Q", 10_000, Mark("every seed =", -13)),
        "n-step-sarsa-cliff": _cliff("n-step-sarsa", "n-step SARSA", 50_000),
        "monte-carlo-frozenlake": _cell(
            "Monte-Carlo control, FrozenLake-v1, greedy policy, exact", "monte-carlo --env FrozenLake-v1 --preset lab",
            300_000, short=2_000, seeds=3,
        ),
        "sarsa-lambda-mountaincar": _cell(
            "SARSA(λ) on tiles, MountainCar-v0", "sarsa-lambda --env MountainCar-v0 --preset lab", 150_000,
            Mark("≥", -110), short=2_000,
        ),
        "a2c-cartpole": _cell(
            "A2C, CartPole-v1", "a2c --env CartPole-v1 --preset zoo", 500_000, Mark("≥", 490), "500 ± 0"
        ),
        "reinforce-cartpole": _cell(
            "REINFORCE with baseline, CartPole-v1", "reinforce --env CartPole-v1 --baseline true", 200_000,
            Mark("≥", 450), short=5_000,
        ),
        "dqn-cartpole": _dqn(
            "DQN", "CartPole-v1", 50_000, 3_000, best=Mark("≥", 475), zoo="500 ± 0"
        ),
        "dqn-acrobot": _dqn(
            "DQN", "Acrobot-v1", 100_000, 1_000, end=Mark("upper end ≥", -76.6), zoo="−76.6 ± 12"
        ),
        "dqn-mountaincar": _dqn(
            "DQN", "MountainCar-v0", 120_000, 3_000, end=Mark("upper end ≥", -100.8), zoo="−100.8 ± 10"
        ),
        "dqn-lunarlander": _dqn(
            "DQN", "LunarLander-v3", 100_000, 1_500, end=Mark("upper end ≥", 154.4), zoo="154.4 ± 79, on v2"
        ),
        "ppo-pendulum": _cell(
            "PPO with gSDE, Pendulum-v1", "ppo --env Pendulum-v1 --preset zoo", 100_000, Mark("upper end ≥", -172.2),
            "−172.2 ± 104", short=8_192,
        ),
        "dqn-double": _switched("Double DQN", "--double"),
        "dqn-dueling": _switched("Dueling DQN", "--dueling"),
        "dqn-n-step": _switched("DQN of 3 steps", "--n-step 3"),
        "dqn-prioritised": _switched("DQN with prioritised replay", "--prioritised"),
        "sb3-dqn-cartpole": _cell(
            "Stable-Baselines3's DQN, CartPole-v1", "sb3-dqn --env CartPole-v1 --preset zoo", 50_000, None, "500 ± 0",
            seeds=3,
        ),
        "sb3-dqn-mountaincar": _cell(
            "Stable-Baselines3's DQN, MountainCar-v0", "sb3-dqn --env MountainCar-v0 --preset zoo", 120_000, None,
            "−100.8 ± 10", seeds=3,
        ),
        "sb3-a2c-cartpole": _cell(
            "Stable-Baselines3's A2C, CartPole-v1", "sb3-a2c --env CartPole-v1 --preset zoo", 500_000, None, "500 ± 0",
            seeds=3,
        ),
    },
)  # fmt: skip
