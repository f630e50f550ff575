"""The Tables page: maps and their numbers worked by hand, and used once in a real browser."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.dashboard import look, map_figure, maps
from core.errors import UserError
from tests.core.dashboard.browser import Serve, until
from tests.core.run_folders import evaluations, write_run

expect.set_options(timeout=20_000)
UP, RIGHT, DOWN, LEFT = range(4)
# two by two: start and a free cell above, a hole and the goal below; actions left and right, then one that stays
GROUND: dict[str, Any] = {
    "rows": 2, "columns": 2, "layers": 1, "titles": [""], "marks": [["S", ""], ["H", "G"]],
    "walls": [[True, False], [False, False]], "sides": [LEFT, DOWN, -1], "over": [False, False, True, True],
    "optimum": [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0] * 3, [0.0] * 3],
}  # fmt: skip
LEARNT = [[0.25, 0.0, 0.0], [0.0, 0.5, 0.75], [9.0, 0.0, 0.0], [0.0] * 3]


def ground(tmp_path: Path, **changes: Any) -> maps.Ground:
    path = tmp_path / "q-ground.json"
    path.write_text(json.dumps({**GROUND, **changes}))
    return maps.ground(path)


def figure(on: maps.Ground, table: Any, layer: int = 0, dark: bool = False) -> dict[str, Any]:
    table = np.array(table, float)
    return map_figure.figure(table, on, layer, (0.0, 1.0), 1.0, "values", look.template(dark), dark)


def test_a_table_is_told_by_its_states(tmp_path: Path) -> None:
    on, table = ground(tmp_path), np.array(LEARNT)
    assert maps.playing(on, 4).tolist() == [True, True, False, False]
    assert maps.state_values(table).tolist() == [0.25, 0.75, 9.0, 0.0]
    assert maps.greedy(table).astype(int).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert on.optimum is not None
    assert maps.apart(table, on.optimum, "values").tolist()[:2] == [0.25, 0.25]
    assert maps.apart(table, on.optimum, "actions").tolist()[:2] == [0.5, 0.75]
    assert maps.agreement(table, on) == (
        1,
        2,
    )  # left is one of the two best of the first, staying no best of the next
    assert maps.agreement(np.zeros((4, 3)), on) == (0, 2)  # nothing is known
    assert maps.scale(on, table) == (0.375, 1.0)  # the optimum's 0.5 to 1, and a quarter of it below
    words = maps.told(table, on, 0).split("<br>")
    assert words[0] == "state 0 · row 1, column 1"
    assert words[1] == "<b>learnt 0.25</b> (left)"
    assert words[2] == "left 0.25 · down 0 · action 2 0"
    assert words[3] == "<b>optimum 0.5</b> (left, action 2)"


def test_numbers_rounded_to_seven_digits_are_equal_where_they_were() -> None:
    assert maps.greedy(np.array([[-13.0, -13.000001, -12.9]])).astype(int).tolist() == [[0, 0, 1]]
    assert maps.greedy(np.array([[0.3333333, 0.3333334, 0.0]])).astype(int).tolist() == [[1, 1, 0]]
    assert maps.greedy(np.array([[np.nan, 1.0, 0.0]])).astype(int).tolist() == [[0, 1, 0]]


def test_a_layer_is_every_so_manyth_state(tmp_path: Path) -> None:
    on = ground(tmp_path, layers=2, titles=["a", "b"], over=None, optimum=None, marks=[["", ""], ["", ""]])
    assert on.on(np.arange(8), 1).tolist() == [[1, 3], [5, 7]]
    learnt = np.arange(24.0).reshape(8, 3)
    drawn = figure(on, learnt, layer=1)
    assert drawn["data"][0]["z"] == [[5.0, 11.0], [17.0, 23.0]]
    assert drawn["layout"]["annotations"][0]["text"] == "<b>learnt · b</b>"
    assert maps.scale(on, learnt) == (2 - 21 / 4, 23.0)
    assert maps.agreement(learnt, on) is None


def test_the_figure_shows_values_arrows_walls_and_the_difference(tmp_path: Path) -> None:
    drawn = figure(ground(tmp_path), LEARNT)
    heats = [trace for trace in drawn["data"] if trace["type"] == "heatmap" and "coloraxis" in trace]
    assert [trace["z"][0] for trace in heats] == [[0.25, 0.75], [0.5, 1.0], [0.25, 0.25]]
    assert heats[0]["z"][1] == [None, None]
    assert [trace["coloraxis"] for trace in heats] == ["coloraxis", "coloraxis", "coloraxis2"]
    learnt, best = (t for t in drawn["data"] if t.get("mode") == "markers")
    assert learnt["marker"]["symbol"] == ["triangle-up", "circle"]
    assert learnt["marker"]["angle"][0] == 270  # clockwise from above: left
    assert learnt["x"] == pytest.approx([-0.19, 1.0])
    assert best["marker"]["symbol"] == ["triangle-up", "circle", "triangle-up"]
    assert best["marker"]["angle"] == [270, 0, 180]
    assert best["y"][2] > best["y"][0]  # rows go down
    (wall, *_) = drawn["layout"]["shapes"]
    assert (wall["x0"], wall["y0"], wall["y1"]) == (0.5, -0.5, 0.5)
    letters = [trace["text"] for trace in drawn["data"] if trace.get("mode") == "text"][:2]
    assert letters == [["H", "G"], ["S"]]
    bars = drawn["layout"]["coloraxis"], drawn["layout"]["coloraxis2"]
    assert [(bar["cmin"], bar["cmax"]) for bar in bars] == [(0.0, 1.0), (0.0, 1.0)]


def test_without_a_map_states_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "ground.json"
    path.write_text('{"over": null, "optimum": null}')
    drawn = figure(maps.ground(path), [[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])
    (heat,) = drawn["data"]
    assert heat["z"] == [[1.0, 3.0, 5.0], [2.0, None, 6.0]]
    assert heat["text"][1][2].startswith("state 2<br>")


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 3},
        {"marks": [["S"]]},
        {"walls": 5},
        {"sides": [7]},
        {"titles": []},
        {"over": [True]},
        {"layers": None},
    ],
)
def test_a_ground_that_does_not_fit_together_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"q-ground\.json: its rows"):
        ground(tmp_path, **changes)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"values": [[1, 2], [3', "half-written"),
        ("[]", "no table"),
        ('{"values": [[1], [2, 3]]}', "no table"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "q-1.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"q-1\.json .*{why}"):
        maps.values(path)
    path.unlink()
    with pytest.raises(UserError, match="missing"):
        maps.values(path)
    with pytest.raises(UserError, match="2 × 3 numbers"):
        maps.fitting(np.zeros((2, 3)), ground(tmp_path), "q-1.json")


def test_the_course_passes_over_what_cannot_be_read(tmp_path: Path) -> None:
    on = ground(tmp_path)
    for step, table in ((1, LEARNT), (3, GROUND["optimum"])):
        (tmp_path / f"q-{step}.json").write_text(json.dumps({"values": table}))
    (tmp_path / "q-2.json").write_text("{")
    entries = [{"env_step": step, "file": f"q-{step}.json"} for step in (1, 2, 3, 4)]
    course = maps.course(lambda file: tmp_path / file, entries, "env_step", on)
    assert [(steps.tolist(), values.tolist()) for steps, values in course.values()] == [
        ([1, 3], [0.5, 1.0]),
        ([1, 3], [0.25, 0.0]),
    ]


# --- in a browser


def tables(folder: Path, told: dict[str, Any], *steps: int) -> None:
    """Tables at those steps, on that ground."""
    media = folder / "media"
    media.mkdir(exist_ok=True)
    (media / "q-ground.json").write_text(json.dumps(told))
    states = told["rows"] * told["columns"] * told["layers"]
    for step in steps:
        values = {"values": [[step / 100, k / 100, 0.0] for k in range(states)]}
        (media / f"q-{step}.json").write_text(json.dumps(values))
        files = {"file": f"media/q-{step}.json", "ground": "media/q-ground.json"}
        with (media / "index.jsonl").open("a") as index:
            index.write(json.dumps({"row": 0, "env_step": step, "kind": "map", "name": "q", **files}) + "\n")


LAYERED = {
    **GROUND, "layers": 2, "titles": ["<b>first</b>", "second"], "over": None, "optimum": [[0.0, 1.0, 0.5]] * 8
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("root")
    tables(write_run(made, algorithm="sarsa", group="lake", rows=evaluations(1.0)), GROUND, 10, 20, 30)
    tables(write_run(made, algorithm="sarsa", group="layers", rows=evaluations(1.0)), LAYERED, 10, 20)
    write_run(made, group="no tables", rows=evaluations(1.0))
    return made


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(page.evaluate("location.search.slice(1)"))


def test_it_is_used_once_and_the_url_holds_the_view(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "tables?run=lake/0")
    expect(page.locator("#tables-figure .js-plotly-plot .hm")).to_have_count(6)
    expect(page.locator("#tables-at-told")).to_have_text("30 steps (3 of 3) · newest")
    expect(page.locator("#tables-caption")).to_contain_text("of 2 states")
    expect(page.locator("#tables-layer-place")).to_be_hidden()
    page.get_by_role("slider").fill("0")
    expect(page.locator("#tables-at-told")).to_have_text("10 steps (1 of 3)")
    page.get_by_label("of the worst action").check()
    expect(page.locator("#tables-figure .annotation-text").nth(2)).to_contain_text("max |Q − Q*|")
    until(lambda: query(page) == {"run": ["lake/0"], "at": ["10"], "difference": ["actions"]})
    page.locator("#tables-figure .nsewdrag").first.hover(position={"x": 20, "y": 20})
    expect(page.locator("#tables-figure .hoverlayer")).to_contain_text("state 0 · row 1, column 1")

    page.reload()
    expect(page.locator("#tables-at-told")).to_have_text("10 steps (1 of 3)")
    expect(page.get_by_label("of the worst action")).to_be_checked()
    page.locator("#tables-run").click()
    expect(page.get_by_role("option", name="lake/0").first).to_be_visible()
    expect(page.get_by_role("option", name="no tables/0")).to_have_count(0)
    page.get_by_role("option", name="layers/0").first.click()
    expect(page.locator("#tables-at-told")).to_have_text("20 steps (2 of 2) · newest")
    page.locator("#tables-layer").click()
    page.get_by_role("option", name="<b>first</b>").or_(
        page.get_by_role("option", name="second")
    ).last.click()
    expect(page.locator("#tables-figure .annotation-text").first).to_have_text("learnt · second")
    until(lambda: query(page) == {"run": ["layers/0"], "layer": ["1"], "difference": ["actions"]})


def test_it_follows_the_newest_until_it_is_moved(tmp_path: Path, serve: Serve, page: Page) -> None:
    folder = write_run(tmp_path, group="g", status="running", rows=evaluations(1.0))
    tables(folder, GROUND, 10, 20)
    page.goto(serve(tmp_path) + "tables")
    expect(page.locator("#tables-at-told")).to_have_text("20 steps (2 of 2) · newest")
    tables(folder, GROUND, 30)
    expect(page.locator("#tables-at-told")).to_have_text("30 steps (3 of 3) · newest")
    page.get_by_role("slider").fill("1")
    expect(page.locator("#tables-at-told")).to_have_text("20 steps (2 of 3)")
    tables(folder, GROUND, 40)
    expect(page.locator("#tables-at-told")).to_have_text("20 steps (2 of 4)")
    expect(page.get_by_role("slider")).to_have_value("1")


def test_broken_tables_are_shown_as_what_they_are(tmp_path: Path, serve: Serve, page: Page) -> None:
    folder = write_run(tmp_path, group="<b>g", rows=evaluations(1.0))
    tables(folder, GROUND, 10, 20, 30)
    (folder / "media" / "q-20.json").write_text('{"values": [[1, ')
    (folder / "media" / "q-10.json").unlink()
    url = serve(tmp_path)
    page.goto(url + "tables?at=20")
    expect(page.locator("#tables-maps .empty")).to_have_text("<b>g/0: q-20.json is half-written or no JSON.")
    page.get_by_role("slider").fill("0")
    expect(page.locator("#tables-maps .empty")).to_contain_text("media/q-10.json is missing")
    page.get_by_role("slider").fill("2")
    expect(page.locator("#tables-figure .js-plotly-plot")).to_be_visible()
    page.goto(url + "tables?run=nobody/0&layer=x")
    expect(page.locator("#tables-maps .empty")).to_contain_text("There is no run nobody/0")
    expect(page.locator(".caution")).to_contain_text("'layer'")
