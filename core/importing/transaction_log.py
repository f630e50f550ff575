"""The records of a `.wandb` file, cut out of its blocks: nothing here knows what a record says.

W&B's file is a LevelDB log (https://github.com/google/leveldb/blob/main/doc/log_format.md) behind seven bytes of its
own: `:W&B`, 0xBEE1 and a version. Blocks of 32 KiB are counted from the file's first byte and hold fragments: checksum,
length, type, bytes. Unlike LevelDB's, the checksum is the plain CRC-32 of type and bytes.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import UserError

HEADER = struct.Struct("<4sHB")
IDENTITY = (b":W&B", 0xBEE1, 0)
BLOCK = 32_768
FRAGMENT = struct.Struct("<IHB")  # checksum, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class Damage:
    """What of a file could not be read."""

    places: int = 0  # spots in the middle that were passed over
    passed: int = 0  # bytes in them
    torn: int = 0  # bytes of a last record that is not whole: cut off, or still being written

    def words(self) -> str:
        """In one line; empty when all could be read."""
        middle = f"{self.places} damaged places passed over ({self.passed:,} bytes)" if self.places else ""
        tail = f"{self.torn:,} bytes at the end are no whole record" if self.torn else ""
        return ", ".join(filter(None, (middle, tail)))

    def skip(self, size: int) -> None:
        """Pass over a spot of so many bytes."""
        self.places += 1
        self.passed += size


def payloads(raw: bytes, damage: Damage) -> Iterator[bytes]:
    """Every whole record in order; what is not whole is counted in `damage` and never handed out.

    Raises:
        UserError: this is no W&B file, or one of a version not known here.
    """
    _check(raw)
    parts: list[bytes] | None = None  # of a record that began and has not ended
    for kind, data, size in _fragments(raw, damage):
        if kind in (FULL, FIRST, 0) and parts is not None:
            damage.skip(sum(map(len, parts)))  # its end is lost
            parts = None
        if kind == FULL:
            yield data
        elif kind == FIRST:
            parts = [data]
        elif kind and parts is None:
            damage.skip(size)  # its beginning is lost
        elif kind and parts is not None:
            parts.append(data)
            if kind == LAST:
                yield b"".join(parts)
                parts = None
    damage.torn += sum(map(len, parts or ()))


def _check(raw: bytes) -> None:
    if len(raw) < HEADER.size:
        raise UserError("nothing was written yet" if b":W&B".startswith(raw[:4]) else "not a W&B file")
    identity = HEADER.unpack_from(raw)
    if identity[:2] != IDENTITY[:2]:
        raise UserError("not a W&B file")
    if identity != IDENTITY:
        raise UserError(f"a W&B file of version {identity[2]}; versions to {IDENTITY[2]} can be read")


def _fragments(raw: bytes, damage: Damage) -> Iterator[tuple[int, bytes, int]]:
    """(type, bytes, size with its head); type 0 stands for a spot that was passed over."""
    at, total = HEADER.size, len(raw)
    while at < total:
        border = (at // BLOCK + 1) * BLOCK
        if border - at < FRAGMENT.size:
            at = border  # too little is left in a block for a head: filled with zeros
            continue
        if total - at < FRAGMENT.size:
            damage.torn += total - at
            return
        checksum, length, kind = FRAGMENT.unpack_from(raw, at)
        end = at + FRAGMENT.size + length
        if FULL <= kind <= LAST and total < end <= border:
            damage.torn += total - at
            return
        if FULL <= kind <= LAST and end <= border and zlib.crc32(memoryview(raw)[at + 6 : end]) == checksum:
            yield kind, raw[at + FRAGMENT.size : end], end - at
            at = end
            continue
        following = end if end < border and _sound(raw, end) else min(border, total)
        damage.skip(following - at)
        yield 0, b"", 0
        at = following


def _sound(raw: bytes, at: int) -> bool:
    """Whether a fragment that proves itself begins here: then the damage before it is one fragment's."""
    if len(raw) - at < FRAGMENT.size:
        return False
    checksum, length, kind = FRAGMENT.unpack_from(raw, at)
    end = at + FRAGMENT.size + int(length)
    return FULL <= int(kind) <= LAST and end <= len(raw) and zlib.crc32(raw[at + 6 : end]) == int(checksum)
