"""What a score of 0 and of 1 means on a task: reference scores, as data with their sources.

Averages over tasks need one scale: 0 is what acting at random earns, 1 the optimum where it is known exactly, else
the score at which the task counts as solved, else a person's or the best published one. Every number says which.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.statistics import Floats


class Reference(NamedTuple):
    """A task's scores that count as 0 and as 1 when normalised, and where they come from."""

    low: float
    high: float
    low_source: str
    high_source: str


EXACT = "evenly random actions, exact: dynamic programming on Gymnasium's own table within the time limit"
PLAYED = "evenly random actions, 1,000 episodes, all seeded with 0: tests/core/random_policies.py"
BEST = "optimum, exact: dynamic programming on Gymnasium's own table"
SOLVED = "reward_threshold registered in Gymnasium 1.4"
D4RL = "D4RL (Fu et al., 2020), infos.py, its scores of a random and a trained SAC policy"

# Of the return per episode.
REFERENCES: dict[str, Reference] = {
    "FrozenLake-v1": Reference(0.01394, 0.74419, EXACT, f"{BEST} within 100 steps"),
    "FrozenLake8x8-v1": Reference(0.0019014, 0.91322, EXACT, f"{BEST} within 200 steps"),
    "Taxi-v4": Reference(-771.091, 7.93, EXACT, BEST),
    # Random actions earn -65,375 there, exactly: beside that, whatever learned anything would be 1.
    "CliffWalking-v1": Reference(-100.0, -13.0, "the price of one fall", BEST),
    "CartPole-v1": Reference(22.546, 500.0, PLAYED, "optimum: 1 a step up to the time limit"),
    "Acrobot-v1": Reference(-499.326, -100.0, PLAYED, SOLVED),
    "MountainCar-v0": Reference(-200.0, -110.0, PLAYED, SOLVED),
    "MountainCarContinuous-v0": Reference(-33.2235, 90.0, PLAYED, SOLVED),
    "Pendulum-v1": Reference(
        -1234.9653, -151.3, PLAYED, "the best published: TQC, rl-zoo3's benchmark.md, one run"
    ),
    "LunarLander-v3": Reference(-184.7305, 200.0, PLAYED, SOLVED),
    "LunarLanderContinuous-v3": Reference(-209.3035, 200.0, PLAYED, SOLVED),
    "BipedalWalker-v3": Reference(-100.2462, 300.0, PLAYED, SOLVED),
    "BipedalWalkerHardcore-v3": Reference(-107.752, 300.0, PLAYED, SOLVED),
}

# Versions v2 to v4 of MuJoCo's tasks; rewards changed with v5.
MUJOCO = {
    "HalfCheetah": (-280.178953, 12135.0),
    "Hopper": (-20.272305, 3234.3),
    "Walker2d": (1.629008, 4592.3),
    "Ant": (-325.6, 3879.7),
}

# Atari 57: a random policy and a professional human tester, episodes up to 30 minutes that begin with up to 30 no-ops,
# without sticky actions: google-deepmind/dqn_zoo, atari_data.py.
ATARI = {
    "Alien": (227.8, 7127.7),
    "Amidar": (5.8, 1719.5),
    "Assault": (222.4, 742.0),
    "Asterix": (210.0, 8503.3),
    "Asteroids": (719.1, 47388.7),
    "Atlantis": (12850.0, 29028.1),
    "BankHeist": (14.2, 753.1),
    "BattleZone": (2360.0, 37187.5),
    "BeamRider": (363.9, 16926.5),
    "Berzerk": (123.7, 2630.4),
    "Bowling": (23.1, 160.7),
    "Boxing": (0.1, 12.1),
    "Breakout": (1.7, 30.5),
    "Centipede": (2090.9, 12017.0),
    "ChopperCommand": (811.0, 7387.8),
    "CrazyClimber": (10780.5, 35829.4),
    "Defender": (2874.5, 18688.9),
    "DemonAttack": (152.1, 1971.0),
    "DoubleDunk": (-18.6, -16.4),
    "Enduro": (0.0, 860.5),
    "FishingDerby": (-91.7, -38.7),
    "Freeway": (0.0, 29.6),
    "Frostbite": (65.2, 4334.7),
    "Gopher": (257.6, 2412.5),
    "Gravitar": (173.0, 3351.4),
    "Hero": (1027.0, 30826.4),
    "IceHockey": (-11.2, 0.9),
    "Jamesbond": (29.0, 302.8),
    "Kangaroo": (52.0, 3035.0),
    "Krull": (1598.0, 2665.5),
    "KungFuMaster": (258.5, 22736.3),
    "MontezumaRevenge": (0.0, 4753.3),
    "MsPacman": (307.3, 6951.6),
    "NameThisGame": (2292.3, 8049.0),
    "Phoenix": (761.4, 7242.6),
    "Pitfall": (-229.4, 6463.7),
    "Pong": (-20.7, 14.6),
    "PrivateEye": (24.9, 69571.3),
    "Qbert": (163.9, 13455.0),
    "Riverraid": (1338.5, 17118.0),
    "RoadRunner": (11.5, 7845.0),
    "Robotank": (2.2, 11.9),
    "Seaquest": (68.4, 42054.7),
    "Skiing": (-17098.1, -4336.9),
    "Solaris": (1236.3, 12326.7),
    "SpaceInvaders": (148.0, 1668.7),
    "StarGunner": (664.0, 10250.0),
    "Surround": (-10.0, 6.5),
    "Tennis": (-23.8, -8.3),
    "TimePilot": (3568.0, 5229.2),
    "Tutankham": (11.4, 167.6),
    "UpNDown": (533.4, 11693.2),
    "Venture": (0.0, 1187.5),
    "VideoPinball": (16256.9, 17667.9),
    "WizardOfWor": (563.5, 4756.5),
    "YarsRevenge": (3092.9, 54576.9),
    "Zaxxon": (32.5, 9173.3),
}
TESTED = "google-deepmind/dqn_zoo, atari_data.py"

RETURNS = ("return", "return_stochastic")  # the metrics they are of, by the last word of the name


def reference(task: str) -> Reference | None:
    """The task's reference; None where there is none, also for a task made with arguments of its own."""
    if task in REFERENCES:
        return REFERENCES[task]
    if (found := re.fullmatch(r"(\w+)-v[234]", task)) and found[1] in MUJOCO:
        return Reference(*MUJOCO[found[1]], D4RL, D4RL)
    if (found := re.fullmatch(r"(?:ALE/)?(\w+?)(?:NoFrameskip-v4|-v5)", task)) and found[1] in ATARI:
        return Reference(*ATARI[found[1]], f"random policy, {TESTED}", f"human, {TESTED}")
    return None


def normalised(task: str, metric: str, scores: ArrayLike) -> Floats | None:
    """(score − low)/(high − low) by the task's reference; None where there is none, or the metric is no return."""
    known = reference(task)
    if known is None or metric.rpartition("/")[2] not in RETURNS:
        return None
    return np.asarray((np.asarray(scores, float) - known.low) / (known.high - known.low), float)
