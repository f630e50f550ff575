"""What other libraries call things, and what this lab calls them. Data, with its sources, and how it is looked up."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from core.catalogue import algorithms

# Settings that name the algorithm, the task, the seed: the first that a run has. Capitals and - for _ do not matter.
# exp_name, env_id, seed: CleanRL; algo: WandbCallback of Stable-Baselines3; env_name: its example; gym_id: CleanRL 0.x.
ALGORITHM = (
    "algo",
    "algorithm",
    "exp_name",
    "alg",
    "algo_name",
    "agent",
    "method",
    "model",
    "model_name",
    "arch",
)
ENVIRONMENT = ("env_id", "env_name", "env", "gym_id", "environment", "env.id", "env.name")
DATA = ("task", "dataset", "dataset_name", "data", "data_name", "dataset.name", "data.name", "benchmark")
SEED = ("seed", "random_seed", "rng_seed", "manual_seed")

# Our axis -> keys that count the same thing. Sources: SB3 and CleanRL put their TensorBoard step into global_step;
# time/total_timesteps: SB3's logger; num_env_steps_sampled_lifetime: RLlib 2; timesteps_total: RLlib 1.
COUNTS = {
    "env_step": (
        "env_step", "global_step", "time/total_timesteps", "env_steps", "total_timesteps", "total_env_steps",
        "num_env_steps_sampled_lifetime", "timesteps_total", "timesteps",
    ),
    "examples_seen": ("examples_seen", "samples_seen", "train/samples_seen"),
}  # fmt: skip
# Keys that are an x-axis under their own name. trainer/global_step: Lightning; train/global_step: Hugging Face;
# batch/batch_step and epoch/epoch: Keras.
STEPS = (
    "trainer/global_step", "train/global_step", "global_step", "train/step", "step", "iteration", "iter",
    "batch/batch_step", "train/epoch", "epoch", "epoch/epoch",
)  # fmt: skip

# Our metric -> theirs that mean the same, the better first; a name with a / also fits behind a prefix (PPO_1/…).
# rollout/*, eval/mean_*, train/*: SB3's logger; charts/*, losses/*: CleanRL; env_runners/*, evaluation/*: RLlib;
# eval/*: Hugging Face; epoch/*: WandbMetricsLogger, val_*: WandbCallback of Keras; the rest is what people write.
# SB3's entropy_loss is minus the entropy and stays what it is.
METRICS = {
    "episode/return": (
        "rollout/ep_rew_mean", "charts/episodic_return", "env_runners/episode_return_mean", "episode_reward_mean",
        "charts/episode_return", "train/episode_return", "train/episode_reward", "episodic_return", "episode_return",
        "episode_reward", "ep_rew_mean", "ep_return",
    ),
    "episode/length": (
        "rollout/ep_len_mean", "charts/episodic_length", "env_runners/episode_len_mean", "episode_len_mean",
        "episodic_length", "episode_length",
    ),
    "eval/return": (
        "eval/mean_reward", "eval/episodic_return", "evaluation/env_runners/episode_return_mean",
        "eval/episode_return", "eval/episode_reward", "test/episodic_return", "test/episode_return", "eval_return",
    ),
    "eval/length": ("eval/mean_ep_length", "eval/episodic_length"),
    "policy/kl": ("train/approx_kl", "losses/approx_kl"),
    "policy/clip_fraction": ("train/clip_fraction", "losses/clipfrac"),
    "policy/entropy": ("losses/entropy",),
    "value/explained": ("train/explained_variance", "losses/explained_variance"),
    "eval/loss": (
        "val/loss", "val_loss", "validation/loss", "valid/loss", "valid_loss", "eval_loss", "epoch/val_loss",
        "test/loss", "test_loss",
    ),
    "eval/accuracy": (
        "val/accuracy", "val/acc", "val_accuracy", "val_acc", "validation/accuracy", "valid/accuracy", "eval_accuracy",
        "epoch/val_accuracy", "test/accuracy", "test/acc", "test_accuracy", "test_acc",
    ),
    "train/loss": ("loss", "train_loss", "training/loss", "training_loss", "epoch/loss", "loss/train"),
    "train/accuracy": ("train/acc", "train_accuracy", "train_acc", "accuracy", "acc", "epoch/accuracy"),
}  # fmt: skip
RETURNS = {"episode/return", "eval/return"}

# Settings that differ between two runs of one experiment: when, where, under which name.
OCCASION = {
    "start_time", "time", "timestamp", "date", "datetime", "tensorboard_log", "log_dir", "logdir", "save_dir",
    "output_dir", "out_dir", "run_name", "run_id", "exp_id", "name", "id", "hostname", "host", "pid", "rank",
    "num_timesteps", "ep_info_buffer", "ep_success_buffer",
}  # fmt: skip
OWN = {
    "name",
    "id",
}  # of a run; deeper in the settings only of what is one: model.name is a setting like others
RUNS = {"run", "wandb", "experiment", "exp", "logger", "logging"}
OBJECT = re.compile(r" at 0x[0-9a-fA-F]+")  # an object as Python prints it, with its place in memory
SEEDED = re.compile(r"(?:^|[-_ /.])(?:seed|s)[-_= ]?(\d{1,9})(?![0-9a-zA-Z])", re.IGNORECASE)
NUMBERED = re.compile(r"(?:[-_ /.]*(?:seed|run|trial|s)?[-_= ]*\d+)?[-_ /.]*$", re.IGNORECASE)
LONGEST = 80  # characters of a name


class Names(NamedTuple):
    """What a foreign run is called here, and how that is known."""

    suite: str
    algorithm: str
    task: str
    seed: int | None
    known: dict[str, str]  # algorithm, task, seed -> the setting that said so, or what was taken instead


def names(
    config: Mapping[str, Any],
    metrics: Iterable[str],
    *,
    name: str,
    project: str,
    sb3: bool,
    given: Mapping[str, str],
) -> Names:
    """Of a run with these settings (flat) and metrics; `given` by a person goes first."""
    settings = {key.lower().replace("-", "_"): value for key, value in config.items()}
    metrics = set(metrics)
    said, algorithm = _said(settings, ALGORITHM)
    called = (
        "charts/" if any(metric.startswith("charts/") for metric in metrics) and said == "exp_name" else ""
    )
    sb3 = sb3 or any(metric.endswith("rollout/ep_rew_mean") for metric in metrics)
    if algorithm:
        prefix = "cleanrl-" if called else "sb3-" if sb3 else ""
        algorithm = algorithm.lower() if sb3 else algorithm
        algorithm = algorithm if algorithm.startswith(prefix) else prefix + algorithm
    else:
        said, algorithm = (
            ("its name", stem) if (stem := NUMBERED.sub("", plain(name))) else ("its project", plain(project))
        )
    world, task = _said(settings, ENVIRONMENT)
    task_said, task = (world, task) if task else _said(settings, DATA)
    task_said, task = (task_said, task) if task else ("its project", plain(project))
    algorithm = given.get("algorithm") or _apart(algorithm or "unknown", plain(project))
    seed_said, seed = _seed(settings, name, given)
    returns = RETURNS & {*renamed(metrics, {}).values(), *metrics}
    known = {"algorithm": said, "task": task_said, "seed": seed_said}
    known |= {key: "--set" for key in known if key in given}
    suite = given.get("suite") or ("rl" if world or returns else _suite(algorithm))
    return Names(suite, algorithm, given.get("task") or task or "unknown", seed, known)


def _said(settings: Mapping[str, Any], keys: Iterable[str]) -> tuple[str, str]:
    """(the setting, what it says) of the first that says something a person would read."""
    for key in keys:
        value = settings.get(key)
        if isinstance(value, str) and (told := plain(value)) and not value.lstrip().startswith("<"):
            return key, told
    return "", ""


def plain(text: str) -> str:
    """A name on one line, without characters that steer a terminal; empty for none and for printed objects."""
    if OBJECT.search(text) or text.strip().lower() in ("none", "null"):
        return ""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:LONGEST].strip()


def _apart(algorithm: str, project: str) -> str:
    """Somebody's own `ppo` is not ours."""
    before = project if project and project.lower() not in algorithm.lower() else "imported"
    return f"{before}-{algorithm}" if algorithm in algorithms() else algorithm


def _suite(algorithm: str) -> str:
    """Of a run that names no environment: generative where an algorithm of ours of that kind is named."""
    ours = [found.suite for id, found in algorithms().items() if algorithm.lower().endswith(f"-{id}")]
    return "generative" if "generative" in ours else "core"


def _seed(settings: Mapping[str, Any], name: str, given: Mapping[str, str]) -> tuple[str, int | None]:
    nested = [key for key in settings if key.rpartition(".")[2] in SEED and "." in key]
    for said, value in [
        ("--set", given.get("seed")),
        *((key, settings.get(key)) for key in (*SEED, *nested)),
    ]:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            text = str(value).strip().removesuffix(".0")
            if text.isascii() and text.isdigit() and len(text) <= 18:
                return said, int(text)
    if found := SEEDED.search(name):
        return "its name", int(found[1])
    return "numbered", None


def renamed(metrics: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """their metric -> ours, for those that have one; nothing is put over a metric that has our name already."""
    metrics = sorted(set(metrics))
    found = {theirs: ours for theirs, ours in given.items() if theirs in metrics}
    for ours, others in METRICS.items():
        if ours in metrics or ours in found.values():
            continue
        for other in (ours, *others):
            fits = [
                m for m in metrics if _fits(m.replace(".", "/"), other)
            ]  # W&B joins {"val": {"acc": …}} by a dot
            if fits:
                found.setdefault(fits[0], ours)
                break
    return found


def _fits(metric: str, other: str) -> bool:
    return metric == other or ("/" in other and metric.endswith("/" + other))


def settled(config: Mapping[str, Any], id: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings of the experiment, what only tells this run from the others of it)."""
    kept: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for key, value in config.items():
        before, _, last = key.lower().replace("-", "_").rpartition(".")
        named = last in OWN and bool(before) and before.rpartition(".")[2] not in RUNS
        own = (last in OCCASION and not named) or last in SEED
        own = own or any(part.startswith("_") for part in key.split("."))
        text = value if isinstance(value, str) else ""
        marks = [mark for mark in (id, name) if len(mark) >= 4]
        own = own or bool(OBJECT.search(text)) or any(mark in text for mark in marks)
        (left if own else kept)[key] = value
    return kept, left
