"""Draws the README's pictures from the newest demo in runs/: `make pictures`. Needs Chromium on the path."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"


def screenshot(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """What a browser shows of a page, without a window."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("pictures: no chromium on the path; install it first")
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --hide-scrollbars"
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, *flags.split(), f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}",
             "--virtual-time-budget=5000", f"--screenshot={picture}", page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def main() -> None:
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs"
    demos = sorted(runs.glob("demo-*-vae"))
    if not demos:
        sys.exit(f"pictures: no demo in {runs}; run make demo first")
    PICTURES.mkdir(exist_ok=True)
    screenshot(runs / "report.html", PICTURES / "report.png", (1280, 1500))
    newest = max((demos[-1] / "0" / "media").glob("samples-*.png"), key=lambda path: path.stat().st_mtime)
    with Image.open(newest) as grid:
        grid.resize((2 * grid.width, 2 * grid.height), Image.Resampling.NEAREST).save(PICTURES / "digits.png")


if __name__ == "__main__":
    main()
