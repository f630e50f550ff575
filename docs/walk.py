"""Runs the walk of docs/comparing.md and writes its outputs and figures into it: `make walk`.

A fenced block of bash is run line by line; a fenced block of text right after it is what its last command said.
`lab dashboard` is opened in a browser of its own, for its picture.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURES = ROOT / "docs" / "comparing.md", ROOT / "docs" / "pictures"
BLOCK = re.compile(r"(```bash\n(?P<commands>.*?)```\n)(?P<shown>```text\n.*?```\n)?", re.DOTALL)
FIGURES = {
    "runs/walk/five/CartPole-v1-scores.png": "walk-five-scores.png",
    "runs/walk/figures/CartPole-v1-scores.png": "walk-scores.png",
    "runs/walk/figures/CartPole-v1-curves.png": "walk-curves.png",
}


def said(command: str) -> str:
    """What a command of the lab prints; anything but success ends the walk."""
    print(f"$ {command}", flush=True)
    words = [str(Path(sys.executable).with_name("lab")), *shlex.split(command)[1:]]
    environment = {**os.environ, "COLUMNS": "140", "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"walk: {command!r} ended with {done.returncode}")
    return done.stdout.strip()


def walked(match: re.Match[str]) -> str:
    """A block with what its last command says today."""
    commands = [line for line in match["commands"].splitlines() if not line.startswith("lab dashboard")]
    outputs = [said(command) for command in commands]
    if match["shown"] is None:
        return match[0]
    return f"{match[1]}```text\n{outputs[-1]}\n```\n"


def main() -> None:
    PAGE.write_text(BLOCK.sub(walked, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for made, name in FIGURES.items():
        shutil.copyfile(ROOT / made, PICTURES / name)
    subprocess.run(
        [sys.executable, str(ROOT / "docs" / "pictures.py"), "--walk", str(ROOT / "runs" / "walk")],
        check=True,
    )


if __name__ == "__main__":
    main()
