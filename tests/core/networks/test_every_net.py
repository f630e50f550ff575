"""One contract for every class of Net in core/networks, found by itself.

To add a network write one line in NETS: a name, how to make a small one, and what it reads. Everything else is
found out: whether it takes `valid`, whether weights stack. `kind` says what is checked:

    "causal"  a sequence, step by step too: y_t depends on x_0 … x_t          (everything)
    "whole"   a sequence as a whole: y_t depends on what comes later, too     (`step` must refuse)
    "plain"   no state, any leading axes: y = net(x)                          (unroll is fold(step))
    "image"   no state, one leading axis only: y = net(x)                     (rows, gradcheck, weights)

A class that is only there to be inherited from goes to ABSTRACT. What bad input gives stands in test_bad_input.py.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

import core.networks
from core.networks.alexnet import AlexNet
from core.networks.bert import Bert, Pretraining, TokenClassifier
from core.networks.cell import Cell, Reader
from core.networks.cnn import ConvDecoder, ConvEncoder, Encoder, NatureCNN
from core.networks.dcgan import DCCritic, DCGenerator
from core.networks.decoder import Decoder, Transformer
from core.networks.densenet import DenseNet
from core.networks.googlenet import GoogLeNet
from core.networks.images import ImageClassifier
from core.networks.language import LanguageModel, Translator
from core.networks.mlp import MLP
from core.networks.net import Chain, Linear, Net
from core.networks.positions import POSITIONS
from core.networks.recurrent import CELLS
from core.networks.resnet import ResNet
from core.networks.seq2seq import DECODERS, Seq2Seq
from core.networks.sequences import Bidirectional, SeqToSeq, SeqToVec, VecToSeq, deep
from core.networks.transformer import Encoder as TransformerEncoder
from core.networks.transformer import Form
from core.networks.vgg import VGG

F64 = torch.float64
Input = Callable[..., Tensor]


def features(*shape: int) -> Input:
    """Inputs [*lead, *shape]."""
    return lambda *lead: torch.randn(*lead, *shape, dtype=F64)


def tokens(vocabulary: int) -> Input:
    """Inputs [*lead] of whole numbers."""
    return lambda *lead: torch.randint(vocabulary, lead)


THREE = features(3)
FORM = Form(width=4, heads=2, hidden=5, layers=2)
BERT = replace(FORM, activation="gelu", pre_norm=False, final_norm=False)


@dataclass(frozen=True)
class Row:
    make: Callable[[], Net]
    x: Input = THREE
    kind: str = "causal"
    call: Callable[[Net, Tensor, Tensor], Any] = lambda net, x, valid: net(
        x, valid=valid
    )  # how it takes `valid`
    aligned: bool = True  # what that gives has x's time axis; False: it is about the whole
    noise: float = (
        0.2  # how far weights are moved from the first ones; a deep net's outputs explode with much
    )
    errors: bool = True  # names the shape of bad input itself; False: its parts do


def settled(net: ImageClassifier) -> ImageClassifier:
    """Its running statistics are a batch's, as after training: without them deep nets amplify."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    net(torch.randn(4, *net.shape))
    return net


ABSTRACT = {Reader, Cell, Encoder, ImageClassifier}
NETS: dict[str, Row] = {
    **{name: Row(partial(make, 3, 4)) for name, make in CELLS.items()},
    "stacked": Row(lambda: deep("lstm", 3, 4, depth=2)),
    "bidirectional": Row(lambda: Bidirectional(CELLS["gru"](3, 4), CELLS["lstm"](3, 4)), kind="whole"),
    "stacked bidirectional": Row(lambda: deep("peephole", 3, 2, 2, bidirectional=True), kind="whole"),
    "seq-to-seq": Row(lambda: SeqToSeq(CELLS["gru"](3, 4), Linear(4, 2))),
    "seq-to-vec": Row(lambda: SeqToVec(CELLS["lstm"](3, 4), Linear(4, 2)), aligned=False),
    "seq-to-vec, both directions": Row(
        lambda: SeqToVec(deep("rnn", 3, 4, bidirectional=True), Linear(8, 2)), kind="whole", aligned=False
    ),
    "vec-to-seq": Row(
        lambda: VecToSeq(CELLS["lstm"](3, 4), Linear(4, 2), 5),
        call=lambda net, x, valid: net.unroll(x, (), None, valid)[0],  # type: ignore[call-arg]
    ),
    "chain": Row(
        lambda: Chain(MLP((3, 4)), CELLS["lstm"](4, 5), nn.Tanh(), CELLS["gru"](5, 2)), errors=False
    ),
    "mlp": Row(lambda: MLP((3, 5, 2), layer_norm=True), kind="plain"),
    "conv encoder": Row(lambda: ConvEncoder((1, 8, 8), 5, width=2), features(1, 8, 8), "plain"),
    "conv decoder": Row(lambda: ConvDecoder(4, (1, 8, 8), width=2), features(4), "plain"),
    "nature cnn": Row(lambda: NatureCNN((2, 6, 6), 4), features(2, 6, 6), "plain"),
    "dcgan generator": Row(lambda: DCGenerator(4, (1, 8, 8), width=2), features(4), "plain"),
    "dcgan critic": Row(lambda: DCCritic((1, 8, 8), width=2), features(1, 8, 8), "plain"),
    "mlp, batch norm and skips": Row(lambda: MLP((3, 5, 5, 2), norm="batch", residual=True), kind="plain"),
}
NETS |= {
    name: Row(make, features(*shape), "image", noise=noise)
    for name, noise, make, shape in (
        ("alexnet", 0.05, lambda: AlexNet(1, 3, 28, "2012", hidden=8), (1, 28, 28)),
        ("vgg", 0.01, lambda: settled(VGG(11, 1, 3, 28, norm=True, hidden=8)), (1, 28, 28)),
        ("googlenet", 0.01, lambda: GoogLeNet(2, 3, 64, norm=False), (2, 64, 64)),
        ("resnet", 0.01, lambda: settled(ResNet(20, 1, 3, (28, 30), shortcut="B")), (1, 28, 30)),
        ("densenet", 0.01, lambda: settled(DenseNet("bc-100", 1, 3, 28)), (1, 28, 28)),
    )
}
NETS |= {
    f"{name} of a transformer, {kind} positions": Row(partial(make, FORM, kind, 1000), features(4), **other)
    for kind in POSITIONS
    for name, make, other in (
        ("encoder", TransformerEncoder, {"kind": "whole"}),
        ("decoder", Decoder, {}),
        ("decoder with a memory", partial(Decoder, memory=2), {}),
        ("both", Transformer, {"call": lambda net, x, valid: net(x, x, valid)}),
    )
}
NETS |= {
    "language model": Row(lambda: LanguageModel(6, FORM, 1000), tokens(6)),
    "language model, untied": Row(lambda: LanguageModel(6, FORM, None, "rope", 3, tied=False), tokens(6)),
    "translator": Row(lambda: Translator(6, 6, FORM), tokens(6), call=lambda net, x, valid: net(x, x, valid)),
    **{
        f"encoder–decoder, {cell}, attention {attention}": Row(
            partial(
                Seq2Seq, 6, 6, 4, 3, cell, attention, reverse=cell == "gru", bidirectional=cell == "lstm"
            ),
            tokens(6),
            call=lambda net, x, valid: net(x, x, valid),
        )
        for attention in DECODERS
        for cell in ("gru", "lstm")
    },
    "bert": Row(lambda: Bert(6, BERT, 9), tokens(6), "whole"),
    "bert, pretraining": Row(lambda: Pretraining(Bert(6, BERT, 9)), tokens(6), "whole"),
    "bert, tokens": Row(lambda: TokenClassifier(Bert(6, BERT, 9), 3), tokens(6), "whole"),
}


def of(*kinds: str) -> Any:
    """Parametrise over the names of these kinds."""
    return pytest.mark.parametrize("name", [name for name, row in NETS.items() if row.kind in kinds])


EVERY, SEQUENCES = of("causal", "whole", "plain", "image"), of("causal", "whole")


def made(name: str) -> Net:
    """A small network in float64 with weights away from zero."""
    net = NETS[name].make().double().eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight += NETS[name].noise * torch.randn(weight.shape, dtype=F64)
    return net


def lead(name: str, batch: int, time: int) -> tuple[int, ...]:
    return (batch,) if NETS[name].kind == "image" else (batch, time)


def read(name: str, net: Net, x: Tensor, start: Tensor | None = None) -> Tensor:
    """What it puts out for a whole input, for images as for sequences."""
    if NETS[name].kind == "image":
        y: Tensor = net(x)
        return y
    return net.unroll(x, (), start)[0]


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def classes(parent: type[Net] = Net) -> Iterator[type[Net]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("core.networks."):
            yield child
        yield from classes(child)


def test_every_class_of_net_is_in_the_table() -> None:
    for module in pkgutil.walk_packages(core.networks.__path__, "core.networks."):
        importlib.import_module(module.name)
    held = {type(row.make()) for row in NETS.values()}
    missing = {f"{found.__module__}.{found.__name__}" for found in {*classes()} - held - ABSTRACT}
    assert not missing, f"without a row in NETS of {__file__}: {', '.join(sorted(missing))}"
    assert not {row.kind for row in NETS.values()} - {"causal", "whole", "plain", "image"}


@of("causal", "plain")
def test_unroll_is_step_after_step(name: str) -> None:
    net, x = made(name), NETS[name].x(3, 6)
    start = torch.tensor([[False] * 6, [True] + [False] * 5, [False, False, True, False, True, False]])
    _, state = net.unroll(NETS[name].x(3, 2))
    whole, last = net.unroll(x, state, start)
    for t in range(6):
        y, state = net.step(x[:, t], state, start[:, t])
        close(y, whole[:, t])
    if isinstance(net, Reader):
        close(state, last)


@of("causal", "whole")
def test_a_reset_equals_a_fresh_state(name: str) -> None:
    net, x, start = made(name), NETS[name].x(2, 6), torch.zeros(2, 6, dtype=torch.bool)
    start[0, 4] = start[1, 2] = True
    y = net.unroll(x, (), start)[0]
    for row, at in ((0, 4), (1, 2)):
        close(y[row, at:], net.unroll(x[row : row + 1, at:])[0][0])
        close(y[row, :at], net.unroll(x[row : row + 1, :at])[0][0])
    assert (y - net.unroll(x)[0]).abs().max() > 1e-3  # and it changes something


@of("causal")
def test_a_reset_forgets_what_was_handed_in(name: str) -> None:
    net, x, start = made(name), NETS[name].x(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    start[:, 0] = True
    _, state = net.unroll(NETS[name].x(2, 4))
    close(net.unroll(x, state, start)[0], net.unroll(x)[0])
    assert (net.unroll(x, state)[0] - net.unroll(x)[0]).abs().max() > 1e-3


@of("causal")
def test_chunks_equal_the_whole(name: str) -> None:
    net, x, start = made(name), NETS[name].x(2, 7), torch.rand(2, 7) < 0.3
    whole, _ = net.unroll(x, (), start)
    first, state = net.unroll(x[:, :3], (), start[:, :3])
    second, _ = net.unroll(x[:, 3:], state, start[:, 3:])
    close(torch.cat([first, second], 1), whole)


@EVERY
def test_rows_are_independent(name: str) -> None:
    net, x = made(name), NETS[name].x(*lead(name, 4, 5))
    y, order = read(name, net, x), torch.tensor([2, 0, 3, 1])
    close(read(name, net, x[order]), y[order])
    close(read(name, net, x[1:2]), y[1:2])
    assert (y[0] - y[1]).abs().max() > 1e-6


def takes_valid(name: str) -> bool:
    return "valid" in inspect.signature(made(name).forward).parameters


@pytest.mark.parametrize("name", [name for name in NETS if takes_valid(name)])
def test_padding_changes_nothing(name: str) -> None:
    row, net = NETS[name], made(name)
    x, size = row.x(3, 5), [5, 2, 4]
    valid = torch.arange(5) < torch.tensor(size).unsqueeze(1)
    other = torch.where(valid.reshape(3, 5, *[1] * (x.dim() - 2)), x, row.x(3, 5))

    def called(x: Tensor, valid: Tensor) -> Tensor:
        y = row.call(net, x, valid)
        return y[0] if isinstance(y, tuple) else y

    together, changed = called(x, valid), called(other, valid)
    for k, length in enumerate(size):
        alone = called(x[k : k + 1, :length], valid[k : k + 1, :length])[0]
        for y in (together, changed):
            close(y[k, :length] if row.aligned else y[k], alone)


@of("causal")
def test_causal_by_gradient(name: str) -> None:
    net, x = made(name), NETS[name].x(2, 5)
    if not x.is_floating_point():  # no gradient by tokens: other ones behind t change nothing up to t
        later = torch.cat([x[:, :3], NETS[name].x(2, 2)], 1)
        close(net.unroll(later)[0][:, :3], net.unroll(x)[0][:, :3])
        return
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(net.unroll(x)[0][:, 2].sum(), x)
    assert gradient[:, 3:].abs().max() == 0
    assert gradient[:, :3].abs().amax((0, 2)).min() > 0


@of("whole")
def test_what_needs_the_whole_refuses_a_step(name: str) -> None:
    net = made(name)
    with pytest.raises(ValueError, match="whole"):
        net.step(NETS[name].x(2))


@EVERY
def test_gradcheck(name: str) -> None:
    net, x = made(name), NETS[name].x(*lead(name, 2, 3))
    names, weights = zip(*net.named_parameters(), strict=True)
    given = [x.requires_grad_(True)] if x.is_floating_point() else []
    start = torch.tensor([[False, False, True], [False] * 3])
    whole = Whole(net, NETS[name].kind == "image")

    def output(*values: Tensor) -> Tensor:
        own = dict(zip((f"net.{name}" for name in names), values[len(given) :], strict=True))
        y: Tensor = functional_call(whole, own, (values[0] if given else x, start))
        return y

    def output_of_joined(*values: Tensor) -> Tensor:
        parts = values[-1].split([weight.numel() for weight in weights])
        pairs = zip(parts, weights, strict=True)
        return output(*values[:-1], *(part.view_as(weight) for part, weight in pairs))

    if whole.image:  # hundreds of weights in many layers: all of them by one number each way
        joined = torch.cat([weight.detach().flatten() for weight in weights]).requires_grad_(True)
        assert torch.autograd.gradcheck(output_of_joined, (*given, joined), fast_mode=True)
        return
    values = [weight.detach().requires_grad_(True) for weight in weights]
    assert torch.autograd.gradcheck(output, (*given, *values), fast_mode=True)


class Whole(nn.Module):
    """`unroll` as the forward pass of a module, for functional_call."""

    def __init__(self, net: Net, image: bool = False) -> None:
        super().__init__()
        self.net, self.image = net, image

    def forward(self, x: Tensor, start: Tensor) -> Tensor:
        y: Tensor = self.net(x) if self.image else self.net.unroll(x, (), start)[0]
        return y


@EVERY
def test_state_dict_round_trip(name: str) -> None:
    net, other, x = made(name), made(name), NETS[name].x(*lead(name, 2, 4))
    assert (read(name, net, x) - read(name, other, x)).abs().max() > 1e-6
    other.load_state_dict({key: value.clone() for key, value in net.state_dict().items()})
    assert torch.equal(read(name, net, x), read(name, other, x))


@EVERY
def test_stacks_over_seeds_or_says_that_it_cannot(name: str) -> None:
    nets = [made(name) for _ in range(3)]
    if not nets[0].stacks:
        return
    weights = {f"net.{key}": value for key, value in stack_module_state(nets)[0].items()}
    x, start = NETS[name].x(3, *lead(name, 2, 5)), torch.rand(3, 2, 5) < 0.3
    whole = Whole(nets[0], NETS[name].kind == "image")
    loop = torch.stack([Whole(net, whole.image)(x[k], start[k]) for k, net in enumerate(nets)])
    close(functional_call(whole, weights, (x, start)), loop)
    mapped = vmap(lambda weights, x, start: functional_call(whole, weights, (x, start)))
    close(mapped(weights, x, start), loop)


@of("causal")
def test_a_thousand_steps(name: str) -> None:
    net, x = made(name), NETS[name].x(1, 1000)
    for weight in net.parameters():
        weight.data *= 0.3  # what is tested is the length, not chaos
    y, _ = net.unroll(x)
    y[:, -1].sum().backward()
    assert y.isfinite().all()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in net.parameters())
