"""Tokens as vectors: a table with one row per token, and the same table read backwards as the last layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.networks.net import transformed


def check_tokens(tokens: Tensor, vocabulary: int, what: str = "token") -> None:
    """ValueError unless `tokens` are whole numbers from 0 to vocabulary − 1.

    Inside a transform or a compilation only the type is looked at.
    """
    if tokens.dtype.is_floating_point or tokens.dtype == torch.bool:
        raise ValueError(f"{what}s are whole numbers, not {tokens.dtype} in {list(tokens.shape)}")
    if tokens.numel() and not transformed():
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= vocabulary:
            worst = low if low < 0 else high
            limit = f"0 to {vocabulary - 1}"
            raise ValueError(
                f"{what} {worst} in {list(tokens.shape)} lies outside the {vocabulary} known ones, {limit}"
            )


def check_text(tokens: Tensor) -> None:
    """ValueError unless tokens are [B, T] with T ≥ 1 (or with more axes before)."""
    if tokens.dim() < 1:
        raise ValueError(f"a sequence of tokens has shape [B, T], not {list(tokens.shape)}")
    if tokens.shape[-1] == 0:
        raise ValueError(f"a sequence needs at least one token, got none in {list(tokens.shape)}")


def check_features(x: Tensor, width: int, **masks: Tensor | None) -> None:
    """ValueError unless x is [B, T, width] with T ≥ 1 and every mask [B, T] bool."""
    if x.dim() < 2:
        raise ValueError(f"a sequence has shape [B, T, {width}], not {list(x.shape)}")
    if x.shape[-1] != width:
        raise ValueError(f"expected {width} features in [B, T, {width}], got {list(x.shape)}")
    if x.shape[-2] == 0:
        raise ValueError(f"a sequence needs at least one step, got none in {list(x.shape)}")
    for name, mask in masks.items():
        check_mask(name, mask, list(x.shape[:-1]))


def check_mask(name: str, mask: Tensor | None, shape: list[int]) -> None:
    """ValueError unless the mask is None, or bool and of that shape."""
    if mask is not None and list(mask.shape) != shape:
        raise ValueError(f"`{name}` must be [B, T] = {shape}, not {list(mask.shape)}")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"`{name}` must be of bool, True = real, not of {mask.dtype}")


def check_pairs(source: Tensor, target: Tensor) -> None:
    """ValueError unless there are as many sources [..., S] as targets [..., T]."""
    if source.shape[:-1] != target.shape[:-1]:
        raise ValueError(
            f"source {list(source.shape)} and target {list(target.shape)} must have the same rows"
        )


class Embedding(nn.Embedding):
    """Row `token` of a table [vocabulary, width]; also stacked: table [S, vocabulary, width], tokens [S, …].

    The same as a one-hot vector times the table.
    """

    stacks = True

    def __init__(self, vocabulary: int, width: int, std: float = 1.0) -> None:
        super().__init__(vocabulary, width)
        nn.init.normal_(self.weight, std=std)

    def forward(self, input: Tensor) -> Tensor:
        """Tokens [...] → [..., width]; ValueError for one outside the vocabulary."""
        check_tokens(input, self.num_embeddings)
        if self.weight.dim() == 2:
            return F.embedding(input, self.weight)
        seeds, rows, width = self.weight.shape
        first = torch.arange(seeds, device=input.device).reshape(-1, *[1] * (input.dim() - 1)) * rows
        return F.embedding(input + first, self.weight.reshape(seeds * rows, width))

    def scores(self, x: Tensor) -> Tensor:
        """x [..., width] → its product with every row [..., vocabulary]: the last layer of a tied model."""
        if self.weight.dim() == 2:
            return F.linear(x, self.weight)
        flat = torch.bmm(x.reshape(len(x), -1, x.shape[-1]), self.weight.mT)
        return flat.reshape(*x.shape[:-1], -1)
