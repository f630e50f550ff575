"""Whether the process that wrote a record still lives."""

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def gone(run: Mapping[str, Any], written: Path) -> bool:
    """Whether the process that wrote run.json is gone: only said of this machine's own processes."""
    machine, pid = run.get("machine"), run.get("pid")
    if not isinstance(machine, dict) or machine.get("host") != platform.node() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, ValueError):
        return False  # someone else's process, or no /proc here: alive as far as one can tell
    born = time.time() - uptime + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    # A zombie trains no more; a process younger than the file it should have written has only its number.
    return after_name[0] == "Z" or born > written.stat().st_mtime + 2
