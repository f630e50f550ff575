"""How long the Overview of 500 runs of 2,000 points takes to open: `python -m tests.core.dashboard.opening`.

No test: a busy computer is slow without anything being wrong. Each line is one measurement of its own server and
its own browser profile, from the navigation to a table that can be seen; then how long a new point takes to show,
and how long the watch takes to find that nothing has changed.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from core.dashboard.watch import Watch
from tests.core.dashboard.browser import executable, start
from tests.core.run_folders import write_run

GROUPS, SEEDS, POINTS = 100, 5, 2_000
ALGORITHMS = ("ppo", "a2c", "dqn", "reinforce", "sarsa")
TASKS = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3", "Pendulum-v1")


def points(shift: int) -> list[dict[str, Any]]:
    """Rows as long as those of a real run, an evaluation in every twentieth."""
    names = ("loss/policy", "loss/value", "policy/entropy", "policy/kl", "grad_norm", "episode/return")
    rows = []
    for i in range(1, POINTS + 1):
        row: dict[str, Any] = {"env_step": 100 * i, "time/seconds": i / 2}
        row |= {name: math.sin(i * k + shift) / 3 for k, name in enumerate(names, 1)}
        rows.append(row | ({"eval/return": 500 * (1 - math.exp(-i / 400))} if i % 20 == 0 else {}))
    return rows


def lay(root: Path) -> Path:
    """The runs; the folder of one of them."""
    for group in range(GROUPS):
        algorithm, task = ALGORITHMS[group % 5], TASKS[group // 5 % 4]
        rows = points(group)
        for seed in range(SEEDS):
            last = write_run(
                root, algorithm=algorithm, task=task, settings=f"{group:08x}", seed=seed, rows=rows,
                summary=rows[-1], config={"steps": 100 * POINTS},
            )  # fmt: skip
    return last


def opened(browser: Browser, root: Path) -> float:
    """Seconds from the navigation to the table, of a server that has just been started."""
    process, url = start(root)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(".runs tbody tr").nth(49).wait_for(state="attached", timeout=120_000)
    took = time.perf_counter() - begun
    context.close()
    process.kill()
    process.communicate()
    return took


def appeared(browser: Browser, root: Path, folder: Path) -> list[float]:
    """Seconds until each of some new points is in the page."""
    process, url = start(root)
    page = browser.new_page()
    page.goto(f"{url}?search={folder.parent.name}&open={folder.parent.name}")
    page.locator("tr.seed").first.wait_for()
    took = []
    for number in range(1, 9):
        time.sleep(0.1 + number * 0.13)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(f'{{"env_step": 300000, "eval/return": {number}.125}}\n')
        begun = time.perf_counter()
        page.locator("tr.seed").filter(has_text=f"{number}.125").wait_for(timeout=60_000)
        took.append(time.perf_counter() - begun)
    process.kill()
    process.communicate()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        root = Path(place)
        folder = lay(root)
        browser = driver.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        took = [opened(browser, root) for _ in range(5)]
        print("opens in", *(f"{one:.2f}" for one in took), f"s; median {statistics.median(took):.2f} s")
        shown = appeared(browser, root, folder)
        print("a new point shows after", *(f"{one:.2f}" for one in shown), "s")
        watch = Watch(root)
        begun = time.perf_counter()
        watch.refresh()
        print(f"first look at {len(watch.records())} runs: {1000 * (time.perf_counter() - begun):.0f} ms")
        begun = time.perf_counter()
        for _ in range(10):
            watch.refresh()
        print(f"a look that finds nothing new: {100 * (time.perf_counter() - begun):.0f} ms")


if __name__ == "__main__":
    main()
