"""What is trained here: a trainer on its data, every seed of a run at once. core/training.py does the rest."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core import trees
from core.averages import Averages
from core.noise import States
from core.rows import Array
from core.tracking import Group
from core.training import Check
from generative import latent, translated
from generative.data import Batches, held_still
from generative.drawing import scatter
from generative.files import Dataset, Images, Pairs, Points, Text
from generative.metrics import coverage
from generative.texts import Passages, decode
from generative.trainer import Answerer, Encoder, Metrics, Trainer, evaluation_noise

PICTURED = 32  # test images among the pictures of an evaluation
WRITTEN = 4  # texts in the table of an evaluation
COUNTED = 2_500  # generated points among which modes are counted (Lin et al. 2018, section 4)


class Fitting:
    """A trainer and its data, and everything that must be saved to go on exactly.

    A step is one update; the record counts the training images or points that one seed has been shown.

    Args:
        trainer: what learns.
        batches: the training data.
        dataset: where those come from; what it holds out is evaluated on.
        seeds: the run's seeds.
    """

    stride, done = 1, False

    def __init__(
        self, trainer: Trainer, batches: Batches | Passages, dataset: Dataset, seeds: Sequence[int]
    ) -> None:
        self.trainer, self.batches, self.dataset, self.seeds = trainer, batches, dataset, seeds
        self.scale, self.shown, self.selected = trainer.batch, trainer.shown, trainer.selected
        self.test = held_still(dataset.test, trainer.binarise).to(batches.examples.device)
        self.parts: dict[str, trees.Stateful] = {"trainer": trainer, "batches": batches}

    def begin(self) -> None:
        """Trainer and batches stand at their beginning already."""

    def advance(self, averages: Averages) -> None:
        """One update of every seed."""
        averages.add(self.trainer.step(self.batches.next()))

    def evaluate(self, step: int, last: bool, check: Check) -> Metrics:
        """``eval/*`` of the test set, with the same noise each time: training is left as it was."""
        found = scores(self.trainer, self.dataset, self.test, self.seeds)
        check()
        return found

    def look(self, group: Group, at: int) -> None:
        """Histograms, and pictures from the same noise and the same test images each time."""
        found = {f"weights/{name}": value for name, value in self.trainer.weights().items()}
        found |= {f"gradients/{name}": value for name, value in self.trainer.gradients().items()}
        group.histograms(at, found)
        if isinstance(self.dataset, Text):
            group.table(at, "samples", self._written(self.dataset))
        if isinstance(self.dataset, Pairs) and isinstance(self.trainer, Answerer):
            translated.show(group, at, self.trainer, self.dataset, self.test)
        noise = evaluation_noise(self.seeds, "pictures", self.test.device)
        for name, images in self.trainer.pictures(self.test[:PICTURED], noise).items():
            points = images.shape[2:] == (2,)
            group.images(at, name, scatter(images, self.test) if points else images)
        if isinstance(self.dataset, Images) and isinstance(self.trainer, Encoder):
            labels = self.dataset.test_labels
            for name, images in latent.pictures(self.trainer, self.test, labels).items():
                group.images(at, name, images)

    def _written(self, text: Text) -> list[dict[str, Array]]:
        """Texts from the same noise each time, one in a row; a table for each seed."""
        noise = evaluation_noise(self.seeds, "samples", self.test.device)
        found: list[dict[str, Array]] = []
        for own in self.trainer.sample(WRITTEN, noise).cpu():
            texts = [decode(tokens, text.characters, text.lines) for tokens in own]
            found.append({"sample": np.arange(WRITTEN), "text": np.array(texts, object)})
        return found

    def state_dict(self) -> States:
        return trees.states_of(self.parts)

    def load_state_dict(self, states: States) -> None:
        """Go on where ``state_dict`` was taken, in the middle of an epoch."""
        trees.load_states(self.parts, states)


def scores(trainer: Trainer, dataset: Dataset, test: Tensor, seeds: Sequence[int]) -> Metrics:
    """``eval/*`` ``[seed]``, with the same noise each time; of a mixture of Gaussians its modes are counted too."""
    found = trainer.evaluate(test, evaluation_noise(seeds, "figures", test.device))
    if isinstance(dataset, Points) and dataset.centres is not None:
        samples = trainer.sample(COUNTED, evaluation_noise(seeds, "modes", test.device))
        centres = torch.from_numpy(dataset.centres).to(samples.device)
        counted = coverage(samples, centres, dataset.sigma)
        found |= {f"eval/{name}": value for name, value in counted.items()}
    return found
