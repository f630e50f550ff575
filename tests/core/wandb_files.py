"""Offline W&B runs for tests: by the real wandb in a process of its own, or written record by record."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

from tests.core.recorded import python

Record: Any = wandb_internal_pb2.Record
BLOCK = 32_768
START = 1_767_323_045.25  # 2026-01-02 03:04:05.25 UTC

REAL = """
    import math, sys, warnings
    import numpy as np
    import wandb
    from PIL import Image
    quiet = wandb.Settings(
        console={console!r}, silent=True, disable_git=True, save_code=False, x_disable_stats=True
    )
    def init(**more):
        more.setdefault("reinit", "create_new")
        return wandb.init(mode="offline", dir={home!r}, settings=quiet, **more)
"""


def real(home: Path, script: str, console: str = "off") -> None:
    """Run a script with the real wandb; `init(…)` begins an offline run in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    done = python(REAL.format(home=str(home), console=console) + script)
    assert done.returncode == 0, done.stderr


def inspected(path: Path) -> list[dict[str, Any]]:
    """What wandb's own reader says is in a file, record by record."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in out.splitlines()]


# --- written by hand


def run(
    id: str = "abc12345", config: Mapping[str, Any] | None = None, start: float = START, **more: Any
) -> Any:
    """A run record."""
    record = Record()
    record.run.run_id, record.run.project = id, more.pop("project", "mine")
    record.run.start_time.seconds, record.run.start_time.nanos = int(start), round(start % 1 * 1e9)
    for name, value in more.items():
        setattr(record.run, name, value)
    for key, value in (config or {}).items():
        record.run.config.update.add(key=key, value_json=json.dumps(value))
    return record


def row(step: int, time: float | None = None, **values: Any) -> Any:
    """A row of history; `time` in seconds after START."""
    record = Record()
    values = {"_step": step, **({} if time is None else {"_timestamp": START + time}), **values}
    for name, value in values.items():
        record.history.item.add(nested_key=[name], value_json=json.dumps(value))
    return record


def leave(code: int = 0) -> Any:
    """The exit record."""
    record = Record()
    record.exit.exit_code = code
    return record


def encoded(records: Iterable[Any]) -> bytes:
    """The bytes of a `.wandb` file."""
    out = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    for record in records:
        data, first = record if isinstance(record, bytes) else record.SerializeToString(), True
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                continue
            part, data = data[: room - 7], data[room - 7 :]
            kind = (1 if first else 4) if not data else (2 if first else 3)
            sum = zlib.crc32(bytes([kind]) + part)
            out += struct.pack("<IHB", sum, len(part), kind) + part
            first = False
            if not data:
                break
    return bytes(out)


def write(home: Path, records: Iterable[Any], id: str = "abc12345", when: str = "20260102_030405") -> Path:
    """A run folder as wandb lays it."""
    folder = home / "wandb" / f"offline-run-{when}-{id}"
    (folder / "files").mkdir(parents=True)
    path = folder / f"run-{id}.wandb"
    path.write_bytes(encoded(records))
    return path
