"""`lab bench speed-networks`: milliseconds of a pass forwards and back, ours beside torch's own modules.

Everybody has the same weights and sizes, one thread unless told otherwise, and its turn in every round. Single steps
are timed forwards alone, too, as in acting.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core import config as settings_file
from core import threads
from core.errors import UserError, nearest
from core.networks.cell import Cell
from core.networks.net import Memory
from core.networks.recurrent import CELLS
from core.networks.transformer import EncoderLayer, Form
from core.noise import Noise
from core.tables import between, markdown
from core.timing import Contender, keep, measure

SHARE = 0.03  # of the steps at which a sequence begins anew
STEPS = 50  # single steps in a pass
HEADS, HIDDEN = 4, 4  # of the encoder layer; hidden units are so many times its width


@dataclass(frozen=True)
class Options:
    rounds: int = 15  # the medians of so many are reported
    passes: int = 8  # of each contender in a round
    batch: int = 32  # sequences in a pass
    time: int = 64  # steps of each
    inputs: int = 32  # features of a step
    width: int = 64  # units of a cell, features of the encoder layer
    threads: int = 1  # torch's
    only: tuple[str, ...] = ()  # beginnings of the names of what is compared; none: everything
    root: str = "runs"  # the figures are kept in bench/speed-networks.json there
    out: str = ""  # a Markdown file whose part between the marks `bench speed-networks` is rewritten


@dataclass(frozen=True)
class Work:
    """A pass of one contender.

    Attributes:
        net: whose gradients are wanted.
        output: a function without arguments of the net's weights.
        back: whether the pass goes back, too.
        times: so often in one pass.
    """

    net: nn.Module
    output: Callable[[], Tensor]
    back: bool = True
    times: int = 1

    def __call__(self, passes: int) -> int:
        for _ in range(passes * self.times):
            if not self.back:
                with torch.no_grad():
                    self.output()
                continue
            for weight in self.net.parameters():
                weight.grad = None
            self.output().square().mean().backward()
        return passes


Groups = dict[str, dict[str, Work]]  # what → who; the first one is what the others are compared with
MODULES: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
LOOP, OURS = "ours, step by step", "ours"


def cells(options: Options) -> Groups:
    """Whole sequences, without resets and with some."""
    x = Noise((0,), "x").normal(options.batch, options.time, options.inputs)[0]
    start = Noise((0,), "start").uniform(options.batch, options.time)[0] < SHARE
    found: Groups = {}
    for name, make in MODULES.items():
        theirs = make(options.inputs, options.width, batch_first=True)
        ours = alike(CELLS[name](options.inputs, options.width), theirs)
        found[name] = {
            f"torch's nn.{name.upper()}": Work(theirs, _first(theirs, x)),
            OURS: _unrolled(ours, x),
        }
    for name in ("gru-before", "peephole"):
        found[name] = _both(CELLS[name](options.inputs, options.width), x)
    for name in (*MODULES, "gru-before", "peephole"):
        cell = CELLS[name](options.inputs, options.width)
        found[f"{name}, resets at {SHARE:.0%} of the steps"] = _both(cell, x, start)
    return found


def _both(cell: Cell, x: Tensor, start: Tensor | None = None) -> dict[str, Work]:
    loop = Work(cell, lambda: cell.fold(x, (), start)[0])
    return {LOOP: loop, OURS: _unrolled(cell, x, start)}


def _unrolled(cell: Cell, x: Tensor, start: Tensor | None = None) -> Work:
    return Work(cell, lambda: cell.unroll(x, (), start)[0])


def _first(net: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    def output() -> Tensor:
        y: Tensor = net(x)[0]
        return y

    return output


def encoder(options: Options) -> Groups:
    """One layer of a Transformer's encoder, norms first."""
    width = options.width
    x = Noise((0,), "x").normal(options.batch, options.time, width)[0]
    theirs = nn.TransformerEncoderLayer(
        width, HEADS, HIDDEN * width, dropout=0.0, batch_first=True, norm_first=True
    )
    ours = layer_alike(EncoderLayer(Form(width, HEADS, HIDDEN * width)), theirs)
    name = "torch's nn.TransformerEncoderLayer"
    return {"encoder layer": {name: Work(theirs, lambda: theirs(x)), OURS: Work(ours, lambda: ours(x))}}


def steps(options: Options) -> Groups:
    """Single steps of an LSTM, as an agent takes them."""
    found: Groups = {}
    for batch in (1, 8):
        x, h, c = (
            Noise((0,), name).normal(batch, size)[0]
            for name, size in (("x", options.inputs), ("h", options.width), ("c", options.width))
        )
        cell, layer = nn.LSTMCell(options.inputs, options.width), nn.LSTM(options.inputs, options.width)
        layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
        ours = alike(CELLS["lstm"](options.inputs, options.width), layer)
        for back in (False, True):
            name = (
                f"{STEPS} single steps, lstm, {batch} at once, {'forwards and back' if back else 'forwards'}"
            )
            found[name] = {
                "torch's nn.LSTMCell": Work(cell, _cell(cell, x, (h, c)), back, STEPS),
                "torch's nn.LSTM": Work(layer, _layer(layer, x, (h, c)), back, STEPS),
                OURS: Work(ours, _step(ours, x, (h, c)), back, STEPS),
            }
    return found


def _cell(net: nn.LSTMCell, x: Tensor, state: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    return lambda: net(x, state)[0]


def _layer(net: nn.LSTM, x: Tensor, state: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    one, before = x.unsqueeze(0), (state[0].unsqueeze(0), state[1].unsqueeze(0))
    return lambda: net(one, before)[0][0]


def _step(net: Cell, x: Tensor, state: Memory) -> Callable[[], Tensor]:
    return lambda: net.step(x, state)[0]


def alike(ours: Cell, theirs: nn.RNNBase) -> Cell:
    """Ours with torch's weights; both of its biases where ours has two, their sum where it has one."""
    given = {name.removesuffix("_l0"): value for name, value in theirs.state_dict().items()}
    with torch.no_grad():
        ours.input.weight.copy_(given["weight_ih"])
        ours.recurrent.weight.copy_(given["weight_hh"])
        ours.input.bias.copy_(given["bias_ih"])
        bias = ours.input.bias if ours.recurrent.bias is None else ours.recurrent.bias
        bias.add_(given["bias_hh"])
    return ours


def layer_alike(ours: EncoderLayer, theirs: nn.TransformerEncoderLayer) -> EncoderLayer:
    """Ours with torch's weights."""
    attention = theirs.self_attn
    parts = zip(
        (ours.attention.query, ours.attention.key, ours.attention.value),
        attention.in_proj_weight.chunk(3),
        attention.in_proj_bias.chunk(3),
        strict=True,
    )
    for layer, weight, bias in parts:
        layer.load_state_dict({"weight": weight, "bias": bias})
    pairs: list[tuple[nn.Module, nn.Module]] = [
        (ours.attention.output, attention.out_proj),
        (ours.feed.first, theirs.linear1),
        (ours.feed.second, theirs.linear2),
        (ours.around_attention.norm, theirs.norm1),
        (ours.around_feed.norm, theirs.norm2),
    ]
    for mine, other in pairs:
        mine.load_state_dict(other.state_dict())
    return ours


def main(argv: Sequence[str]) -> int:
    """``argv`` is the suite's name and its options."""
    options: Options = settings_file.parse([Options], argv[1:], prog="lab bench speed-networks").values[0]
    for name in ("rounds", "passes", "batch", "time", "inputs", "width", "threads"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    if options.width % HEADS:
        raise UserError(f"--width {options.width} does not divide into the encoder layer's {HEADS} heads")
    if options.out:
        between(Path(options.out), "bench speed-networks")  # or it is refused when all is timed
    threads.use(options.threads)
    every = {**cells(options), **encoder(options), **steps(options)}
    for beginning in options.only:
        if not any(name.startswith(beginning) for name in every):
            raise UserError(f"--only {beginning}: nothing compared begins so{nearest(beginning, every)}")
    found = {}
    for name, works in every.items():
        if not options.only or name.startswith(options.only):
            print(f"{name}: {'; '.join(works)}", flush=True)
            contenders = [Contender(who, 1, work, {}, {}) for who, work in works.items()]
            found[name] = measure(contenders, options.rounds, options.passes, "passes")
    sizes = f"{options.batch} × {options.time} × {options.inputs}, {options.width} units"
    about = f"{sizes}, float32, {options.threads} thread(s), {options.rounds} rounds"
    keep(
        "speed-networks",
        options.root,
        options.out,
        {**asdict(options), "contenders": found},
        table(found),
        about,
    )
    return 0


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The figures as Markdown."""
    rows = []
    for what, contenders in found.items():
        for place, row in enumerate(contenders):
            low, high = of_median(row["ratio"]["all"])
            times = f"{row['ratio']['median']:.2f} [{low:.2f}, {high:.2f}]" if place else ""
            rows.append((what, row["name"], f"{1e3 / row['per_second']['median']:.2f}", times))
    return markdown(("what", "by", "ms a pass", "× as fast as the first [95 %]"), rows, right=(2, 3))


def of_median(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median at least that often, whatever the distribution; under six values all of them.

    Between the k-th least and the k-th greatest it lies with chance 1 − 2 P(Bin(n, ½) < k).
    """
    count, ordered, k = len(values), sorted(values), 1
    while 2 * sum(comb(count, i) for i in range(k + 1)) <= (1 - level) * 2**count:
        k += 1
    return ordered[k - 1], ordered[count - k]
