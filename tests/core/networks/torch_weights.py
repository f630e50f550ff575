"""The weights of torch's own attention layers, in ours."""

import torch
from torch import Tensor, nn

from core.networks.decoder import Transformer
from core.networks.multihead import MultiHead
from core.networks.transformer import DecoderLayer, EncoderLayer


def _copy(ours: nn.Module, theirs: nn.Module) -> None:
    with torch.no_grad():
        for name in ("weight", "bias"):
            if getattr(theirs, name, None) is not None:
                ours.get_parameter(name).copy_(getattr(theirs, name))


def copy_attention(ours: MultiHead, theirs: nn.MultiheadAttention) -> None:
    """Torch packs the three input maps into one where the widths allow."""
    if theirs.in_proj_weight is not None:
        weights: tuple[Tensor, ...] = theirs.in_proj_weight.chunk(3)
    else:
        weights = (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
    biases = (None,) * 3 if theirs.in_proj_bias is None else theirs.in_proj_bias.chunk(3)
    with torch.no_grad():
        for layer, weight, bias in zip((ours.query, ours.key, ours.value), weights, biases, strict=True):
            layer.weight.copy_(weight)
            if bias is not None:
                layer.bias.copy_(bias)
    _copy(ours.output, theirs.out_proj)


def copy_layer(ours: EncoderLayer | DecoderLayer, theirs: nn.Module) -> None:
    """One layer of an encoder or a decoder."""
    part = theirs.get_submodule
    attention = part("self_attn")
    assert isinstance(attention, nn.MultiheadAttention)
    copy_attention(ours.attention, attention)
    _copy(ours.feed.first, part("linear1"))
    _copy(ours.feed.second, part("linear2"))
    norms = [ours.around_attention.norm]
    if isinstance(ours, DecoderLayer) and ours.cross is not None and ours.around_cross is not None:
        cross = part("multihead_attn")
        assert isinstance(cross, nn.MultiheadAttention)
        copy_attention(ours.cross, cross)
        norms.append(ours.around_cross.norm)
    for k, norm in enumerate([*norms, ours.around_feed.norm], 1):
        _copy(norm, part(f"norm{k}"))


def copy_transformer(ours: Transformer, theirs: nn.Transformer) -> None:
    """All layers of both stacks, and their last norms."""
    for mine, torchs in ((ours.encoder, theirs.encoder), (ours.decoder, theirs.decoder)):
        for layer, other in zip(mine.layers, torchs.layers, strict=True):
            assert isinstance(layer, EncoderLayer | DecoderLayer)
            copy_layer(layer, other)
        _copy(mine.norm, torchs.norm)
