"""The training loop: batch → trainer.step → record, with figures and pictures of the test set on the way."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.averages import Averages
from core.noise import Noise, States
from core.sessions import Cadence
from core.stopping import Stopping
from core.tracking import Group
from generative.data import Batches
from generative.trainer import Metrics, Trainer, evaluation_noise

PICTURED = 32  # test images among the pictures of an evaluation
SELECTED = "eval/bound"  # less is better; a trainer without it keeps its last checkpoint alone


class Training:
    """A trainer and its images, and everything that must be saved to go on exactly.

    Args:
        trainer: what learns.
        batches: the training images.
        test: held-out images ``[N, C, H, W]`` as the trainer sees them, on its device.
        group: the record.
        steps: updates in all.
        cadence: how often what happens.
    """

    def __init__(
        self, trainer: Trainer, batches: Batches, test: Tensor, group: Group, steps: int, cadence: Cadence
    ) -> None:
        self.trainer, self.batches, self.test = trainer, batches, test
        self.group, self.steps, self.cadence = group, steps, cadence
        self.averages = Averages(len(group.seeds))
        self.best = np.full(len(group.seeds), np.inf)
        self.step = 0  # updates of one seed so far
        self._timed = (0, 0.0)  # step and seconds at the last row

    @property
    def examples_seen(self) -> int:
        """Training images one seed has been shown: the axis of the record."""
        return self.step * self.trainer.batch

    def run(self) -> int:
        """Train until the steps are done, someone asks to stop or every seed failed; the exit code."""
        self._timed = (self.step, self.group.seconds)
        with Stopping() as stopping:
            while self.step < self.steps and not stopping.asked and self.group.alive.any():
                self.averages.add(self.trainer.step(self.batches.next()))
                self.step += 1
                better = None
                if self._due(self.cadence.log):
                    self._record()
                if self._due(self.cadence.evaluate) and self.step < self.steps:
                    better = self._evaluate()
                if self._due(self.cadence.checkpoint) and self.step < self.steps:
                    self._checkpoint(better)
            if stopping.asked and self.step < self.steps:
                self._checkpoint()
                self.group.say(
                    f"stopped at step {self.step}; lab resume {self.group.path.name} goes on from there"
                )
                self.group.finish("stopped", stopping.exit_code)
                return stopping.exit_code
        return self._end()

    def _due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _record(self) -> None:
        """Write what gathered since the last row."""
        rows = self.averages.flush()
        if not any(rows):
            return
        step, seconds = self._timed
        self._timed = (self.step, self.group.seconds)
        speed = (self.step - step) / max(self._timed[1] - seconds, 1e-9)
        self.group.rows(self.examples_seen, [{**row, "time/steps_per_second": speed} for row in rows])
        bounds = [row["train/bound"] for row in rows if "train/bound" in row]
        self.group.progress(self.step, self.steps, float(np.mean(bounds)) if bounds else None, "bound")

    def _evaluate(self) -> NDArray[np.bool_]:
        """Record figures, histograms and pictures; which seeds have never been better, ``[seed]``."""
        self._figures = self.figures()
        self.group.log(self.examples_seen, self._figures)
        found = {f"weights/{name}": value for name, value in self.trainer.weights().items()}
        found |= {f"gradients/{name}": value for name, value in self.trainer.gradients().items()}
        self.group.histograms(self.examples_seen, found)
        for name, images in self.pictures().items():
            self.group.images(self.examples_seen, name, images)
        if SELECTED not in self._figures:
            return np.zeros(len(self.best), np.bool_)
        now = self._figures[SELECTED].double().cpu().numpy()
        better: NDArray[np.bool_] = now < self.best
        self.best = np.where(better, now, self.best)
        return better

    def figures(self) -> Metrics:
        """``eval/*`` of the test set, with the same noise each time: training is left as it was."""
        return self.trainer.evaluate(self.test, self._noise("figures"))

    def pictures(self) -> dict[str, Tensor]:
        """Images to look at, from the same noise and the same test images each time."""
        return self.trainer.pictures(self.test[:PICTURED], self._noise("pictures"))

    def _noise(self, purpose: str) -> Noise:
        return evaluation_noise(self.group.seeds, purpose, self.test.device)

    def _end(self) -> int:
        if not self.group.alive.any():
            self.group.finish("failed", 1)
            return 1
        self._record()
        better = self._evaluate()
        self._checkpoint(better)
        for k in range(len(self.group.seeds)):
            final = {
                name.replace("eval/", "final/"): value[k].item() for name, value in self._figures.items()
            }
            self.group.summary(k, final)
        self.group.finish()
        return 0

    def _checkpoint(self, best: NDArray[np.bool_] | None = None) -> None:
        flags = np.zeros(len(self.best), np.bool_) if best is None else best
        self.group.checkpoint(self.examples_seen, self.state_dict(), best=flags.tolist())

    def state_dict(self) -> States:
        parts = zip(
            self.trainer.state_dict(), self.batches.state_dict(), self.averages.state_dict(), strict=True
        )
        return [
            {
                "trainer": trainer,
                "batches": batches,
                "averages": averages,
                "step": self.step,
                "best": float(self.best[k]),
            }
            for k, (trainer, batches, averages) in enumerate(parts)
        ]

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken, in the middle of an epoch."""
        self.trainer.load_state_dict([state["trainer"] for state in states])
        self.batches.load_state_dict([state["batches"] for state in states])
        self.averages.load_state_dict([state["averages"] for state in states])
        self.best = np.array([state["best"] for state in states])
        self.step = int(states[0]["step"])
