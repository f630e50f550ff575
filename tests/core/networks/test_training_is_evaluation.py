"""Without dropout, attention must say the same in training and in evaluation: no fast path of another result."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from core.networks.decoder import Decoder, Transformer
from core.networks.multihead import MultiHead
from core.networks.transformer import Encoder, Form

FORM = Form(width=12, heads=3, hidden=20, layers=2)
VALID = torch.arange(7) < torch.tensor(
    [[3], [1], [2]]
)  # no row is as long as the batch: 4 columns of padding


@pytest.mark.parametrize("pre_norm", [True, False])
def test_an_encoder_keeps_shape_and_values_where_the_last_columns_are_padding_in_every_row(
    pre_norm: bool,
) -> None:
    form, x = replace(FORM, pre_norm=pre_norm), torch.randn(3, 7, 12)
    net = Encoder(form)
    trained = net.train()(x, VALID)
    with torch.no_grad():  # where torch's own would take another way
        evaluated = net.eval()(x, VALID)
    assert evaluated.shape == trained.shape == (3, 7, 12)
    assert torch.equal(evaluated, trained)
    dropping = Encoder(replace(form, dropout=0.5))
    dropping.load_state_dict(net.state_dict())
    assert torch.equal(dropping.eval()(x, VALID), evaluated)
    assert not torch.equal(dropping.train()(x, VALID), evaluated)


def test_so_do_heads_decoders_and_whole_transformers() -> None:
    x, y = torch.randn(3, 7, 12), torch.randn(3, 4, 12)
    given: list[tuple[nn.Module, tuple[object, ...]]] = [
        (MultiHead(12, 3), (x,)),
        (Decoder(FORM, "rope"), (x,)),
        (Transformer(FORM), (x, y, VALID)),
    ]
    for net, inputs in given:
        trained = net.train()(*inputs)
        with torch.no_grad():
            evaluated = net.eval()(*inputs)
        assert torch.equal(*(out[0] if isinstance(out, tuple) else out for out in (trained, evaluated)))
