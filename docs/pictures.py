"""Draws the README's pictures: `make pictures`, from the newest demo in runs/ and the tables of `lab bench`.

Needs Chromium for those of the report and the dashboard. What was not made yet is left as it is, and said.
`python docs/pictures.py --walk runs/walk` draws the one of the walk in docs/comparing.md alone.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
GAP, TITLE = 12, 26  # pixels between two panels, and for the words above one

SENSITIVITY = """# Step size and first weights: GAN beside WGAN-GP
The ring of eight modes, three hidden layers of 64 for all networks, three seeds trained together for 3,000 updates of
the generator; WGAN-GP makes five of its critic for each, the GAN one. Across: Adam's step size; down: the scale of all
first weights. Means over seeds, and least to most where they differ. Written by
`lab bench trainers --tier table --only sensitivity` (settings in `generative/sensitivity.py`) and `make pictures`.
"""


@contextmanager
def browser(size: tuple[int, int]) -> Iterator[Page]:
    """A page of that size in Chromium, without a window; fine enough for a sharp print."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
        page.set_default_timeout(60_000)
        yield page
        opened.close()


@contextmanager
def dashboard(root: Path) -> Iterator[str]:
    """`lab dashboard` over a folder of this project, and its address."""
    root = root.resolve().relative_to(ROOT)  # pages name it
    command = [
        str(Path(sys.executable).with_name("lab")),
        "dashboard",
        "--root",
        str(root),
        "--no-open",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+?/", process.stdout.readline())
        assert address is not None
        yield address[0].rstrip("/")
        process.terminate()


def of_pages(root: Path, views: Mapping[str, tuple[str, str]], height: int = 900) -> None:
    """Pictures of the dashboard: name -> where in it, and what to wait for."""
    with dashboard(root) as address, browser((1280, height)) as page:
        for name, (place, awaited) in views.items():
            page.goto(address + place)
            page.locator(awaited).first.wait_for()
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1500)  # figures are drawn a moment after they are there
            page.screenshot(path=PICTURES / f"{name}.png")


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
    with browser((1280, 1500)) as page:
        page.goto((runs / "report.html").as_uri())
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURES / "report.png")
    table = demos[-1].with_name(demos[-1].name.removesuffix("vae") + "q-learning")
    of_pages(
        runs,
        {
            "overview": ("/", "table"),
            "compare": ("/compare", ".js-plotly-plot"),
            "run": (f"/run?run={quote(demos[-1].name, safe='')}", ".js-plotly-plot"),
            "tables": (f"/tables?run={quote(table.name + '/0', safe='')}", ".js-plotly-plot"),
        },
        height=1120,
    )
    gan = demos[-1].with_name(demos[-1].name.removesuffix("vae") + "wgan-gp")
    panels = [(title, newest(run / "0", "samples")) for title, run in (("VAE", demos[-1]), ("WGAN-GP", gan))]
    side_by_side(panels, PICTURES / "digits.png", enlarge=2)


def of_tables(bench: Path) -> None:
    """Q tables on the cliff, mixtures covered, gradients that vanish, digits of MNIST, where a translator looked."""
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
    flow = bench / "networks" / "table" / "gradient-flow" / "gradient-flow.png"
    side_by_side([("", flow)], PICTURES / "gradient-flow.png")
    panels = [
        (title, newest(trainers / f"{run}-mnist" / "0", "samples"))
        for title, run in {"GAN": "gan", "WGAN-GP": "wgan-gp"}.items()
    ]
    side_by_side(panels, PICTURES / "mnist.png")
    reversal = newest(bench / "networks" / "table" / "reversal" / "0", "alignment")
    side_by_side([("source above, what it wrote at the left", reversal)], PICTURES / "alignment.png")


def of_maps(written: Path) -> None:
    """The maps of step size and first weights, as the bench wrote them."""
    if not written.exists():
        print("pictures: sensitivity.md is left as it was: its trainings are not there")
        return
    (ROOT / "docs" / "sensitivity.md").write_text(f"{SENSITIVITY}\n{written.read_text()}")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    if sys.argv[1:2] == ["--walk"]:
        of_pages(Path(sys.argv[2]), {"walk-dashboard": ("/compare", ".js-plotly-plot")}, height=980)
        return
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs"
    of_demo(runs)
    of_tables(runs / "bench")
    of_maps(runs / "bench" / "trainers" / "table" / "sensitivity" / "sensitivity.md")


if __name__ == "__main__":
    main()
