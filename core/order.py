"""In which order examples are shown: every epoch a new one, each seed its own, and the same again after a resume."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.errors import UserError
from core.noise import Noise, States


class Order:
    """Endless batches of places 0 … count − 1; what does not fill a batch at an epoch's end is left out of it.

    Args:
        count: how many examples there are.
        seeds: the run's seeds.
        batch: examples per seed and step.
        stream: what the orders are for.
        device: where the places are wanted; they are drawn on the CPU, the same for every device.
    """

    def __init__(
        self,
        count: int,
        seeds: Sequence[int],
        batch: int,
        stream: str = "data",
        device: str | torch.device = "cpu",
    ) -> None:
        if not 0 < batch <= count:
            raise UserError(f"an update takes {batch} examples, and {count} are there: make it 1 to {count}")
        self.count, self.batch, self.device = count, batch, torch.device(device)
        self.noise = Noise(seeds, stream)
        self._new_epoch(-1)

    def _new_epoch(self, epoch: int) -> None:
        self.epoch, self.offset = epoch + 1, 0
        self._before = self.noise.state_dict()
        self._order = self.noise.permutation(self.count).to(self.device)

    def next(self) -> Tensor:
        """Places ``[seed, batch]``."""
        if self.offset + self.batch > self.count:
            self._new_epoch(self.epoch)
        now = self._order[:, self.offset : self.offset + self.batch]
        self.offset += self.batch
        return now

    def state_dict(self) -> States:
        return [{"epoch": self.epoch, "offset": self.offset, "order": order} for order in self._before]

    def load_state_dict(self, states: States) -> None:
        """Continue in the middle of an epoch: its order is drawn again from the generator of before."""
        self.noise.load_state_dict([state["order"] for state in states])
        self._new_epoch(int(states[0]["epoch"]) - 1)
        self.offset = int(states[0]["offset"])
