"""BERT (Devlin et al. 2019): an encoder that learns from text by filling gaps and by telling what follows what.

What the text is turned into for that – gaps, pairs – is made in masking.py.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.embedding import Embedding, check_mask, check_text, check_tokens
from core.networks.net import LayerNorm, Linear, Memory, Net, draw
from core.networks.positions import Learned, since
from core.networks.transformer import Encoder, Form

BASE = Form(
    width=768,
    heads=12,
    hidden=3072,
    layers=12,
    activation="gelu",
    pre_norm=False,
    final_norm=False,
    eps=1e-12,
    spread=0.02,
)
"""The sizes of BERT-base: with 30,522 tokens, 512 places and the pooler 109,482,240 weights."""


class Bert(Net):
    """The trunk: tokens, their places and their segments, through an encoder; and one vector for the whole text.

    Args:
        vocabulary: how many tokens there are.
        form: sizes; `replace(BASE, …)` for smaller ones, where a wider `spread` of the first weights learns sooner:
            about 1/√width. Its dropout is also that of the embeddings.
        length: the longest text.
        segments: how many parts a text may have.
    """

    def __init__(self, vocabulary: int, form: Form = BASE, length: int = 512, segments: int = 2) -> None:
        super().__init__()
        self.vocabulary, self.segments, self.spread = vocabulary, segments, form.spread or 0.02
        self.embedding = Embedding(vocabulary, form.width, self.spread)
        self.places = Learned(length, form.width, self.spread)
        self.segment = Embedding(segments, form.width, self.spread)
        self.norm = LayerNorm(form.width, form.eps)
        self.encoder = Encoder(replace(form, spread=None))
        self.pooler = Linear(form.width, form.width)
        self.stacks = not form.dropout
        for part in self.modules():
            if isinstance(part, Linear):
                _draw(part, self.spread)

    def forward(self, x: Tensor, segments: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """A vector for every place.

        Args:
            x: tokens [..., T], the first of each text being [CLS].
            segments: [..., T] the part each token belongs to; None: all to the first.
            valid: [..., T] bool, True = real.

        Returns:
            [..., T, width]; `pool` makes one vector of them.
        """
        return self._read(x, segments, valid, None)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """As `forward`; start [..., T] bool: a new text begins, and no place reads one of another."""
        return self._read(x, None, None, start), ()

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        raise ValueError("BERT reads a whole text at once, it has no single step: call it")

    def pool(self, hidden: Tensor) -> Tensor:
        """One vector for the whole text, tanh(W h + b) of its first place: [..., T, width] → [..., width]."""
        return torch.tanh(self.pooler(hidden[..., 0, :]))

    def _read(self, x: Tensor, segments: Tensor | None, valid: Tensor | None, start: Tensor | None) -> Tensor:
        check_text(x)
        check_mask("valid", valid, list(x.shape))
        check_mask("start", start, list(x.shape))
        part = torch.zeros_like(x) if segments is None else segments
        if part.shape != x.shape:
            raise ValueError(f"`segments` must be [B, T] = {list(x.shape)}, not {list(part.shape)}")
        check_tokens(part, self.segments, "segment")
        vectors = self.embedding(x) + self.segment(part)
        places = since(torch.arange(x.shape[-1], device=x.device), start)
        return self.encoder.unroll(self.norm(self.places(vectors, places)), (), start, valid)[0]


class Pretraining(Net):
    """Both tasks at once: scores for what stood in the gaps, and for whether the second part follows the first.

    Args:
        trunk: whose table of embeddings is also the last layer of the gaps.
    """

    def __init__(self, trunk: Bert) -> None:
        super().__init__()
        width = trunk.pooler.out_features
        self.trunk, self.stacks = trunk, trunk.stacks
        self.transform, self.norm = Linear(width, width), LayerNorm(width, trunk.norm.eps)
        self.bias = nn.Parameter(torch.zeros(trunk.vocabulary))
        self.follows = Linear(width, 2)
        for part in (self.transform, self.follows):
            _draw(part, trunk.spread)

    def forward(
        self, x: Tensor, segments: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As Bert's → (scores of tokens [..., T, vocabulary], of 0 = follows and 1 = does not [..., 2])."""
        hidden = self.trunk(x, segments, valid)
        return self.gaps(hidden), self.follows(self.trunk.pool(hidden))

    def gaps(self, hidden: Tensor) -> Tensor:
        """What the trunk gave [..., T, width] → scores of the token at every place [..., T, vocabulary]."""
        y = self.trunk.embedding.scores(self.norm(F.gelu(self.transform(hidden))))
        return y + (
            self.bias if self.bias.dim() == 1 else self.bias.reshape(len(y), *[1] * (y.dim() - 2), -1)
        )

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """The scores of tokens alone."""
        return self.gaps(self.trunk.unroll(x, (), start)[0]), ()

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self.trunk.step(x, state, start)


class TextClassifier(nn.Module):
    """Fine-tuning: one class for the whole text, from its one vector.

    Args:
        trunk: a trained one, or a fresh one to start from scratch.
    """

    def __init__(self, trunk: Bert, classes: int) -> None:
        super().__init__()
        self.trunk, self.stacks = trunk, trunk.stacks
        self.output = Linear(trunk.pooler.out_features, classes)
        _draw(self.output, trunk.spread)

    def forward(self, x: Tensor, segments: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """As Bert's → scores [..., classes]."""
        y: Tensor = self.output(self.trunk.pool(self.trunk(x, segments, valid)))
        return y


class TokenClassifier(Net):
    """Fine-tuning: one class for every token.

    Args:
        trunk: as TextClassifier's.
    """

    def __init__(self, trunk: Bert, classes: int) -> None:
        super().__init__()
        self.trunk, self.stacks = trunk, trunk.stacks
        self.output = Linear(trunk.pooler.out_features, classes)
        _draw(self.output, trunk.spread)

    def forward(self, x: Tensor, segments: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """As Bert's → scores [..., T, classes]."""
        y: Tensor = self.output(self.trunk(x, segments, valid))
        return y

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self.output(self.trunk.unroll(x, (), start)[0]), ()

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self.trunk.step(x, state, start)


def pretraining_loss(
    gaps: Tensor, follows: Tensor, tokens: Tensor, chosen: Tensor, label: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropies, in nats, to be added: mean over the chosen places, and mean over the texts.

    Args:
        gaps, follows: what Pretraining put out: [..., T, vocabulary] and [..., 2].
        tokens: [..., T] what the text was; chosen: [..., T] bool, which places count.
        label: [...] 0: the second part follows the first, 1: it does not.
    """
    surprise = -gaps.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    filled = torch.where(chosen, surprise, 0.0).sum() / chosen.sum().clamp(min=1)
    return filled, -follows.log_softmax(-1).gather(-1, label.unsqueeze(-1)).mean()


def _draw(layer: Linear, spread: float) -> None:
    """Normal first weights of that deviation, zero bias."""
    draw(layer, "xavier")
    nn.init.normal_(layer.weight, std=spread)
