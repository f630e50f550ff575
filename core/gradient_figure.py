"""What training does to gradients through time: recurrent cells on the adding problem, before it and after.

An RNN's gradient falls with every step it goes back; an LSTM's passes through its memory, by a factor f a step, and
f ≈ 1 is what training on a long lag makes of it (Hochreiter & Schmidhuber 1997; Gers et al. 2000 for the gate;
Jozefowicz et al. 2015 for the bias of 1).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core import losses, puzzles
from core.gradient_flow import drawn, flow
from core.gradients import Metrics, Params
from core.media import write_png
from core.networks.cell import Cell
from core.networks.net import Linear
from core.networks.recurrent import CELLS
from core.networks.sequences import SeqToVec
from core.order import Order
from core.replicas import Replicas
from core.run_folder import write_json
from core.schedules import schedule
from core.task import Rows

LENGTH, WIDTH, BATCH, RATE = 100, 32, 32, 1e-2
STEPS = {"smoke": 2, "table": 1_000}
SEEDS = {"smoke": (0, 1), "table": (0, 1, 2)}
READ = 16  # sequences whose gradients are followed

SHOWN: dict[str, Callable[[int, int], Cell]] = {
    "rnn": CELLS["rnn"],
    "gru": CELLS["gru"],
    "lstm, forget bias 0": partial(CELLS["lstm"], forget_bias=0.0),
    "lstm, forget bias 1": partial(CELLS["lstm"], forget_bias=1.0),
}


def reading(make: Callable[[int, int], Cell]) -> nn.Module:
    """Two numbers a step in, one at the end out."""
    return SeqToVec(make(2, WIDTH), Linear(WIDTH, 1))


def flows(net: Replicas, x: Tensor) -> Tensor:
    """‖∂s_T/∂s_t‖ of every seed, relative to the last step's: ``[seed, T + 1]``."""
    found = []
    for module in net.modules:
        body = module.get_submodule("body")
        assert isinstance(body, Cell)
        found.append(flow(body, x, min(1, body.tensors - 1)))
    return torch.stack([values / values[-1] for values in found])


def train(net: Replicas, rows: Rows, steps: int) -> None:
    """Add what is marked: squared error of the last answer, Adam, cosine."""
    read, answers, _ = (torch.from_numpy(array) for array in rows)
    order, rate = Order(len(read), net.seeds, BATCH), schedule("cosine", RATE, 1e-5)

    def loss(params: Params, x: Tensor, y: Tensor) -> tuple[Tensor, Metrics]:
        return losses.mean_squared_error(net.apply(params, x), y).mean(), {}

    for step in range(steps):
        places = order.next()
        net.step(loss, read[places], answers[:, -1:][places], lr=rate(step / steps))


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """The cell: writes ``gradient-flow.png`` and its numbers, and tells what arrives at the first step."""
    examples, seeds = puzzles.load("adding", LENGTH), SEEDS[tier]
    x = torch.from_numpy(examples.test[0][:READ])
    curves: dict[str, Tensor] = {}
    for name, make in SHOWN.items():
        net = Replicas(partial(reading, make), seeds, name=name, clip=1.0)
        curves[f"{name}, before"] = flows(net, x)
        train(net, examples.train, STEPS[tier])
        curves[f"{name}, trained"] = flows(net, x)
        print(f"{name}: {curves[f'{name}, trained'][:, 0].tolist()} arrives", flush=True)
    means = {name: values.clamp(min=1e-30).log().mean(0).exp() for name, values in curves.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / "gradient-flow.png", drawn(means).transpose(1, 2, 0))
    write_json(folder / "gradient-flow.json", {name: values.tolist() for name, values in curves.items()})
    return {
        "rows": [
            {"of": name, "what": name, "scores": values[:, 0].tolist(), "failed": 0, "steps": STEPS[tier]}
            for name, values in curves.items()
        ]
    }
