"""What a run came from: versions, commit, machine."""

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "gymnasium", "numpy", "wandb", "stable-baselines3")


@cache
def versions() -> dict[str, str]:
    """Of Python and of the packages whose version can change a number; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str | None:
    """The commit of this code, with `+` behind it if files were changed since; None outside a repository."""
    here = Path(__file__).parent
    if "site-packages" in here.parts:  # the repository around an installed copy is somebody else's
        return None
    commit = _git(here, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")


def machine() -> dict[str, Any]:
    """Host, platform, processor and cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"host": platform.node(), "platform": platform.platform(), "cpu": _cpu(), "cores": cores}


def changed(run: Mapping[str, Any]) -> str:
    """What is no longer as `run` (run.json) says, in words; empty when all is."""
    before, here = run.get("machine", {}), machine()
    names = ["the machine"] if any(before.get(key) != here[key] for key in ("host", "cpu")) else []
    old, new = run.get("versions", {}), versions()
    others = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    names += [f"{name} {new.get(name)} (was {old.get(name)})" for name in others]
    if run.get("git_commit") != git_commit():
        names.append("the code's commit")
    return ", ".join(names)


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str:
    try:
        run = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
