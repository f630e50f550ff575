"""Saving plain data: tensors, arrays and plain values in one checked file that is never run as code.

A checkpoint is a safetensors file. Its tensors are the tree's arrays; its header holds the tree itself as JSON
and a SHA-256 over both, so a truncated or altered file is refused by name.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from core.errors import UserError
from core.noise import State

_ARRAY, _TENSOR, _TUPLE = "__array__", "__tensor__", "__tuple__"


def save(path: Path, state: State) -> None:
    """Write ``state`` to ``path`` so that after a crash the file is either whole or what it was before.

    Raises:
        OSError: the disk refused; the file at ``path``, if any, is untouched.
        TypeError: the state holds something that is not plain data.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_strip(state, tensors), sort_keys=True)
    payload = to_bytes(tensors, {"tree": tree, "sha256": _digest(tree, tensors)})
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def load(path: Path) -> State:
    """Read what ``save`` wrote; arrays come back as arrays, tensors as tensors on the CPU.

    Raises:
        UserError: the file is missing, truncated or altered.
    """
    with _opened(path) as file:
        header: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.get("sha256") != _digest(header.get("tree", ""), tensors):
        raise UserError(f"checkpoint {path} was altered: its contents do not match its checksum")
    state: State = _restore(json.loads(header["tree"]), tensors)
    return state


def part(path: Path, without: Collection[str], limit: int) -> State | None:
    """What is in a checkpoint but for the branches of these names, which become None; the rest stays unread.

    Unlike ``load`` it cannot check the sum, which is over everything.

    Args:
        limit: bytes of tensors at most; None is returned where there are more.

    Raises:
        UserError: the file is missing or truncated.
    """
    with _opened(path) as file:
        tree = _pruned(json.loads((file.metadata() or {}).get("tree", "{}")), without)
        names = sorted(_names(tree))
        if sum(_bytes(file.get_slice(name)) for name in names) > limit:
            return None
        state: State = _restore(tree, {name: file.get_tensor(name) for name in names})
    return state


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A checkpoint's file; what it cannot give becomes one line."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"no checkpoint at {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"checkpoint {path} is truncated or not a checkpoint ({_first_line(error)})"
        ) from None


def _pruned(tree: Any, without: Collection[str]) -> Any:
    if isinstance(tree, list):
        return [_pruned(value, without) for value in tree]
    if isinstance(tree, dict):
        return {key: None if key in without else _pruned(value, without) for key, value in tree.items()}
    return tree


def _names(tree: Any) -> Iterator[str]:
    """Of the tensors a stripped tree stands for."""
    if isinstance(tree, list):
        for value in tree:
            yield from _names(value)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from [value] if key in (_ARRAY, _TENSOR) else _names(value)


def _bytes(piece: Any) -> int:
    """Of a tensor in a file, at most; no element is wider than eight bytes."""
    digits = re.search(r"\d+", str(piece.get_dtype()))
    wide = -(-int(digits[0]) // 8) if digits else 1
    return wide * math.prod(int(side) for side in piece.get_shape())


def _strip(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON, its arrays moved into ``tensors`` and replaced by their number there."""
    if isinstance(tree, dict):
        return {str(key): _strip(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_strip(value, tensors) for value in tree]
    if isinstance(tree, tuple):
        return {_TUPLE: [_strip(value, tensors) for value in tree]}
    if isinstance(tree, Tensor | np.ndarray):
        kind = _TENSOR if isinstance(tree, Tensor) else _ARRAY
        tensor = (
            tree.detach().cpu() if isinstance(tree, Tensor) else torch.from_numpy(np.ascontiguousarray(tree))
        )
        name = f"{len(tensors):05d}"
        tensors[name] = tensor.reshape(tree.shape).clone(memory_format=torch.contiguous_format)
        return {kind: name}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"a checkpoint holds plain data, not {type(tree).__name__}")


def _restore(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, list):
        return [_restore(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if _TENSOR in tree:
        return tensors[tree[_TENSOR]]
    if _ARRAY in tree:
        return tensors[tree[_ARRAY]].numpy()
    if _TUPLE in tree:
        return tuple(_restore(value, tensors) for value in tree[_TUPLE])
    return {key: _restore(value, tensors) for key, value in tree.items()}


def _digest(tree: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(tree.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
