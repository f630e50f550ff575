"""The Run page: its charts, media, settings and words worked by hand, and used once in a real browser."""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.dashboard import facts, following, gallery, look, small_charts
from core.dashboard.watch import Watch
from core.media import write_png
from tests.core.dashboard.browser import Serve, until
from tests.core.run_folders import evaluations, write_run

expect.set_options(timeout=20_000)
NASTY = "<script>document.title='no'</script>"

# --- charts


def test_metrics_stand_by_prefix_the_telling_ones_first() -> None:
    metrics = ["time/seconds", "lr", "loss/value", "eval/length", "eval/return", "zoo/x", "episode/return"]
    assert small_charts.grouped(metrics) == {
        "eval": ["eval/return", "eval/length"],
        "episode": ["episode/return"],
        "loss": ["loss/value"],
        "other": ["lr"],
        "zoo": ["zoo/x"],
        "time": ["time/seconds"],
    }
    found = small_charts.grouped(metrics, " RETURN  ep ")
    assert found == {"episode": ["episode/return"]}


def test_a_thinned_line_keeps_the_least_and_the_greatest_of_each_stretch() -> None:
    values = np.array([0, 5, 1, 1, 1, 1, 1, 1, -7, 1, 1, 2.0])  # two stretches of six
    assert small_charts.extremes(values, 6).tolist() == [0, 1, 8, 11]
    assert small_charts.extremes(values, 12).tolist() == list(range(12))
    values[4] = np.nan  # (6 − 2) // 3: one stretch
    assert small_charts.extremes(values, 6).tolist() == [0, 1, 4, 8, 11]
    assert small_charts.extremes(np.full(100, np.nan), 8).tolist() == [0, 50, 99]


def test_no_spike_and_no_gap_is_lost_among_many_points() -> None:
    values = np.sin(np.arange(50_000) / 700)
    values[[7_777, 31_003]] = 100.0, -100.0
    values[12_345] = np.nan
    kept = small_charts.extremes(values, 800)
    assert len(kept) <= 800
    assert (np.diff(kept) > 0).all()
    assert {0, 7_777, 12_345, 31_003, 49_999} <= set(kept.tolist())


def test_many_lines_have_fewer_points_each() -> None:
    assert [small_charts.points_each(n) for n in (1, 150, 300, 10_000)] == [800, 800, 400, 100]


def test_charts_do_not_overlap_and_names_are_literal() -> None:
    steps = np.arange(3.0)
    metrics = [*(f"loss/{k}" for k in range(4)), f"loss/{NASTY}"]
    seeds = {"seed 0": {metric: (steps, np.array([1.0, np.inf, 2.0])) for metric in metrics}}
    figure = small_charts.figure(metrics, seeds, {"seed 0": "#000000"}, look.template(False), "env_step")
    layout = figure["layout"]
    boxes = [(layout[f"xaxis{k}"]["domain"], layout[f"yaxis{k}"]["domain"]) for k in ("", 2, 3, 4, 5)]
    assert all(0 <= low < high <= 1 for box in boxes for low, high in box)
    assert [box[0][0] for box in boxes[:3]] == sorted(box[0][0] for box in boxes[:3])
    assert boxes[0][0][1] < boxes[1][0][0]
    assert boxes[3][1][1] < boxes[0][1][0]  # the second row is below the first
    assert figure["data"][0]["y"] == [1.0, None, 2.0]
    named: Any = small_charts.titles(metrics, seeds)
    assert [name.children[0].children for name in named] == [*metrics[:4], small_charts.short(metrics[4])]
    assert named[0].children[1].children == "2"
    assert "title" not in layout["xaxis"]  # only the lowest of a column says what it is over
    assert layout["xaxis5"]["title"]["text"] == "steps"


# --- the slider


def test_the_slider_follows_the_newest_and_stays_where_it_was_moved() -> None:
    assert following.place([10, 20, 30], following.NEWEST) == 2
    assert following.place([10, 20, 30], 25) == 1
    assert following.place([10, 20, 30], 5) == 0
    assert following.place([], 5) == 0
    assert following.step_of([10, 20, 30], "1") == 20
    assert following.step_of([10, 20, 30], 2) == following.NEWEST
    assert following.step_of([], None) == following.NEWEST
    assert following.moved([10, 20], [10, 20], 10) is None
    assert following.moved([10, 20, 30], [10, 20], following.NEWEST) == (2, 2)
    assert following.moved([10, 20, 30], [10, 20], 20) == (2, 1)


# --- media


def entry(step: int, name: str, file: str = "", kind: str = "image") -> dict[str, Any]:
    return {
        "row": 0,
        "env_step": step,
        "kind": kind,
        "name": name,
        "file": file or f"media/{name}-{step}.png",
    }


def test_at_a_step_of_each_name_the_newest_not_behind_it() -> None:
    entries = [
        entry(10, "a"),
        entry(20, "a"),
        entry(30, "a"),
        entry(30, "b"),
        entry(20, "a", "media/again.png"),
    ]
    assert gallery.steps(entries, "env_step") == [10, 20, 30]
    assert gallery.newest(entries, "env_step", 25) == {"a": entry(20, "a", "media/again.png")}
    assert list(gallery.newest(entries, "env_step", 30)) == ["a", "b"]


def test_what_is_wrong_with_a_picture_is_said(tmp_path: Path) -> None:
    whole, half, nothing = (tmp_path / f"{name}.png" for name in ("whole", "half", "nothing"))
    write_png(whole, np.zeros((4, 4, 3), np.uint8))
    half.write_bytes(whole.read_bytes()[:-5])
    nothing.touch()
    faults = [gallery.fault(path) for path in (whole, half, nothing, tmp_path / "none.png")]
    assert faults == ["", "is only half there", "is empty", "is missing"]


def test_histograms_have_a_bar_for_each_bin() -> None:
    figure = gallery.bars(
        {"w": {"low": 0.0, "high": 4.0, "counts": [1, 2, 3, 4]}}, look.template(True), "#123456"
    )
    (bars,) = figure["data"]
    assert (bars["x"], bars["y"], bars["width"]) == ([0.5, 1.5, 2.5, 3.5], [1.0, 2.0, 3.0, 4.0], 1.0)


# --- words


def test_the_difference_of_settings_has_both_values() -> None:
    here = {"algorithm": "ppo", "lr": 0.1, "hidden": [8, 8], "seeds": [0], "dueling": True, "steps": 5}
    there = {"algorithm": "dqn", "lr": 0.1, "hidden": [8, 9], "seeds": [1], "capacity": None, "steps": 5}
    rows, same = facts.difference(here, there)
    assert [tuple(row) for row in rows] == [
        ("algorithm", "ppo", "dqn"),
        ("hidden", "[8, 8]", "[8, 9]"),
        ("dueling", "true", None),
        ("capacity", None, "null"),
    ]
    assert same == 2
    assert facts.difference(here, {**here, "seeds": [9]}) == ([], 5)


def test_the_console_is_plain_text(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(
        b"\x1b[31mred\x1b[0m and \x1b]0;title\x07plain\n10 %\r100 %\r\nbell\x07 \x9b1m \xff<b>\nlast"
    )
    assert facts.console(log) == "red and plain\n100 %\nbell \ufffd1m \ufffd<b>\nlast"
    log.write_text("".join(f"line {k}\n" for k in range(100_000)))
    told = facts.console(log).splitlines()
    assert (len(told), told[-1]) == (399, "line 99999")
    assert facts.console(tmp_path / "none") == ""


def test_commands_repeat_and_continue_a_run(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "my runs", status="crashed", command=["lab", "train", "ppo", "--name", "a b"]
    )
    record = Watch(tmp_path / "my runs").records()[0]
    typed, again = facts.commands(record)
    assert typed == ("as it was typed", "lab train ppo --name 'a b'")
    assert again == ("again", f"lab train ppo --config '{folder / 'config.yaml'}'")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.safetensors").touch()
    assert facts.commands(record)[2] == ("go on", f"lab resume '{folder}'")


def test_the_summary_begins_with_what_has_a_best(tmp_path: Path) -> None:
    best = {"eval/return": {"value": 20.0, "step": 30}}
    summary = {
        "time/seconds": 3.0,
        "lr": 0.5,
        "final/return": 9.0,
        "eval/return": 10.0,
        "best": best,
        "note": "x",
    }
    write_run(tmp_path, rows=evaluations(1.0, 10.0), summary=summary)
    record = Watch(tmp_path).records()[0]
    assert facts.summary(record, record.last()) == [
        ("eval/return", "10", "20", "30"),
        ("final/return", "9", "", ""),
        ("lr", "0.5", "", ""),
        ("time/seconds", "3", "", ""),
    ]


# --- in a browser


def picture(folder: Path, step: int, name: str = "samples") -> None:
    """One more picture, and its line in the index."""
    media = folder / "media"
    media.mkdir(exist_ok=True)
    write_png(media / f"{name}-{step}.png", np.full((8, 8, 3), step % 256, np.uint8))
    with (media / "index.jsonl").open("a") as index:
        index.write(json.dumps(entry(step, name)) + "\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of ppo with media, one of dqn."""
    made = tmp_path_factory.mktemp("root")
    for seed in (0, 1):
        rows = [*evaluations(1.0, 5.0, 3.0 + seed), {"env_step": 30, "loss/policy": 0.25, "lr": 0.001}]
        folder = write_run(made, group="ppo-group", seed=seed, rows=rows, command=["lab", "train", "ppo"])
        (folder / "console.log").write_text("".join(f"\x1b[1mline {k}\x1b[0m\n" for k in range(200)))
        for step in (10, 20, 30):
            picture(folder, step)
        histogram = {"low": -1.0, "high": 1.0, "counts": [1, 4, 2]}
        with (folder / "media" / "index.jsonl").open("a") as index:
            index.write(
                json.dumps({"env_step": 20, "kind": "histograms", "of": {"weights/w": histogram}}) + "\n"
            )
    write_run(made, algorithm="dqn", group="dqn-group", rows=evaluations(2.0), config={"lr": 0.5})
    return made


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(page.evaluate("location.search.slice(1)"))


def test_it_is_used_once_and_the_url_holds_the_view(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "run?run=ppo-group/0")
    expect(page.get_by_role("heading", name="ppo on CartPole-v1, seed 0")).to_be_visible()
    expect(page.locator("#run-charts .js-plotly-plot")).to_have_count(3)
    expect(page.locator("#run-charts .scatterlayer .trace")).to_have_count(6)
    expect(page.locator("#run-console")).to_contain_text("line 199")
    expect(page.locator("#run-at-told")).to_have_text("30 steps (3 of 3) · newest")
    page.get_by_label("this seed").check()
    expect(page.locator("#run-charts .scatterlayer .trace")).to_have_count(3)
    page.get_by_role("slider").fill("1")
    expect(page.locator("#run-at-told")).to_have_text("20 steps (2 of 3)")
    expect(page.get_by_alt_text("samples after 20 steps")).to_have_js_property("naturalWidth", 8)
    page.get_by_label("Find").fill("eval")
    expect(page.locator("#run-charts .js-plotly-plot")).to_have_count(1)
    page.get_by_role("link", name="seed 1").click()
    expect(page.get_by_role("heading", name="ppo on CartPole-v1, seed 1")).to_be_visible()
    expect(page.locator("#run-at-told")).to_have_text("30 steps (3 of 3) · newest")
    page.get_by_role("slider").fill("0")
    expect(page.get_by_alt_text("samples after 10 steps")).to_be_visible()
    until(lambda: query(page) == {"run": ["ppo-group/1"], "seeds": ["one"], "find": ["eval"], "at": ["10"]})

    page.reload()
    expect(page.get_by_role("heading", name="ppo on CartPole-v1, seed 1")).to_be_visible()
    expect(page.get_by_label("this seed")).to_be_checked()
    expect(page.get_by_label("Find")).to_have_value("eval")
    expect(page.get_by_role("slider")).to_have_value("0")
    expect(page.get_by_alt_text("samples after 10 steps")).to_be_visible()
    page.get_by_label("histograms").check()
    expect(page.locator("#run-gallery .js-plotly-plot")).to_be_visible()
    until(lambda: query(page)["media"] == ["histograms"])


def test_texts_and_tables_are_drawn_as_they_are(tmp_path: Path, serve: Serve, page: Page) -> None:
    folder = write_run(tmp_path, group="lm", rows=evaluations(1.0, 2.0))
    told: list[dict[str, Any]] = [
        {"env_step": 10, "name": "samples", "columns": ["sample", "text"], "rows": [[0, "early"]]},
        {"env_step": 20, "name": "samples", "columns": ["sample", "text"], "rows": [[0, NASTY], [1, "KING:\n  No."]]},
        {"env_step": 20, "name": "episodes", "columns": ["return", "length"], "rows": [[0.25, 1234567]] * 201},
        {"env_step": 20, "name": "broken", "columns": ["a", "b"], "rows": [[1]]},
    ]  # fmt: skip
    (folder / "media").mkdir()
    lines = [json.dumps({"kind": "table", **entry}) + "\n" for entry in told]
    (folder / "media" / "index.jsonl").write_text("".join(lines))
    page.goto(serve(tmp_path) + "run?run=lm/0")
    expect(page.locator("#run-gallery")).to_have_text("This run has recorded no pictures yet, but tables.")
    page.get_by_label("texts and tables").check()
    shown = page.locator("#run-gallery figure")
    expect(shown).to_have_count(3)
    expect(shown.nth(0)).to_have_text("broken is no table of rows and columns.")
    expect(shown.nth(1).locator("figcaption")).to_have_text(
        "episodes after 20 steps · the first 200 of 201 rows"
    )
    expect(shown.nth(1).get_by_role("row")).to_have_count(201)
    expect(shown.nth(1).get_by_role("cell").nth(1)).to_have_text("1,234,567")
    cells = shown.nth(2).get_by_role("cell")
    assert cells.all_inner_texts() == ["0", NASTY, "1", "KING:\n  No."]
    assert page.title() == "Run · lab"
    page.get_by_role("slider").fill("0")
    expect(page.locator("#run-gallery td .as-is")).to_have_text(["early"])
    until(lambda: query(page) == {"run": ["lm/0"], "media": ["tables"], "at": ["10"]})


def test_settings_are_held_against_another_runs(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "run?run=ppo-group/0&other=dqn-group/0")
    table = page.locator("#run-settings")
    expect(table).to_contain_text("2 differ, 2 are the same.")
    expect(table.get_by_role("row").nth(1)).to_have_text("algorithmppodqn")
    expect(table.get_by_role("row").nth(2)).to_have_text("lr0.0010.5")
    page.locator("#run-other").get_by_role("button", name="Clear").or_(
        page.locator("#run-other .dash-dropdown-clear")
    ).first.click()
    expect(table.get_by_role("row")).to_have_count(6)
    until(lambda: "other" not in query(page))


def test_it_grows_while_the_run_does_and_leaves_its_reader_alone(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    folder = write_run(tmp_path, group="g", status="running", rows=evaluations(1.0, 2.0))
    for step in (10, 20):
        picture(folder, step)
    page.goto(serve(tmp_path) + "run")
    expect(page.locator("#run-at-told")).to_have_text("20 steps (2 of 2) · newest")
    until(lambda: query(page) == {"run": ["g/0"]})  # it stays this run when a newer one begins
    page.evaluate("window.scrollTo(0, 300)")
    with (folder / "metrics.jsonl").open("a") as rows:
        rows.write(json.dumps({"env_step": 30, "eval/return": 7.0}) + "\n")
    picture(folder, 30)
    expect(page.locator("#run-at-told")).to_have_text("30 steps (3 of 3) · newest")
    expect(page.get_by_alt_text("samples after 30 steps")).to_be_visible()
    expect(page.locator("#run-charts .chart-title span")).to_have_text("7")
    assert page.evaluate("window.scrollY") == 300

    page.get_by_role("slider").fill("0")
    expect(page.locator("#run-at-told")).to_have_text("10 steps (1 of 3)")
    picture(folder, 40)
    expect(page.locator("#run-at-told")).to_have_text("10 steps (1 of 4)")
    expect(page.get_by_role("slider")).to_have_value("0")
    expect(page.get_by_alt_text("samples after 10 steps")).to_be_visible()


def test_a_zoom_stays_when_points_come(tmp_path: Path, serve: Serve, page: Page) -> None:
    folder = write_run(tmp_path, group="g", status="running", rows=evaluations(*range(20)))
    page.goto(serve(tmp_path) + "run?run=g/0")
    chart = page.locator("#run-charts .js-plotly-plot")
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 32, steps=5)
    page.mouse.up()
    reach = (
        "() => document.querySelector('#run-charts .js-plotly-plot')._fullLayout.xaxis.range.map(Math.round)"
    )
    until(lambda: page.evaluate(reach)[1] < 150)
    zoomed = page.evaluate(reach)
    with (folder / "metrics.jsonl").open("a") as rows:
        rows.write(json.dumps({"env_step": 900, "eval/return": 77.0}) + "\n")
    expect(page.locator("#run-charts .chart-title span")).to_have_text("77")
    assert page.evaluate(reach) == zoomed


def test_tags_and_notes_are_kept(root: Path, tmp_path: Path, serve: Serve, page: Page) -> None:
    shutil.copytree(root, tmp_path / "root")
    page.goto(serve(tmp_path / "root") + "run?run=dqn-group/0")
    page.get_by_label("Tags, parted by commas").fill("good, first")
    page.get_by_label("Notes").fill("look\nhere")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#run-saved")).to_have_text("Saved.")
    expect(page.locator("#run-head .tag")).to_have_text(["good", "first"])
    expect(page.locator("#run-head .run-notes")).to_have_text("look\nhere")
    kept = json.loads((tmp_path / "root" / "dqn-group" / "0" / "annotations.json").read_text())
    assert kept == {"tags": ["good", "first"], "notes": "look\nhere"}


def test_hostile_and_broken_records_are_shown_as_what_they_are(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    rows = [{"env_step": 1, f"loss/{NASTY}": 1.0, "eval/<b>bold</b>": 2.0}]
    folder = write_run(
        tmp_path, group="<b>g", algorithm=NASTY, task="../../x", rows=rows, config={NASTY: NASTY},
        error=NASTY, status="failed", notes=NASTY, tags=[NASTY], command=[NASTY],
    )  # fmt: skip
    (folder / "console.log").write_text(NASTY)
    picture(folder, 1, "half")
    half = folder / "media" / "half-1.png"
    half.write_bytes(half.read_bytes()[:20])
    with (folder / "media" / "index.jsonl").open("a") as index:
        index.write(json.dumps(entry(1, "gone")) + "\n")
        index.write(json.dumps(entry(1, NASTY, "../../../../etc/passwd")) + "\n")
        index.write('{"env_step": 1, "kind": "ima')
    torn = write_run(tmp_path, group="torn", rows=rows)
    for name in ("run.json", "config.yaml", "summary.json"):
        (torn / name).write_text('{"half')
    empty = tmp_path / "empty" / "0"
    empty.mkdir(parents=True)
    (empty / "metrics.jsonl").touch()

    url = serve(tmp_path)
    page.goto(url + "run?run=%3Cb%3Eg/0")
    expect(page.locator("#run-head h2")).to_have_text(f"{NASTY} on ../../x, seed 0")
    expect(page.locator("#run-head .bad")).to_have_text(NASTY)
    expect(page.locator("#run-charts .js-plotly-plot")).to_have_count(2)
    expect(page.locator("#run-console")).to_have_text(NASTY)
    told = page.locator("#run-gallery .empty")
    expect(told).to_have_text(
        [
            "../../../../etc/passwd is not in the run's media folder.",
            "media/gone-1.png is missing.",
            "media/half-1.png is only half there.",
        ]
    )
    page.goto(url + "run?run=torn/0")
    expect(page.locator("#run-head .caution")).to_contain_text("run.json cannot be read")
    expect(page.locator("#run-settings")).to_have_text(
        "No settings: config.yaml is missing or cannot be read."
    )
    page.goto(url + "run?run=empty/0")
    expect(page.locator("#run-charts")).to_have_text("No metrics yet.")
    page.goto(url + "run?run=nobody/7&at=x&colour=red")
    expect(page.locator("#run-charts")).to_contain_text("There is no run nobody/7")
    expect(page.locator(".caution").first).to_contain_text("'colour', 'at'")
    assert page.title() == "Run · lab"
