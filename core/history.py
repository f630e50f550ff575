"""What the losses on examples trained on and on held-out ones say together: under-fitting, over-fitting, or fine."""

from collections.abc import Sequence

from core.noise import State

TENTH, QUARTER = 0.1, 0.25
FEW = 4


def word(train: Sequence[float], held_out: Sequence[float]) -> str:
    """One word for a pair of loss curves, each from before the first step to the end.

    What was learnt is how far the held-out loss fell, from before the first step to its lowest.

    over-fitting: at the end the held-out loss is a tenth of that above its lowest while the other fell on since
        then, or the gap between the two is a quarter of it.
    under-fitting: nothing was learnt; or the loss on what is trained on still falls, by a tenth of its whole fall
        in the last quarter of the evaluations.
    fine: neither.
    unknown: fewer than FEW losses, which show no course.
    """
    if len(held_out) < FEW:
        return "unknown"
    lowest = min(range(len(held_out)), key=lambda i: held_out[i])
    learnt = held_out[0] - held_out[lowest]
    if not learnt > 0:
        return "under-fitting"
    risen = held_out[-1] - held_out[lowest] > TENTH * learnt and train[-1] < train[lowest]
    if risen or held_out[-1] - train[-1] > QUARTER * learnt:
        return "over-fitting"
    late = train[len(train) - 1 - max(len(train) // 4, 1)]
    if late - train[-1] > TENTH * (train[0] - train[-1]):
        return "under-fitting"
    return "fine"


class History:
    """One seed's two losses at every evaluation, the first of them before anything was learnt."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.train: list[float] = []
        self.held_out: list[float] = []

    def add(self, at: int, train: float, held_out: float) -> None:
        """A place that is there already stays as it is: a resumed run may evaluate again."""
        if not self.at or at > self.at[-1]:
            self.at.append(at)
            self.train.append(train)
            self.held_out.append(held_out)

    @property
    def word(self) -> str:
        return word(self.train, self.held_out)

    def state_dict(self) -> State:
        return {"at": [*self.at], "train": [*self.train], "held_out": [*self.held_out]}

    def load_state_dict(self, state: State) -> None:
        self.at, self.train, self.held_out = [*state["at"]], [*state["train"]], [*state["held_out"]]
