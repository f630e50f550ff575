"""Networks that read a sequence of features and answer after every step, by name: recurrent ones and a Transformer."""

from core.networks.decoder import Decoder
from core.networks.net import Chain, Linear, Net, draw
from core.networks.recurrent import CELLS
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
) -> Net:
    """[..., T, inputs] → [..., T, outputs], where y_t depends on x_0 … x_t.

    Args:
        name: one of READERS.
        width: features of a layer.
        layers: how many.
        dropout: share of the features dropped between layers; in the Transformer wherever its paper has it.
        heads, positions: of the Transformer, see ``Form`` and POSITIONS.
    """
    if name != TRANSFORMER:
        return SeqToSeq(deep(name, inputs, width, layers, dropout), answering(width, outputs))
    form = Form(width, heads, 4 * width, layers, dropout=dropout)
    return Chain(Linear(inputs, width), Decoder(form, positions), answering(width, outputs))
