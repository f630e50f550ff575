"""What runs are measured by, which way is up, and the bars that are published. Data, with its sources."""

# What a task is measured by when nobody says: the first of these that its runs logged.
MEASURES = {
    "rl": ("eval/return", "episode/return"),
    # The last two are what a critic says of another one's samples: watched, and no winner is named by them.
    "generative": ("eval/bound", "eval/modes", "eval/loss", "train/loss", "eval/wasserstein", "eval/critic"),
    "core": ("eval/loss", "eval/accuracy", "train/loss"),
}
# Whether higher is better, by the last word of the metric's name; a metric not named here has no winner.
HIGHER_IS_BETTER = {
    "return": True,
    "return_stochastic": True,
    "accuracy": True,
    "mlm_accuracy": True,
    "nsp_accuracy": True,
    "bound": False,  # the negative evidence lower bound, in nats
    "loss": False,
    "nll": False,
    "modes": True,  # of a mixture, covered by samples
    "high_quality": True,
    "reverse_kl": False,
    "regret": False,
    "mse": False,
    "mae": False,
    "perplexity": False,
    "bits_per_character": False,
    "exact": True,  # share of outputs without a mistake
    "fid": False,
    "kid": False,
}
# Mean return at which Gymnasium calls a task solved: `reward_threshold` in gymnasium/envs/__init__.py (1.4).
# Taxi's 8 is left out: the best possible mean is 7.93.
BARS = {
    "CartPole-v0": 195.0,
    "CartPole-v1": 475.0,
    "MountainCar-v0": -110.0,
    "MountainCarContinuous-v0": 90.0,
    "Acrobot-v1": -100.0,
    "LunarLander-v3": 200.0,
    "LunarLanderContinuous-v3": 200.0,
    "BipedalWalker-v3": 300.0,
    "BipedalWalkerHardcore-v3": 300.0,
    "FrozenLake-v1": 0.70,
    "FrozenLake8x8-v1": 0.85,
}


def higher_is_better(metric: str) -> bool | None:
    """Which way is up; None for a metric that says nothing about good and bad."""
    return HIGHER_IS_BETTER.get(metric.rpartition("/")[2])
