"""Layers and stacks against torch's own, masks, counts of weights, stacked seeds."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from core.errors import UserError
from core.networks.decoder import Decoder, Transformer
from core.networks.positions import POSITIONS
from core.networks.transformer import DecoderLayer, Encoder, EncoderLayer, Form, View
from tests.core.networks.torch_weights import copy_layer, copy_transformer

F64 = torch.float64
SMALL = Form(width=12, heads=3, hidden=20, layers=2)


def torchs(form: Form) -> dict[str, object]:
    """The same form in torch's words."""
    return {
        "d_model": form.width,
        "nhead": form.heads,
        "dim_feedforward": form.hidden,
        "dropout": form.dropout,
        "activation": form.activation,
        "layer_norm_eps": form.eps,
        "batch_first": True,
        "norm_first": form.pre_norm,
        "bias": form.bias,
        "dtype": F64,
    }


def unlike_first_weights(module: nn.Module) -> None:
    """Biases are zero and norms one at first, which would hide an exchanged pair."""
    for parameter in module.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, 1.0, 0.3)


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_is_torchs_with_padding(pre_norm: bool, bias: bool, activation: str) -> None:
    form = replace(SMALL, pre_norm=pre_norm, bias=bias, activation=activation, eps=1e-12)
    theirs = nn.TransformerEncoderLayer(**torchs(form))  # type: ignore[arg-type]
    unlike_first_weights(theirs)
    ours = EncoderLayer(form).double()
    copy_layer(ours, theirs)
    x, valid = torch.randn(4, 7, 12, dtype=F64), torch.arange(7) < torch.tensor([[7], [3], [1], [5]])
    expected = theirs(x, src_key_padding_mask=~valid)
    y = ours(x, valid[..., None, None, :])
    torch.testing.assert_close(y[valid], expected[valid], rtol=0, atol=1e-12)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_decoder_layer_is_torchs_with_padding(pre_norm: bool) -> None:
    form = replace(SMALL, pre_norm=pre_norm)
    theirs = nn.TransformerDecoderLayer(**torchs(form))  # type: ignore[arg-type]
    unlike_first_weights(theirs)
    ours = DecoderLayer(form, cross=True).double()
    copy_layer(ours, theirs)
    x, source = torch.randn(4, 5, 12, dtype=F64), torch.randn(4, 7, 12, dtype=F64)
    valid = torch.arange(7) < torch.tensor([[7], [3], [1], [5]])
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=F64)
    expected = theirs(x, source, mask, memory_key_padding_mask=~valid)
    y, _ = ours(x, None, View(torch.arange(5), causal=True), ours.recall(source), valid)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_whole_transformer_is_torchs_with_its_gradients(pre_norm: bool) -> None:
    form = replace(SMALL, pre_norm=pre_norm)
    theirs = nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **torchs(form))  # type: ignore[arg-type]
    unlike_first_weights(theirs)
    ours = Transformer(form).double()
    copy_transformer(ours, theirs)
    source, x = torch.randn(3, 6, 12, dtype=F64, requires_grad=True), torch.randn(3, 4, 12, dtype=F64)
    valid = torch.arange(6) < torch.tensor([[6], [2], [5]])
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=F64)
    padding = {"src_key_padding_mask": ~valid, "memory_key_padding_mask": ~valid}
    expected = theirs(source, x, tgt_mask=mask, tgt_is_causal=True, **padding)
    y = ours(source, x, valid)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    (mine,), (other,) = (torch.autograd.grad(out.square().sum(), source) for out in (y, expected))
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)
    assert count(ours) == count(theirs)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_count_of_the_papers_transformer() -> None:
    assert count(Transformer(Form(512, 8, 2048, 6, pre_norm=False))) == 44_140_544


def test_padding_changes_nothing_and_rows_do_not_mix() -> None:
    for kind in POSITIONS:
        net, x = Encoder(SMALL, kind, 9).double(), torch.randn(3, 5, 12, dtype=F64)
        valid = torch.arange(9).expand(3, 9) < 5
        longer = torch.cat([x, torch.randn(3, 4, 12, dtype=F64)], 1)
        torch.testing.assert_close(net(longer, valid)[:, :5], net(x), rtol=0, atol=1e-12)
        order = torch.tensor([2, 0, 1])
        torch.testing.assert_close(net(x[order]), net(x)[order], rtol=0, atol=1e-12)


def test_beginnings_and_padding_of_an_encoder_go_together() -> None:
    for kind in POSITIONS:
        net, x = Encoder(SMALL, kind, 9).double(), torch.randn(2, 7, 12, dtype=F64)
        start, valid = torch.zeros(2, 7, dtype=torch.bool), torch.ones(2, 7, dtype=torch.bool)
        start[:, 3], valid[1, 5:] = True, False
        y, _ = net.unroll(x, (), start, valid)
        torch.testing.assert_close(y[:, :3], net(x[:, :3]), rtol=0, atol=1e-12)
        torch.testing.assert_close(y[0, 3:], net(x[:1, 3:])[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(y[1, 3:5], net(x[1:, 3:5])[0], rtol=0, atol=1e-12)


def test_only_positions_tell_an_encoder_the_order() -> None:
    x, order = torch.randn(1, 6, 12, dtype=F64), torch.tensor([3, 0, 5, 1, 4, 2])
    for kind in POSITIONS:
        net = Encoder(SMALL, kind, 6).double()
        same = (net(x[:, order]) - net(x)[:, order]).abs().max() < 1e-12
        assert same == (kind == "none")


def test_a_text_of_padding_alone_leaves_gradients_finite() -> None:
    net, x = Encoder(SMALL), torch.randn(2, 4, 12, requires_grad=True)
    valid = torch.tensor([[True] * 4, [False] * 4])
    gradients = torch.autograd.grad(net(x, valid).square().sum(), [x, *net.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)
    model = Transformer(SMALL)
    gradients = torch.autograd.grad(
        model(x, torch.randn(2, 3, 12), valid).square().sum(), list(model.parameters())
    )
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("kind", POSITIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_all_seeds_at_once_equal_the_loop(kind: str, bias: bool) -> None:
    nets: list[nn.Module] = [Decoder(replace(SMALL, bias=bias), kind, 8, memory=3).double() for _ in range(3)]
    x, start = torch.randn(3, 2, 7, 12, dtype=F64), torch.rand(3, 2, 7) < 0.2
    weights = dict(stack_module_state(nets)[0])
    loop = torch.stack(
        [net.unroll(x[k], (), start[k])[0] for k, net in enumerate(nets) if isinstance(net, Decoder)]
    )
    first = nets[0]
    assert isinstance(first, Decoder)
    assert first.stacks

    class Unroll(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = first

        def forward(self, x: Tensor, start: Tensor) -> Tensor:
            return self.net.unroll(x, (), start)[0]

    named = {f"net.{name}": weight for name, weight in weights.items()}
    module = Unroll()
    torch.testing.assert_close(functional_call(module, named, (x, start)), loop, rtol=0, atol=1e-12)
    mapped = vmap(lambda own, x, start: functional_call(module, own, (x, start)))(named, x, start)
    torch.testing.assert_close(mapped, loop, rtol=0, atol=1e-12)


def test_dropout_drops_in_training_alone_and_keeps_seeds_apart() -> None:
    net, x = Encoder(replace(SMALL, dropout=0.3)), torch.randn(2, 5, 12)
    assert not net.stacks
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    plain = Encoder(SMALL)
    assert plain.stacks
    assert not any(isinstance(part, nn.Dropout) for part in plain.modules())
    assert not list(Decoder(SMALL, "rope").buffers())


def test_first_weights_of_a_given_spread() -> None:
    net = Decoder(Form(64, 4, 256, 8, spread=0.02))
    layer = net.layers[0]
    assert isinstance(layer, DecoderLayer)
    assert layer.attention.query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.feed.second.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)  # √(2·8) = 4
    assert layer.attention.output.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)


def test_wrong_inputs_are_named() -> None:
    net = Encoder(SMALL, "learned", 4)
    with pytest.raises(ValueError, match=r"position 4 .*\[2, 5, 12\] lies over the table of 4 positions"):
        net(torch.randn(2, 5, 12))
    with pytest.raises(ValueError, match=r"shape \[B, T, 12\], not \[12\]"):
        net(torch.randn(12))
    with pytest.raises(ValueError, match=r"at least one step, got none in \[2, 0, 12\]"):
        net(torch.randn(2, 0, 12))
    with pytest.raises(ValueError, match=r"`valid` must be \[B, T\] = \[2, 3\], not \[2, 4\]"):
        net(torch.randn(2, 3, 12), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="no single step"):
        net.step(torch.randn(2, 12))
    with pytest.raises(UserError, match=r"unknown activation 'gelo'.*'gelu'"):
        Encoder(replace(SMALL, activation="gelo"))
    model = Transformer(SMALL)
    with pytest.raises(
        ValueError, match=r"source \[2, 3, 12\] and target \[3, 3, 12\] must have the same rows"
    ):
        model(torch.randn(2, 3, 12), torch.randn(3, 3, 12))
