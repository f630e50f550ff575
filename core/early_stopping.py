"""Early stopping: when a score has not become better for long enough, training ends and the best weights return.

A machine without clock or files, one for each seed: it is told scores, and answers whether to stop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core import trees
from core.errors import UserError
from core.measures import higher_is_better
from core.noise import State


@dataclass(frozen=True)
class Rule:
    """When to stop.

    Args:
        monitor: the score that is watched.
        patience: how many scores in a row may fail to be better; the last of them stops. At least 1.
        min_delta: what is gained by less than this counts as no better.
        mode: which way is up: "min", "max", or "auto" for what the score's name says.
        baseline: until a score is better than this, none is good enough to wait anew; None: every better one is.
    """

    monitor: str = "eval/loss"
    patience: int = 10
    min_delta: float = 0.0
    mode: Literal["auto", "min", "max"] = "auto"
    baseline: float | None = None

    def __post_init__(self) -> None:
        if self.patience < 1 or not self.min_delta >= 0:
            raise UserError(
                f"early stopping needs a patience of 1 or more and a min_delta of 0 or more, "
                f"got {self.patience} and {self.min_delta}"
            )
        if self.mode == "auto" and higher_is_better(self.monitor) is None:
            raise UserError(f"nobody knows which way is up for {self.monitor}; give the mode, min or max")

    @property
    def sign(self) -> float:
        """1 where higher is better, −1 where lower is."""
        up = higher_is_better(self.monitor) if self.mode == "auto" else self.mode == "max"
        return 1.0 if up else -1.0


class EarlyStopping:
    """One seed's. ``best`` is the best score of all, however little better it was; its weights are ``kept``."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.best = -rule.sign * math.inf
        self.best_at = 0
        self.kept: State = {}  # what was in force at the best score
        self.waited = 0  # scores since the last that counted
        self.stopped_at: int | None = None
        self._counted = self.best  # the last score that was better by min_delta
        self._seen = -1  # where the newest score was taken

    @property
    def stopped(self) -> bool:
        return self.stopped_at is not None

    def see(self, at: int, score: float, state: Callable[[], State]) -> bool:
        """Whether to stop. A score of a place that was seen already changes nothing: a resumed run scores again.

        Args:
            at: where the score was taken, counted in any unit.
            score: the watched score; one that is not a number is no better.
            state: gives what is to be kept if this is the best; it is copied.
        """
        if self.stopped or at <= self._seen:
            return self.stopped
        self._seen = at
        if self._better(score, self.best):
            self.best, self.best_at = score, at
            self.kept = trees.map(lambda leaf: leaf.clone() if hasattr(leaf, "clone") else leaf, state())
        self.waited += 1
        if self._better(score, self._counted, self.rule.min_delta):
            self._counted = score
            if self.rule.baseline is None or self._better(score, self.rule.baseline, self.rule.min_delta):
                self.waited = 0
        if self.waited >= self.rule.patience:
            self.stopped_at = at
        return self.stopped

    def _better(self, score: float, than: float, by: float = 0.0) -> bool:
        return self.rule.sign * (score - than) > by if math.isfinite(than) else math.isfinite(score)

    def state_dict(self) -> State:
        return {
            "best": self.best,
            "best_at": self.best_at,
            "kept": self.kept,
            "waited": self.waited,
            "stopped_at": self.stopped_at,
            "counted": self._counted,
            "seen": self._seen,
        }

    def load_state_dict(self, state: State) -> None:
        self.best, self.best_at, self.kept = state["best"], state["best_at"], state["kept"]
        self.waited, self.stopped_at = state["waited"], state["stopped_at"]
        self._counted, self._seen = state["counted"], state["seen"]
