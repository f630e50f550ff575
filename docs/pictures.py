"""Draws the README's pictures: `make pictures`, from the newest demo in runs/ and the tables of `lab bench`.

Needs Chromium on the path for the report's. What was not made yet is left as it is, and said.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
GAP, TITLE = 12, 26  # pixels between two panels, and for the words above one

SENSITIVITY = """# Step size and first weights: GAN beside WGAN-GP
The ring of eight modes, three hidden layers of 64 for all networks, three seeds trained together for 3,000 updates of
the generator; WGAN-GP makes five of its critic for each, the GAN one. Across: Adam's step size; down: the scale of all
first weights. Means over seeds, and least to most where they differ. Written by
`lab bench trainers --tier table --only sensitivity` (settings in `generative/sensitivity.py`) and `make pictures`.
"""


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


def newest(folder: Path, name: str) -> Path | None:
    """The last picture of that name that a run recorded."""
    found = list((folder / "media").glob(f"{name}-*.png"))
    return max(found, key=lambda path: int(path.stem.rpartition("-")[2])) if found else None


def side_by_side(panels: Sequence[tuple[str, Path | None]], picture: Path, enlarge: int = 1) -> None:
    """Pictures in a row, each under its title."""
    paths = [path for _, path in panels if path is not None and path.exists()]
    if len(paths) < len(panels):
        print(f"pictures: {picture.name} is left as it was: its runs are not there")
        return
    images = [Image.open(path).convert("RGB") for path in paths]
    images = [
        image.resize((enlarge * image.width, enlarge * image.height), Image.Resampling.NEAREST)
        for image in images
    ]
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    sheet = Image.new("RGB", (width, TITLE + max(image.height for image in images)), "white")
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(15), 0
    for (title, _), image in zip(panels, images, strict=True):
        draw.text((left + 2, 3), title, fill="#222222", font=font)
        sheet.paste(image, (left, TITLE))
        left += image.width + GAP
    sheet.save(picture)


def of_demo(runs: Path) -> None:
    """The report, and digits that were drawn."""
    demos = sorted(runs.glob("demo-*-vae"))
    if not demos:
        print(f"pictures: no demo in {runs}; run make demo first")
        return
    screenshot(runs / "report.html", PICTURES / "report.png", (1280, 1500))
    gan = demos[-1].with_name(demos[-1].name.removesuffix("vae") + "wgan-gp")
    panels = [(title, newest(run / "0", "samples")) for title, run in (("VAE", demos[-1]), ("WGAN-GP", gan))]
    side_by_side(panels, PICTURES / "digits.png", enlarge=2)


def of_tables(bench: Path) -> None:
    """Q tables on the cliff, mixtures covered, gradients that vanish, and digits of MNIST."""
    cliff, trainers = bench / "agents" / "table" / "cliff", bench / "trainers" / "table"
    names = ("q-learning", "sarsa")
    side_by_side(
        [(name, newest(cliff / f"cliff-{name}" / "0", "q_table")) for name in names], PICTURES / "cliff.png"
    )
    runs = {"GAN": "gan", "GAN, WGAN-GP's step size": "gan-alike", "WGAN-GP": "wgan-gp"}
    panels = [
        (title, newest(trainers / f"collapse-{run}-grid" / "0", "samples")) for title, run in runs.items()
    ]
    side_by_side(panels, PICTURES / "grid.png")
    side_by_side([("", trainers / "vanishing" / "vanishing.png")], PICTURES / "vanishing.png")
    panels = [
        (title, newest(trainers / f"{run}-mnist" / "0", "samples"))
        for title, run in {"GAN": "gan", "WGAN-GP": "wgan-gp"}.items()
    ]
    side_by_side(panels, PICTURES / "mnist.png")


def of_maps(written: Path) -> None:
    """The maps of step size and first weights, as the bench wrote them."""
    if not written.exists():
        print("pictures: sensitivity.md is left as it was: its trainings are not there")
        return
    (ROOT / "docs" / "sensitivity.md").write_text(f"{SENSITIVITY}\n{written.read_text()}")


def main() -> None:
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs"
    PICTURES.mkdir(exist_ok=True)
    of_demo(runs)
    of_tables(runs / "bench")
    of_maps(runs / "bench" / "trainers" / "table" / "sensitivity" / "sensitivity.md")


if __name__ == "__main__":
    main()
