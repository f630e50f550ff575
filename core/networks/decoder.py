"""A Transformer that reads in order: all of a sequence at once, or step by step with the keys and values kept.

Both ways give the same numbers, across calls and across beginnings in the middle of a sequence: a query sees a key
that lies `distance` steps back if the sequence is at least that old and the memory at least that long.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.embedding import check_features
from core.networks.multihead import KeysValues
from core.networks.net import Memory, Net
from core.networks.positions import added, alibi, check_kind, since
from core.networks.transformer import DecoderLayer, Encoder, Form, Norm, View, spread


class Decoder(Net):
    """A stack of DecoderLayers; as a Net, y_t depends on x_0 … x_t of its own sequence.

    The state is (keys and values of each layer, age [B]) and, with `cross`, (…, the source's keys and values of each
    layer, which are real [B, S]). `start` forgets the sequence, not the source.

    Args:
        form: sizes.
        positions: a key of POSITIONS, counted from the sequence's beginning.
        length: rows of the table of learned positions; for endless sequences use another kind.
        memory: steps before its own that a layer sees: then the state keeps its size, and the past beyond is
            forgotten, layer by layer. None: everything since the beginning; the state grows.
        cross: attend to a source as well: see `begin`.
    """

    def __init__(
        self,
        form: Form,
        positions: str = "none",
        length: int | None = None,
        memory: int | None = None,
        cross: bool = False,
    ) -> None:
        super().__init__()
        if memory is not None and memory < 1:
            raise ValueError(f"a memory holds at least one step, not {memory}; None lets it grow")
        self.form, self.kind, self.memory, self.has_source = form, check_kind(positions), memory, cross
        self.added = added(positions, length, form.width)
        self.drop = nn.Dropout(form.dropout) if form.dropout else nn.Identity()
        self.layers = nn.ModuleList(
            DecoderLayer(form, cross, positions == "rope") for _ in range(form.layers)
        )
        self.norm = Norm(form) if form.final_norm else nn.Identity()
        self.stacks = not form.dropout
        spread(self, form)

    def init_state(self, *batch: int) -> Memory:
        """Nothing read yet: keys and values of `memory` places [*batch, heads, memory, d] (0 if it grows), age 0."""
        weight = next(self.parameters())
        shape = (*batch, self.form.heads, self.memory or 0, self.form.width // self.form.heads)
        caches = tuple((weight.new_zeros(shape), weight.new_zeros(shape)) for _ in self.layers)
        age = torch.zeros(batch, dtype=torch.int64, device=weight.device)
        if not self.has_source:
            return caches, age
        none = weight.new_zeros(*batch, self.form.heads, 0, shape[-1])
        nothing = torch.zeros(*batch, 0, dtype=torch.bool, device=weight.device)
        return caches, age, tuple((none, none) for _ in self.layers), nothing

    def begin(self, source: Tensor, valid: Tensor | None = None) -> Memory:
        """The first state for reading beside a source [..., S, width], valid [..., S] (True = real)."""
        check_features(source, self.form.width, valid=valid)
        sources = tuple(layer.recall(source) for layer in self.layers if isinstance(layer, DecoderLayer))
        real = (
            torch.ones(source.shape[:-1], dtype=torch.bool, device=source.device) if valid is None else valid
        )
        return *self.init_state(*source.shape[:-2])[:2], sources, real

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """x [..., T, width], start [..., T] bool → (y [..., T, width], state)."""
        check_features(x, self.form.width, start=start)
        caches, age, sources, real = self._parts(x, state)
        past = caches[0][0].shape[-2] if caches else 0
        view = self._view(x, past, age, start)
        if self.added is not None:
            x = self.added(x, view.positions)
        x, kept = self.drop(x), []
        for k, layer in enumerate(self.layers):
            x, seen = layer(x, caches[k] if caches else None, view, sources[k] if sources else None, real)
            kept.append((self._keep(seen[0]), self._keep(seen[1])))
        last = (view.positions[..., -1] + 1).expand(x.shape[:-2])
        rest = (sources, real) if self.has_source else ()
        return self.norm(x), (tuple(kept), last, *rest)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        """x [..., width], start [...] bool → (y [..., width], state)."""
        if x.dim() < 1 or x.shape[-1] != self.form.width:
            raise ValueError(f"a step has shape [B, {self.form.width}], not {list(x.shape)}")
        y, state = self.unroll(x.unsqueeze(-2), state, None if start is None else start.unsqueeze(-1))
        return y.squeeze(-2), state

    def forward(self, x: Tensor) -> Tensor:
        """A whole sequence from its beginning: x [..., T, width] → y; `unroll` without the state."""
        return self.unroll(x)[0]

    def _parts(
        self, x: Tensor, state: Memory
    ) -> tuple[tuple[KeysValues, ...], Tensor | None, tuple[KeysValues, ...], Tensor | None]:
        """Caches, age, sources and which of those are real; empty and None for ()."""
        if not state:
            return (), None, (), None
        caches, age, sources, real = (*state, (), None)[:4]
        if age.shape != x.shape[:-2]:
            raise ValueError(f"a state of {list(age.shape)} sequences does not go with x {list(x.shape)}")
        return caches, age, sources, real

    def _view(self, x: Tensor, past: int, age: Tensor | None, start: Tensor | None) -> View:
        """What each step may see: distance ≤ age and ≤ memory."""
        count = x.shape[-2]
        places = torch.arange(count, device=x.device)
        ages = since(places if age is None else age.unsqueeze(-1) + places, start)
        window = None if self.memory is None or self.memory >= past + count else self.memory
        distance = (past + places)[:, None] - torch.arange(past + count, device=x.device)
        bias = alibi(distance, self.form.heads, x.dtype) if self.kind == "alibi" else None
        if age is None and start is None and window is None and bias is None:
            return View(ages, causal=True)
        reach = ages if window is None else ages.clamp(max=window)
        return View(ages, ((distance >= 0) & (distance <= reach.unsqueeze(-1))).unsqueeze(-3), bias)

    def _keep(self, cache: Tensor) -> Tensor:
        """The last `memory` places, zeros before the first."""
        if self.memory is None:
            return cache
        short = self.memory - cache.shape[-2]
        return F.pad(cache, (0, 0, short, 0)) if short > 0 else cache[..., -self.memory :, :]


class Transformer(Net):
    """Encoder and decoder over features; the decoder's y_t depends on the whole source and on x_0 … x_t.

    Args:
        form: sizes of both.
        positions, length, memory: see Decoder.
    """

    def __init__(
        self, form: Form, positions: str = "none", length: int | None = None, memory: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = Encoder(form, positions, length)
        self.decoder = Decoder(form, positions, length, memory, cross=True)
        self.stacks = not form.dropout

    def init_state(self, *batch: int) -> Memory:
        """Without any source; `begin` reads one."""
        return self.decoder.init_state(*batch)

    def begin(self, source: Tensor, valid: Tensor | None = None) -> Memory:
        """Read the source [..., S, width], valid [..., S] bool (True = real): the first state of the answer."""
        return self.decoder.begin(self.encoder(source, valid), valid)

    def unroll(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self.decoder.unroll(x, state or self.init_state(*x.shape[:-2]), start)

    def step(self, x: Tensor, state: Memory = (), start: Tensor | None = None) -> tuple[Tensor, Memory]:
        return self.decoder.step(x, state or self.init_state(*x.shape[:-1]), start)

    def forward(self, source: Tensor, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """source [..., S, width], x [..., T, width] → y [..., T, width]; valid [..., S], True = real."""
        check_features(x, self.decoder.form.width)
        if source.shape[:-2] != x.shape[:-2]:
            raise ValueError(
                f"source {list(source.shape)} and target {list(x.shape)} must have the same rows"
            )
        return self.unroll(x, self.begin(source, valid))[0]
