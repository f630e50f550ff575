"""What is trained here: a trainer on its images, every seed of a run at once. core/training.py does the rest."""

from collections.abc import Sequence

from torch import Tensor

from core import trees
from core.averages import Averages
from core.noise import Noise, States
from core.tracking import Group
from core.training import Check
from generative.data import Batches
from generative.trainer import Metrics, Trainer, evaluation_noise

PICTURED = 32  # test images among the pictures of an evaluation


class Fitting:
    """A trainer and its images, and everything that must be saved to go on exactly.

    A step is one update; the record counts the training images that one seed has been shown.

    Args:
        trainer: what learns.
        batches: the training images.
        test: held-out images ``[N, C, H, W]`` as the trainer sees them, on its device.
        seeds: the run's seeds.
    """

    stride, shown, selected = 1, "train/bound", "eval/bound"

    def __init__(self, trainer: Trainer, batches: Batches, test: Tensor, seeds: Sequence[int]) -> None:
        self.trainer, self.batches, self.test, self.seeds = trainer, batches, test, seeds
        self.scale = trainer.batch
        self.parts: dict[str, trees.Stateful] = {"trainer": trainer, "batches": batches}

    def begin(self) -> None:
        """Trainer and batches stand at their beginning already."""

    def advance(self, averages: Averages) -> None:
        """One update of every seed."""
        averages.add(self.trainer.step(self.batches.next()))

    def evaluate(self, step: int, last: bool, check: Check) -> Metrics:
        """``eval/*`` of the test set, with the same noise each time: training is left as it was."""
        found = self.trainer.evaluate(self.test, self._noise("figures"))
        check()
        return found

    def look(self, group: Group, at: int) -> None:
        """Histograms, and pictures from the same noise and the same test images each time."""
        found = {f"weights/{name}": value for name, value in self.trainer.weights().items()}
        found |= {f"gradients/{name}": value for name, value in self.trainer.gradients().items()}
        group.histograms(at, found)
        pictures = self.trainer.pictures(self.test[:PICTURED], self._noise("pictures"))
        for name, images in pictures.items():
            group.images(at, name, images)

    def _noise(self, purpose: str) -> Noise:
        return evaluation_noise(self.seeds, purpose, self.test.device)

    def state_dict(self) -> States:
        return trees.states_of(self.parts)

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken, in the middle of an epoch."""
        trees.load_states(self.parts, states)
