"""Writing token by token with any Net over tokens, whose state may already hold a source.

The random numbers are given: the same ones, the same text.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from core.networks.embedding import check_text
from core.networks.net import Memory, Net


def greedy(scores: Tensor) -> Tensor:
    """The likeliest token: scores [..., V] → [...]."""
    return scores.argmax(-1)


def sampled(
    scores: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """One token from softmax(scores / temperature), cut to the likeliest ones and made to sum to 1 again.

    Args:
        scores: [..., V].
        uniform: [...] numbers from [0, 1): each says how much of the probability, likeliest first, is passed over.
        temperature: above 0; towards 0 the likeliest token alone is left.
        top_k: keep the k likeliest.
        top_p: keep the fewest likeliest ones that hold this share of the probability (Holtzman et al. 2020).

    Returns:
        Tokens [...].
    """
    if temperature <= 0:
        raise ValueError(
            f"the temperature must be above 0, not {temperature}; for the likeliest token use greedy"
        )
    if uniform.shape != scores.shape[:-1]:
        raise ValueError(
            f"scores {list(scores.shape)} need random numbers {list(scores.shape[:-1])}, not {list(uniform.shape)}"
        )
    ordered, tokens = (scores / temperature).sort(dim=-1, descending=True, stable=True)
    shares = ordered.softmax(-1)
    kept = torch.ones_like(shares, dtype=torch.bool)
    if top_k is not None:
        if top_k < 1:
            raise ValueError(f"top_k keeps at least one token, not {top_k}")
        kept[..., top_k:] = False
        shares = torch.where(kept, shares, 0.0)
        shares = shares / shares.sum(-1, keepdim=True)
    if top_p is not None:
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is a share above 0 and up to 1, not {top_p}")
        kept = kept & (shares.cumsum(-1) - shares < top_p)
        shares = torch.where(kept, shares, 0.0)
    passed = shares.cumsum(-1)
    place = (passed <= uniform.unsqueeze(-1) * passed[..., -1:]).sum(-1)
    place = torch.minimum(place, kept.sum(-1) - 1)  # rounding
    return tokens.gather(-1, place.unsqueeze(-1)).squeeze(-1)


class Text(NamedTuple):
    """What was written."""

    tokens: Tensor  # [B, steps]; after a row's end: the padding
    lengths: Tensor  # [B] tokens of each row up to and with its stop
    scores: Tensor  # [B, steps, V] from which each was chosen; after a row's end they mean nothing


def generate(
    net: Net,
    prompt: Tensor,
    steps: int,
    state: Memory = (),
    uniform: Tensor | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | None = None,
    padding: int = 0,
    cached: bool = True,
    context: int | None = None,
) -> Text:
    """Go on from a prompt, without gradients, for at most `steps` tokens; earlier once every row has ended.

    Args:
        net: reads tokens, puts out scores of the next: unroll and step.
        prompt: [B, P] tokens, P ≥ 1.
        state: what was read before, e.g. `net.begin(source)`; () for nothing.
        uniform: [B, steps] numbers from [0, 1) to sample with; None: greedy.
        temperature, top_k, top_p: see `sampled`.
        stop: the token that ends a row; None: none does.
        padding: what stands behind a row's end.
        cached: read every token once and keep the state; else read the whole text anew for every token.
        context: uncached, read the last so many tokens only: for texts over the table of positions.
    """
    check_text(prompt)
    _check(prompt, steps, uniform, cached, context)
    with torch.no_grad():
        text, wanted, lengths, found = prompt, torch.ones_like(prompt[:, 0], dtype=torch.bool), [], []
        now, later = net.unroll(prompt if context is None else prompt[:, -context:], state)
        for t in range(steps):
            scores = now[:, -1]
            token = greedy(scores)
            if uniform is not None:
                token = sampled(scores, uniform[:, t], temperature, top_k, top_p)
            token = torch.where(wanted, token, padding)
            text = torch.cat([text, token.unsqueeze(1)], 1)
            found.append(scores)
            lengths.append(wanted)
            wanted = wanted if stop is None else wanted & (token != stop)
            if t + 1 == steps or not bool(wanted.any()):
                break
            if cached:
                out, later = net.step(token, later)
                now = out.unsqueeze(1)
            else:
                now, _ = net.unroll(text if context is None else text[:, -context:], state)
        return Text(text[:, prompt.shape[1] :], torch.stack(lengths).sum(0), torch.stack(found, 1))


def _check(prompt: Tensor, steps: int, uniform: Tensor | None, cached: bool, context: int | None) -> None:
    if prompt.dim() != 2:
        raise ValueError(f"a prompt has shape [B, P], not {list(prompt.shape)}")
    if steps < 1:
        raise ValueError(f"at least one token must be asked for, not {steps}")
    if uniform is not None and list(uniform.shape) != [len(prompt), steps]:
        raise ValueError(
            f"{steps} steps need random numbers {[len(prompt), steps]}, not {list(uniform.shape)}"
        )
    if context is not None and (cached or context < 1):
        raise ValueError(f"a context of {context}: at least 1, and with cached=False")
