"""Blocks: whole records come out as they went in; a torn or damaged file gives fewer, never others."""

import struct

import pytest

from core.errors import UserError
from core.importing.transaction_log import BLOCK, Damage, payloads
from tests.core.wandb_files import encoded

RECORDS = [b"first", b"", b"x" * 100, b"\x00" * 30, b"last"]


def read(raw: bytes) -> tuple[list[bytes], Damage]:
    damage = Damage()
    return list(payloads(raw, damage)), damage


def test_records_of_every_length_around_a_block_come_back() -> None:
    # 7 bytes of file header and 7 of the fragment's fill the first block with BLOCK − 14 bytes
    for length in [*range(BLOCK - 40, BLOCK + 10), 2 * BLOCK, 3 * BLOCK + 5, 200_000]:
        records = [b"a" * length, b"b" * 10, b"c" * length]
        assert read(encoded(records)) == (records, Damage())


def test_the_first_record_of_a_file_stands_where_the_format_says() -> None:
    raw = encoded([b"abc"])
    assert raw[:7] == b":W&B\xe1\xbe\x00"
    assert struct.unpack_from("<HB", raw, 11) == (3, 1)
    assert raw[14:] == b"abc"


def test_a_file_cut_anywhere_gives_the_records_before_the_cut() -> None:
    raw = encoded(RECORDS)
    ends = [7]
    for record in RECORDS:
        ends.append(ends[-1] + 7 + len(record))
    assert ends[-1] == len(raw)
    for cut in range(7, len(raw) + 1):
        found, damage = read(raw[:cut])
        whole = sum(end <= cut for end in ends) - 1
        assert found == RECORDS[:whole]
        assert damage == Damage(torn=cut - ends[whole])


def test_a_long_record_cut_anywhere_is_not_handed_out() -> None:
    raw = encoded([b"a", b"b" * 70_000])
    for cut in [20, 100, BLOCK - 1, BLOCK, BLOCK + 3, BLOCK + 7, 2 * BLOCK, len(raw) - 1]:
        found, damage = read(raw[:cut])
        assert found == [b"a"]
        assert damage.places == 0
        assert (damage.torn > 0) == (cut > 15)


def test_any_changed_byte_loses_its_own_record_at_most() -> None:
    raw = encoded(RECORDS)
    for at in range(7, len(raw)):
        broken = bytearray(raw)
        broken[at] ^= 0x55
        found, damage = read(bytes(broken))
        assert [record for record in found if record not in RECORDS] == []
        assert len(found) < len(RECORDS)
        assert damage.places + damage.torn > 0
    broken = bytearray(raw)
    broken[7 + 7] ^= 1  # of "first", whose length still stands: the others are found
    assert read(bytes(broken)) == (RECORDS[1:], Damage(places=1, passed=12))


def test_reading_goes_on_at_the_next_block_when_a_length_is_broken() -> None:
    records = [bytes([65 + i]) * 3_000 for i in range(26)]
    raw = bytearray(encoded(records))
    raw[7 + 4 : 7 + 6] = b"\xff\xff"
    found, damage = read(bytes(raw))
    # ten whole records and a piece of the eleventh stand in the first block
    assert found == records[11:]
    assert damage.places == 2
    assert damage.torn == 0


def test_a_block_of_zeros_in_the_middle_is_passed_over() -> None:
    records = [bytes([65 + i]) * 3_000 for i in range(40)]
    raw = bytearray(encoded(records))
    raw[BLOCK : 2 * BLOCK] = bytes(BLOCK)
    found, damage = read(bytes(raw))
    assert found == [*records[:10], *records[22:]]
    assert damage.places == 3
    assert "3 damaged places passed over" in damage.words()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "nothing was written yet"),
        (b":W&", "nothing was written yet"),
        (b"PK\x03\x04", "not a W&B file"),
        (b"PK\x03\x04 and more", "not a W&B file"),
        (struct.pack("<4sHB", b":W&B", 0xBEE1, 9), "version 9"),
    ],
)
def test_what_is_no_file_of_wandb_is_said(raw: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read(raw)
