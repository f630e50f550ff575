"""Transformers over tokens: a language model that reads left to right, and a translator from one text to another."""

import torch
from torch import Tensor, nn

from core.networks.decoder import Decoder
from core.networks.embedding import Embedding, check_pairs, check_text
from core.networks.net import Linear, Memory, Net, draw
from core.networks.transformer import Encoder, Form


class LanguageModel(Net):
    """Scores for the next token, from all tokens up to here: a decoder without a source (GPT).

    As a Net it reads tokens [B, T] (step: [B]) and puts out scores [B, T, vocabulary]; its state is the decoder's.

    Args:
        vocabulary: how many tokens there are.
        form: sizes; GPT_FORM for those of nanoGPT's recipe for a CPU.
        length: the longest sequence, for learned positions.
        positions: a key of POSITIONS.
        memory: see Decoder.
        tied: the last layer is the table of embeddings, read backwards; or a linear map of its own.
    """

    def __init__(
        self,
        vocabulary: int,
        form: Form,
        length: int | None = 64,
        positions: str = "learned",
        memory: int | None = None,
        tied: bool = True,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = Embedding(vocabulary, form.width, form.spread or 0.02)
        self.decoder = Decoder(form, positions, length, memory)
        self.output = None if tied else _output(form, vocabulary)
        self.stacks = not form.dropout

    def init_state(self, *batch: int) -> Memory:
        return self.decoder.init_state(*batch)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Tokens [..., T], start [..., T] bool → (scores [..., T, vocabulary], state)."""
        check_text(x)
        y, state = self.decoder.unroll(self.embedding(x), state, start)
        return self.scores(y), state

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Tokens [...] → (scores [..., vocabulary], state)."""
        y, state = self.decoder.step(self.embedding(x), state, start)
        return self.scores(y), state

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [..., T] → scores [..., T, vocabulary]."""
        return self.unroll(x)[0]

    def scores(self, y: Tensor) -> Tensor:
        """What the decoder put out [..., width] → scores [..., vocabulary]."""
        out: Tensor = self.embedding.scores(y) if self.output is None else self.output(y)
        return out


GPT_FORM = Form(
    width=128, heads=4, hidden=512, layers=4, activation="gelu", pre_norm=True, bias=False, spread=0.02
)
"""nanoGPT's recipe for a CPU: 4 layers, 4 heads, 128 wide; its text is 64 tokens long."""


class Translator(Net):
    """Encoder and decoder over tokens: scores for the next token of the answer, from the source and the answer so far.

    The decoder is given the answer delayed by one: see `delayed` in seq2seq.py. `begin` reads a source and gives the
    state from which `step` and `unroll` go on.

    Args:
        source, target: how many tokens each side has.
        form: sizes of both.
        length: the longest sequence, for learned positions.
        positions: a key of POSITIONS.
        tied: the last layer is the answer's table of embeddings, read backwards.
    """

    def __init__(
        self,
        source: int,
        target: int,
        form: Form,
        length: int | None = None,
        positions: str = "sinusoid",
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.scale = (
            form.width**0.5
        )  # embeddings stand beside positions of size 1 (Vaswani et al. 2017, §3.4)
        self.source = Embedding(source, form.width, form.width**-0.5)
        self.target = Embedding(target, form.width, form.width**-0.5)
        self.encoder = Encoder(form, positions, length)
        self.decoder = Decoder(form, positions, length, cross=True)
        self.output = None if tied else _output(form, target)
        self.stacks = not form.dropout

    def init_state(self, *batch: int) -> Memory:
        """Without any source; `begin` reads one."""
        return self.decoder.init_state(*batch)

    def begin(self, source: Tensor, valid: Tensor | None = None) -> Memory:
        """Read the source's tokens [..., S], valid [..., S] bool (True = real): the first state of the answer."""
        check_text(source)
        return self.decoder.begin(self.encoder(self.source(source) * self.scale, valid), valid)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """Tokens of the answer [..., T] → (scores of each one's next [..., T, target], state)."""
        check_text(x)
        return self._through("unroll", x, state or self.init_state(*x.shape[:-1]), start)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self._through("step", x, state or self.init_state(*x.shape), start)

    def _through(self, verb: str, x: Tensor, state: Memory, start: Tensor | None) -> tuple[Tensor, Memory]:
        y, state = getattr(self.decoder, verb)(self.target(x) * self.scale, state, start)
        return self.target.scores(y) if self.output is None else self.output(y), state

    def forward(self, source: Tensor, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Source [..., S], delayed answer [..., T] → scores [..., T, target]; valid [..., S], True = real."""
        check_pairs(source, x)
        return self.unroll(x, self.begin(source, valid))[0]


def _output(form: Form, vocabulary: int) -> Linear:
    """The last layer of a model whose embeddings are its own."""
    layer = Linear(form.width, vocabulary, bias=form.bias)
    draw(layer, "xavier")
    if form.spread is not None:
        with torch.no_grad():
            nn.init.normal_(layer.weight, std=form.spread)
    return layer
