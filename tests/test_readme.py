"""The README, read as a stranger would: every code block is run, in order, in one folder."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, so that the README may add a file to them, and `lab` on the path."""
    folder = tmp_path_factory.mktemp("readme")
    for package in ("core", "rl", "generative"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bin").mkdir()
    for name, words in (("lab", "-m core.cli "), ("python", "")):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (folder / "bin" / name).chmod(0o755)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "WANDB_MODE": "disabled"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def served(folder: Path) -> str:
    """The page that `lab dashboard` serves."""
    command = [sys.executable, "-m", "core.cli", "dashboard", "--no-open", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+?/", process.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            page: bytes = answer.read()
        process.terminate()
    return page.decode()


def test_every_block_is_of_a_kind_that_runs() -> None:
    assert len(BLOCKS) >= 9
    assert {kind for kind, _ in BLOCKS} == {"bash", "python"}


def test_every_block_runs(folder: Path) -> None:
    """One test, since a later block uses what an earlier one made."""
    for kind, text in BLOCKS:
        first = text.partition("\n")[0]
        if kind == "python" and (name := re.fullmatch(r"# (\S+\.py)", first)):
            assert text == f"{first}\n{(folder / name[1]).read_text()}", f"{name[1]} is written otherwise"
        elif kind == "python":
            done = run(folder, sys.executable, "-c", text)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        elif first.startswith("make "):  # too long for a test; that the targets are there is not
            targets = [line.split()[1] for line in text.splitlines()]
            done = run(ROOT, "make", "--dry-run", "--always-make", *targets)
            assert done.returncode == 0, done.stderr
            assert all(word in done.stdout for word in ("lab demo", "pytest"))
        elif first == "lab dashboard":  # it would stay
            assert "<title>lab</title>" in served(folder)
        else:
            done = run(folder, "bash", "-ec", text)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    assert (folder / "report.html").stat().st_size > 100_000
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_every_picture_and_page_it_points_to_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
