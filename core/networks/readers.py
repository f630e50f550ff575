"""Networks that read a sequence of features and answer after every step, by name: recurrent ones and a Transformer."""

from torch import nn

from core.networks.decoder import Decoder
from core.networks.net import Chain, Linear, Net, draw
from core.networks.recurrent import CELLS, LSTM
from core.networks.sequences import SeqToSeq, deep
from core.networks.transformer import Form

TRANSFORMER = "transformer"
READERS = (*CELLS, TRANSFORMER)


def answering(width: int, outputs: int) -> Linear:
    """The layer that says the answer."""
    head = Linear(width, outputs)
    draw(head, "xavier")
    return head


def reader(
    name: str,
    inputs: int,
    width: int,
    outputs: int,
    layers: int = 1,
    dropout: float = 0.0,
    heads: int = 4,
    positions: str = "sinusoid",
    forget_bias: float = 1.0,
) -> Net:
    """[..., T, inputs] → [..., T, outputs], where y_t depends on x_0 … x_t.

    Args:
        name: one of READERS.
        width: features of a layer.
        layers: how many.
        dropout: share of the features dropped between layers; in the Transformer wherever its paper has it.
        heads, positions: of the Transformer, see ``Form`` and POSITIONS.
        forget_bias: of "lstm" alone, see ``LSTM``.
    """
    if name != TRANSFORMER:
        body = deep(name, inputs, width, layers, dropout)
        for cell in body.layers:
            if isinstance(cell, LSTM):
                nn.init.constant_(cell.input.bias[width : 2 * width], forget_bias)
        return SeqToSeq(body, answering(width, outputs))
    form = Form(width, heads, 4 * width, layers, dropout=dropout)
    return Chain(Linear(inputs, width), Decoder(form, positions), answering(width, outputs))
