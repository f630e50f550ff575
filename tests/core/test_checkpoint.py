"""Checkpoints: plain data in, the same data out, anything else refused by name."""

from pathlib import Path, PosixPath

import numpy as np
import pytest
import torch

from core import checkpoint
from core.errors import UserError

STATE = {
    "weights": {"a": torch.arange(6.0).view(2, 3), "scalar": torch.tensor(2.5)},
    "array": np.array([1.5, -2.0]),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.int32),
    "plain": [1, 2.5, None, True, "text", {"deep": (1, torch.ones(2, dtype=torch.bfloat16))}],
    "big": 2**100,
    "infinite": float("-inf"),
}


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a", STATE)
    back = checkpoint.load(tmp_path / "a")
    assert set(back) == set(STATE)
    assert torch.equal(back["weights"]["a"], STATE["weights"]["a"])
    assert back["weights"]["scalar"].shape == ()
    for name in ("array", "flags", "empty"):
        assert isinstance(back[name], np.ndarray)
        assert back[name].dtype == STATE[name].dtype
        assert np.array_equal(back[name], STATE[name])
    assert back["plain"][:5] == STATE["plain"][:5]
    assert back["plain"][5]["deep"][0] == 1
    assert back["plain"][5]["deep"][1].dtype == torch.bfloat16
    assert (back["big"], back["infinite"]) == (2**100, float("-inf"))


def test_only_plain_data_is_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="plain data, not PosixPath"):
        checkpoint.save(tmp_path / "a", {"x": PosixPath("a")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [0, 7, 60, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    checkpoint.save(tmp_path / "a", STATE)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:cut])
    with pytest.raises(UserError, match=f"{tmp_path / 'a'} is truncated"):
        checkpoint.load(tmp_path / "a")


def test_an_altered_byte_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a", STATE)
    content = bytearray((tmp_path / "a").read_bytes())
    content[-2] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match="was altered"):
        checkpoint.load(tmp_path / "a")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1)}, tmp_path / "a")
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "none")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path / "a", {"x": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.checkpoint.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path / "a", {"x": 2})
    assert checkpoint.load(tmp_path / "a") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
