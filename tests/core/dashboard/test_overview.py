"""The Overview in a real browser, and the numbers it shows."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from core import annotations
from core.annotations import Annotations
from core.dashboard.groups import Group, Groups, order, sift
from core.dashboard.overview import Shown, clicked
from core.dashboard.watch import Watch
from tests.core.dashboard.browser import Serve, until
from tests.core.run_folders import evaluations, write_run

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked=1'>"
LONG = "x" * 300


def row(page: Page, words: str) -> Locator:
    return page.get_by_role("row").filter(has_text=words)


def names(page: Page) -> list[str]:
    return page.locator(".runs tbody tr:not(.seed) .name a").all_text_contents()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for seed, last in enumerate((90.0, 110.0, 130.0)):
        write_run(root, group="ppo-a", seed=seed, rows=evaluations(1.0, last), seconds=60.0 + seed)
    write_run(root, group="dqn-b", algorithm="dqn", task="Acrobot-v1", rows=evaluations(-80.0), status="failed",
              error="the loss is NaN", started="2026-01-03T00:00:00+00:00", tags=["night"])  # fmt: skip
    write_run(root, group="dqn-b", algorithm="dqn", task="Acrobot-v1", seed=1, rows=evaluations(-70.0))
    write_run(root, group="vae-c", algorithm="vae", task="mnist", suite="generative", status="running",
              rows=[{"examples_seen": 32 * 25, "eval/bound": 101.5}], config={"batch": 32, "steps": 100})  # fmt: skip
    return root


def test_what_stands_in_the_rows(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root))
    expect(page.locator("#overview-count")).to_have_text(f"3 groups, 6 runs in {root}")
    ppo, dqn, vae = row(page, "ppo-a"), row(page, "dqn-b"), row(page, "vae-c")
    for words in ("3 seeds", "ppo", "CartPole-v1", "3 finished", "110", "eval/return", "1 min 02 s"):
        expect(ppo).to_contain_text(words)
    for words in ("1 failed", "1 finished", "−75", "night"):
        expect(dqn).to_contain_text(words)
    for words in ("seed 0", "running", "800 / 3,200", "101.5", "eval/bound"):
        expect(vae).to_contain_text(words)
    expect(vae.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    page.get_by_role("button", name="seeds of dqn-b").click()
    seed = page.locator("tr.seed").filter(has_text="seed 0")
    expect(seed).to_contain_text("the loss is NaN")
    seed.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/run\?run=dqn-b%2F0$"))


def test_sifting_sorting_and_choosing_make_an_address_that_shows_the_same(
    root: Path, serve: Serve, page: Page
) -> None:
    page.goto(serve(root))
    expect(page.locator(".runs")).to_be_visible()
    assert names(page) == ["dqn-b", "ppo-a", "vae-c"]
    page.get_by_role("columnheader", name="last value").get_by_role("button").click()
    expect(page.locator(".runs tbody tr").first).to_contain_text("ppo-a")
    assert names(page) == ["ppo-a", "vae-c", "dqn-b"]
    page.get_by_role("button", name="finished 4").click()
    expect(row(page, "vae-c")).to_have_count(0)
    expect(page.get_by_role("button", name="finished 4")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Search").fill("night acro")
    expect(row(page, "ppo-a")).to_have_count(0)
    page.get_by_role("checkbox", name="choose dqn-b").click()
    page.get_by_role("button", name="seeds of dqn-b").click()
    expect(page.locator("tr.seed")).to_have_count(2)
    expect(page).to_have_url(re.compile("open=dqn-b"))
    address = page.url
    before = page.locator(".runs").inner_text()
    other = page.context.browser.new_context(viewport={"width": 1280, "height": 900}).new_page()  # type: ignore[union-attr]
    other.goto(address)
    expect(other.locator("tr.seed")).to_have_count(2)
    assert other.locator(".runs").inner_text() == before
    expect(other.get_by_label("Search")).to_have_value("night acro")
    expect(other.get_by_role("checkbox", name="choose dqn-b")).to_have_attribute("aria-checked", "true")
    assert other.url == address
    other.context.close()
    page.get_by_role("button", name="Show all").click()
    expect(row(page, "ppo-a")).to_have_count(1)
    page.get_by_role("checkbox", name="choose ppo-a").click()
    page.get_by_role("link", name="Compare 2 groups").click()
    expect(page).to_have_url(re.compile(r"/compare\?runs=dqn-b&runs=ppo-a$"))


def test_menus_sift_and_stay_open_while_runs_change(tmp_path: Path, serve: Serve, page: Page) -> None:
    write_run(tmp_path, group="one", algorithm="ppo", rows=evaluations(1.0))
    write_run(tmp_path, group="two", algorithm="dqn", rows=evaluations(1.0))
    page.goto(serve(tmp_path))
    page.get_by_label("Algorithms").click()
    option = page.get_by_role("option", name="dqn")
    expect(option).to_be_visible()
    write_run(tmp_path, group="three", algorithm="dqn", rows=evaluations(1.0))
    expect(row(page, "three")).to_have_count(1)
    expect(option).to_be_visible()
    option.click()
    expect(row(page, "one")).to_have_count(0)
    expect(row(page, "two")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?algorithms=dqn$"))


def test_what_happens_on_the_disk_appears_and_what_one_does_stays(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    folder = write_run(tmp_path, group="live", status="running", rows=evaluations(1.0), config={"steps": 40})
    page.goto(serve(tmp_path))
    expect(row(page, "live")).to_contain_text("10 / 40")
    page.get_by_role("checkbox", name="choose live").focus()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"env_step": 20, "eval/return": 77.25}\n')
    expect(row(page, "live")).to_contain_text("77.25")
    expect(row(page, "live")).to_contain_text("20 / 40")
    expect(page.get_by_role("checkbox", name="choose live")).to_be_focused()
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "status": "stopped"}))
    expect(row(page, "live")).to_contain_text("stopped")
    write_run(tmp_path, group="later", rows=evaluations(3.0))
    expect(row(page, "later")).to_be_visible()


def test_tags_and_notes_are_written_beside_the_run(tmp_path: Path, serve: Serve, page: Page) -> None:
    folders = [write_run(tmp_path, group="g", seed=seed, rows=evaluations(1.0)) for seed in (0, 1)]
    told = [(folder / "run.json").read_bytes() for folder in folders]
    page.goto(serve(tmp_path))
    page.get_by_role("button", name="edit tags and notes: g").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_label("Tags, parted by commas")).to_be_focused()
    page.keyboard.type(f"good, {HOSTILE[:60]}")
    panel.get_by_label("Notes").fill("line one\nline two")
    write_run(tmp_path, group="meanwhile", rows=evaluations(1.0))  # the page is drawn again under the panel
    expect(row(page, "meanwhile")).to_be_visible()
    expect(panel.get_by_label("Notes")).to_have_value("line one\nline two")
    panel.get_by_role("button", name="Save").click()
    expect(panel).to_have_count(0)
    expect(row(page, "2 seeds")).to_contain_text("line one")
    expect(row(page, "2 seeds")).to_contain_text(HOSTILE[:60])
    assert [annotations.read(folder) for folder in folders] == 2 * [
        Annotations(("good", HOSTILE[:60]), "line one\nline two")
    ]
    assert [(folder / "run.json").read_bytes() for folder in folders] == told
    page.get_by_role("button", name="good").click()
    expect(page.get_by_label("Search")).to_have_value("good")
    expect(row(page, "meanwhile")).to_have_count(0)
    page.get_by_role("button", name="edit tags and notes: g").click()
    panel.get_by_label("Notes").fill("x" * 30)
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page.get_by_role("button", name="edit tags and notes: g")).to_be_focused()
    assert annotations.read(folders[0]).notes == "line one\nline two"


def test_an_empty_folder_waits_for_its_first_run(tmp_path: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(tmp_path / "runs"))
    expect(page.get_by_role("status")).to_have_text(
        f"no runs in {tmp_path / 'runs'} yet; `lab train` makes one"
    )
    write_run(tmp_path / "runs" / "bench", group="deep", rows=evaluations(1.0))
    page.reload()
    expect(page.get_by_role("status")).to_contain_text(
        f"there are some with --root {tmp_path / 'runs' / 'bench'}"
    )
    write_run(tmp_path / "runs", group="first", rows=evaluations(1.0))
    expect(row(page, "first")).to_be_visible()


def test_hostile_names_are_words(tmp_path: Path, serve: Serve, page: Page) -> None:
    group = "<b onmouseover=alert(1)>&amp;\"' ..%2f #?"
    folder = write_run(
        tmp_path, group=group, algorithm=HOSTILE, task=f"../../etc/passwd\n{LONG}", status="javascript:alert(1)",
        rows=[{"env_step": 10, "eval/return": "<i>", HOSTILE: 1.0}],
        tags=[HOSTILE, LONG, "a" * 5000], notes=f"{HOSTILE}\n{LONG}", error=HOSTILE,
    )  # fmt: skip
    page.goto(serve(tmp_path))
    expect(page.locator(".runs .name a")).to_have_text(group)
    expect(page.locator(".runs")).to_contain_text(HOSTILE)
    expect(page.locator(".runs")).to_contain_text("../../etc/passwd")
    row_of = page.locator(".runs tbody tr").bounding_box()
    assert row_of is not None
    assert row_of["height"] < 250  # a name of hundreds of letters is cut, and told whole in the cell's title
    for other in (
        "/compare",
        "/run",
        "/tables",
        f"/run?run={quote(group, safe='')}%2F0",
        f"/?search={quote(HOSTILE)}",
    ):
        page.goto(serve(tmp_path) + other.removeprefix("/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("window.hacked") is None
        assert page.locator("main script, main img[src=x], main [onmouseover]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.get_by_label("Search")).to_have_value(HOSTILE)
    assert folder.exists()


def test_broken_records_are_shown_as_what_they_are(tmp_path: Path, serve: Serve, page: Page) -> None:
    half = write_run(tmp_path, group="half", rows=evaluations(4.0))
    (half / "run.json").write_text('{"format": 1, "sta')
    none = write_run(tmp_path, group="none", rows=evaluations(4.0))
    (none / "run.json").unlink()
    write_run(tmp_path, group="newer", format=99)
    write_run(tmp_path, group="empty", status="stopped")
    torn = write_run(
        tmp_path, group="torn", status="stopped", rows=evaluations(6.0), tail=b'{"env_step": 20, "ev'
    )
    (torn / "summary.json").write_text("{")
    (torn / "config.yaml").write_text("{: [")
    odd = write_run(tmp_path, group="odd", status="stopped", rows=[{"env_step": 1e999, "eval/return": [1]}])
    (odd / "config.yaml").write_text("steps: -5\n")
    page.goto(serve(tmp_path))
    expect(row(page, "half")).to_contain_text("run.json is half-written or no JSON")
    expect(row(page, "none")).to_contain_text("run.json is missing")
    expect(row(page, "newer")).to_contain_text("run.json is of format 99, not 1")
    expect(row(page, "empty")).to_contain_text("0 / 100")
    expect(row(page, "torn")).to_contain_text("6")
    expect(row(page, "odd")).to_contain_text("stopped")
    expect(page.locator(".chip.unreadable")).to_have_count(4)  # three rows and the button that sifts them


def test_long_tables_have_pages(tmp_path: Path, serve: Serve, page: Page) -> None:
    for number in range(53):
        write_run(tmp_path, group=f"run-{number:02d}", rows=evaluations(1.0))
    page.goto(serve(tmp_path) + "?sort=name&rising=true")
    expect(page.locator(".runs tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".runs tbody tr")).to_have_count(3)
    assert names(page) == ["run-50", "run-51", "run-52"]
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("Search").fill("run-1")
    expect(page.locator(".runs tbody tr")).to_have_count(10)


# --- without a browser


def groups(root: Path) -> list[Group]:
    watch = Watch(root)
    watch.refresh()
    return Groups().of(watch.records())


def test_groups_in_numbers(root: Path) -> None:
    found = {group.name: group for group in groups(root)}
    assert found["ppo-a"].last == ("eval/return", 110.0, 3)
    assert found["ppo-a"].seconds == 62
    assert found["dqn-b"].states == {"failed": 1, "finished": 1}
    assert found["dqn-b"].slowest.share == pytest.approx(0.1)
    assert found["vae-c"].slowest.planned == 3200
    assert found["vae-c"].slowest.share == pytest.approx(0.25)


def test_a_run_that_wrote_no_summary_tells_its_last_evaluation(tmp_path: Path) -> None:
    late = [{"env_step": 100 + i, "loss/value": 0.123456789, "time/seconds": float(i)} for i in range(400)]
    write_run(tmp_path, status="crashed", rows=[*evaluations(42.0), *late], seconds=0.0)
    (group,) = groups(tmp_path)
    assert group.last == ("eval/return", 42.0, 1)
    assert group.seconds == 399


def test_only_what_changed_is_told_again(tmp_path: Path) -> None:
    one = write_run(tmp_path, seed=0, rows=evaluations(1.0))
    write_run(tmp_path, seed=1, rows=evaluations(2.0))
    watch, gathered = Watch(tmp_path), Groups()
    (before,) = gathered.of(watch.records())
    with (one / "metrics.jsonl").open("a") as file:
        file.write('{"env_step": 20, "eval/return": 5.0}\n')
    until(lambda: watch.refresh() == 2)
    (after,) = gathered.of(watch.records())
    assert after.seeds[1] is before.seeds[1]
    assert after.last == ("eval/return", 3.5, 2)


def test_sift_and_order(root: Path) -> None:
    found = groups(root)
    assert [g.name for g in sift(found, search="V1 PPO")] == ["ppo-a"]
    assert [g.name for g in sift(found, states=["failed", "running"])] == ["dqn-b", "vae-c"]
    assert [g.name for g in sift(found, algorithms=["dqn"], tasks=["mnist"])] == []
    assert [g.name for g in order(found, "progress", True)] == ["dqn-b", "vae-c", "ppo-a"]
    assert [g.name for g in order(found, "state", True)] == ["vae-c", "dqn-b", "ppo-a"]


@pytest.mark.parametrize("rising", [True, False])
def test_what_has_no_value_comes_last(tmp_path: Path, rising: bool) -> None:
    for name, rows in (("a-none", []), ("low", evaluations(1.0)), ("high", evaluations(2.0))):
        write_run(tmp_path, group=name, rows=rows)
    names = [group.name for group in order(groups(tmp_path), "last", rising)]
    assert names == ["low", "high", "a-none"] if rising else ["high", "low", "a-none"]


def test_a_click_changes_the_view() -> None:
    shown = Shown(page=3)
    assert clicked(shown, "sort", "name") == Shown(sort="name", rising=True)
    assert clicked(Shown(sort="name", rising=True), "sort", "name") == Shown(sort="name")
    assert clicked(shown, "sort", "nonsense") == shown
    assert clicked(shown, "state", "failed") == Shown(states=("failed",))
    assert clicked(Shown(states=("failed",)), "state", "failed") == Shown()
    assert clicked(Shown(search="a"), "tag", "b c") == Shown(search="a b c")
    assert clicked(shown, "page", "-1") == clicked(shown, "page", "x") == clicked(shown, "what", "") == shown
    assert clicked(Shown(search="a", runs=("g",)), "clear", "") == Shown(runs=("g",))
