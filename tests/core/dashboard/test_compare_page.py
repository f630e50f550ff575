"""The Compare page: what it draws and says, in numbers by hand, and the page itself in a real browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.comparison import Contest, contests
from core.dashboard import choices, drawn, sections
from core.dashboard.choices import Shown
from core.dashboard.gathered import Gathered, metrics_of, settings_of, tasks_of
from core.dashboard.lines import Drawer, Line, Style, axis_of
from core.dashboard.view import from_query, to_query
from core.dashboard.watch import Watch
from core.records import scan
from tests.core.dashboard.browser import Serve
from tests.core.run_folders import evaluations, write_run

COLOURS = {"ppo": ("#3f7de0", "solid"), "dqn": ("#e07b28", "dash"), "vae": ("#1f9d76", "solid")}


def contest(root: Path, **asked: Any) -> Contest:
    (only,) = contests(scan(root), **asked)
    return only


def lines(root: Path, style: Style | None = None, **asked: Any) -> list[Line]:
    return Drawer().lines(contest(root, **asked), style or Style())


def seeds(root: Path, *values: Sequence[float], **run: Any) -> None:
    """One run per list of evaluations, every 10 steps."""
    for seed, each in enumerate(values):
        write_run(root, seed=seed, rows=evaluations(*each), **{"algorithm": "ppo", **run})


def figure(root: Path, style: Style | None = None) -> dict[str, Any]:
    one = contest(root)
    made = Drawer().lines(one, style or Style())
    colours = {entry.label: ("#3f7de0", "solid") for entry in one.entries}
    return drawn.figure(one, made, style or Style(), colours, {})


# --- axes


def test_seconds_are_those_of_the_row_or_of_the_last_before_it(tmp_path: Path) -> None:
    rows = [
        {"env_step": 5, "eval/return": 9.0},  # before any clock: has no place
        {"env_step": 10, "time/seconds": 1.5, "eval/return": 1.0},
        {"env_step": 20, "time/seconds": 4.0},
        {"env_step": 25, "eval/return": 2.0},
        {"env_step": 30, "time/seconds": 3.0, "eval/return": 3.0},  # a clock that was set back: never falls
    ]
    write_run(tmp_path, rows=rows)
    (line,) = lines(tmp_path, Style(x="seconds"))
    assert line.centre.steps.tolist() == [1.5, 4.0]
    assert line.centre.mean.tolist() == [1.0, 3.0]


def test_training_steps_are_examples_by_batch_and_updates_of_the_critic(tmp_path: Path) -> None:
    rows = evaluations(5.0, 4.0, every=64, metric="eval/loss", axis="examples_seen")
    write_run(
        tmp_path,
        suite="generative",
        algorithm="vae",
        task="ring",
        rows=rows,
        config={"batch": 16, "critic_steps": 2},
    )
    one = contest(tmp_path)
    assert [axis_of(one, x) for x in ("", "steps", "examples", "seconds")] == [
        "examples",
        "steps",
        "examples",
        "seconds",
    ]
    (line,) = Drawer().lines(one, Style(x="steps"))
    assert line.centre.steps.tolist() == [2.0, 4.0]


def test_what_cannot_be_drawn_over_an_axis_is_said(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 2], [3, 4], pid=7)
    one, style = contest(tmp_path), Style(x="seconds")
    made = Drawer().lines(one, style)
    assert made[0].untold == 2
    assert drawn.notes(one, made, style) == [
        "2 runs did not record seconds: not drawn.",
        "Seeds trained together in one process share one wall: their seconds are those of all of them.",
    ]
    said = drawn.notes(one, made, Style(x="examples"))
    assert said[0] == "These runs count no examples: drawn over steps."


# --- lines


def test_the_mean_the_interval_and_the_seeds(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 3], [3, 5])
    (line,) = lines(tmp_path)
    assert line.centre.mean.tolist() == [2.0, 4.0]
    assert line.centre.high[0] == pytest.approx(2 + 12.7062)  # t(1) · √2/√2
    assert [seed.y.tolist() for seed in line.seeds] == [[1, 3], [3, 5]]
    assert line.raw is None


def test_the_iqm_leaves_the_outer_quarters_out(tmp_path: Path) -> None:
    seeds(tmp_path, *[[value] for value in (0, 10, 20, 1000)])
    (line,) = lines(tmp_path, Style(statistic="iqm"))
    assert line.centre.mean.tolist() == [15.0]
    assert 0 <= line.centre.low[0] < 15 < line.centre.high[0] <= 1000


def test_seeds_are_drawn_when_they_are_few_and_otherwise_when_asked(tmp_path: Path) -> None:
    seeds(tmp_path, *[[value, value + 1] for value in range(5)])
    assert lines(tmp_path)[0].seeds == ()
    assert len(lines(tmp_path, Style(seeds=True))[0].seeds) == 5
    assert sum("fill" in trace for trace in figure(tmp_path)["data"]) == 1
    seeds(tmp_path / "few", *[[value, value + 1] for value in range(4)])
    assert len(lines(tmp_path / "few")[0].seeds) == 4
    assert not any("fill" in trace for trace in figure(tmp_path / "few")["data"])


def test_smoothing_moves_no_peak_and_leaves_the_raw_line_to_see(tmp_path: Path) -> None:
    bump = [0, 0, 0, 1, 4, 9, 4, 1, 0, 0, 0]
    seeds(tmp_path, bump, bump)
    (line,) = lines(tmp_path, Style(smoothing=20))
    assert line.raw is not None
    assert line.raw.mean.tolist() == bump
    assert line.centre.mean.argmax() == 5
    assert 4 < line.centre.mean[5] < 9
    np.testing.assert_allclose(line.centre.mean, line.centre.mean[::-1], atol=1e-12)


def test_a_failed_seed_has_a_cross_at_its_last_value(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 2, 3])
    write_run(tmp_path, seed=1, algorithm="ppo", status="failed", rows=evaluations(5, 6, float("nan")))
    write_run(tmp_path, seed=2, algorithm="ppo", status="crashed", rows=[])
    one = contest(tmp_path)
    (line,) = made = Drawer().lines(one, Style())
    assert [(point.x.tolist(), point.y.tolist()) for point in line.lost] == [([20.0], [6.0])]
    said = drawn.notes(one, made, Style())
    assert "1 run failed before the first value: no cross is drawn." in said
    assert "A cross marks the last value of a seed that failed." in said
    cross = next(trace for trace in figure(tmp_path)["data"] if trace["mode"] == "markers")
    assert (cross["marker"]["symbol"], cross["x"], cross["y"]) == ("x", [20.0, None], [6.0, None])


def test_lines_are_worked_out_again_only_when_a_number_changed(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 3], [3, 5])
    drawer = Drawer()
    first, again = (drawer.lines(contest(tmp_path), Style())[0].centre for _ in range(2))
    assert first is again
    metrics = next(tmp_path.glob("*/1/metrics.jsonl"))
    metrics.write_text(metrics.read_text().replace("5", "9"))
    assert drawer.lines(contest(tmp_path), Style())[0].centre.mean.tolist() == [2.0, 6.0]


# --- figures


def test_names_mean_nothing_to_plotly(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 2], algorithm="<b>x</b><a href='https://e.org'>", task="<script>", group="odd-0")
    made = figure(tmp_path)
    names = [trace["name"] for trace in made["data"] if "name" in trace]
    assert names == ["&lt;b&gt;x&lt;/b&gt;&lt;a href='https://e.org'&gt; (n = 1)"]
    assert sections.name_of(tasks_of(Watch(tmp_path).records())[0]).isalnum()


def test_hover_says_the_interval_and_n(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 3], [3])
    made = drawn.hover(lines(tmp_path)[0].centre)
    assert made["customdata"][0][2] == 2
    assert made["customdata"][0][:2] == pytest.approx([2 - 12.7062, 2 + 12.7062], abs=1e-4)
    assert made["customdata"][1] == [None, None, 1]
    assert ["customdata[0]" in said for said in made["hovertemplate"]] == [True, False]


def test_zoom_is_kept_while_the_axes_show_the_same(tmp_path: Path) -> None:
    seeds(tmp_path, [1, 2])
    before = figure(tmp_path)["layout"]["uirevision"]
    seeds(tmp_path, [1, 2], algorithm="dqn")
    assert figure(tmp_path, Style(smoothing=5, seeds=True))["layout"]["uirevision"] == before
    assert figure(tmp_path, Style(log_x=True))["layout"]["uirevision"] != before
    assert figure(tmp_path, Style(x="seconds"))["layout"]["uirevision"] != before


def test_a_logarithmic_axis_says_what_it_cannot_show(tmp_path: Path) -> None:
    write_run(tmp_path, rows=[{"env_step": 0, "eval/return": 7.0}, *evaluations(-1, 2, 4)])
    style = Style(log_x=True, log_y=True)
    one = contest(tmp_path)
    (line,) = made = Drawer().lines(one, style)
    assert line.centre.steps.tolist() == [10, 20, 30]
    assert drawn.notes(one, made, style) == [
        "1 point at 0: not on a logarithmic axis.",
        "1 point of 3 drawn: 0 or below, a gap on a logarithmic axis.",
    ]
    layout = figure(tmp_path, style)
    assert (layout["layout"]["xaxis"]["type"], layout["layout"]["yaxis"]["type"]) == ("log", "log")
    assert layout["data"][-1]["y"] == [None, 2.0, 4.0]


def test_an_axis_without_a_value_above_0_stays_linear(tmp_path: Path) -> None:
    seeds(tmp_path, [-200, -100])
    one, style = contest(tmp_path), Style(log_y=True)
    made = Drawer().lines(one, style)
    assert drawn.notes(one, made, style) == ["No value is above 0: the axis of values stays linear."]
    assert figure(tmp_path, style)["layout"]["yaxis"]["type"] == "linear"


def test_a_band_that_reaches_0_ends_at_the_smallest_value(tmp_path: Path) -> None:
    seeds(tmp_path, *[[1, value] for value in (1, 1, 1, 1, 96)])
    style = Style(log_y=True)
    band = next(trace for trace in figure(tmp_path, style)["data"] if "fill" in trace)
    assert min(band["y"]) == 1.0
    one = contest(tmp_path)
    assert "its band ends" in drawn.notes(one, Drawer().lines(one, style), style)[-1]


def test_six_digits_are_sent() -> None:
    values = np.array([1234567.891, -0.000123456789, 0.0, np.nan, np.inf, 1e-320])
    short = drawn.shortened(values)
    assert short[:3].tolist() == [1234570.0, -0.000123457, 0.0]
    assert np.isnan(short[3])
    assert np.isinf(short[4])
    assert short[5] == pytest.approx(0, abs=1e-300)


# --- what there is to choose from


def test_tasks_metrics_and_settings_are_those_of_the_runs(tmp_path: Path) -> None:
    seeds(tmp_path, [1.0], config={"lr": 0.1})
    seeds(tmp_path, [1.0], algorithm="dqn", settings="00000001", config={"lr": 0.2, "only": 1})
    rows = [{"examples_seen": 1, "train/loss": 1.0, "time/seconds": 1.0}]
    write_run(tmp_path, suite="generative", task="ring", algorithm="vae", rows=rows)
    records = Watch(tmp_path).records()
    first, second = tasks_of(records)
    assert [(task.suite, task.name, len(task.records)) for task in (first, second)] == [
        ("rl", "CartPole-v1", 2),
        ("generative", "ring", 1),
    ]
    assert metrics_of(first.records) == ["eval/return"]
    assert metrics_of(second.records) == ["train/loss"]
    assert settings_of(first.records) == ["algorithm", "group", "lr", "only"]


def test_a_filter_that_means_nothing_is_said_and_filters_nothing(tmp_path: Path) -> None:
    seeds(tmp_path, [1.0])
    seeds(tmp_path, [1.0], algorithm="dqn")
    gathered = Gathered(Watch(tmp_path))
    assert [record.algorithm for record in gathered.chosen((), "algorithm=dqn")[0]] == ["dqn"]
    for wrong in ("nothing", "no_such=1", "algorithm='dqn"):
        kept, said = gathered.chosen((), wrong)
        assert (len(kept), bool(said)) == (2, True)


def test_hidden_entries_leave_the_table_and_the_verdict(tmp_path: Path) -> None:
    for algorithm, low in (("ppo", 10), ("dqn", 20), ("a2c", 30)):
        seeds(tmp_path, *[[low + i / 10] for i in range(5)], algorithm=algorithm)
    gathered = Gathered(Watch(tmp_path))
    (task,) = tasks_of(gathered.watch.records())
    question = ("", None, (), True)
    all_three = gathered.part(task, question).contest
    without = gathered.part(task, question, ("a2c",)).contest
    assert all_three is not None
    assert without is not None
    assert all_three.verdict.startswith("a2c is better than dqn")
    assert without.verdict.startswith("dqn is better than ppo")


def test_what_the_controls_say_comes_back_from_the_address() -> None:
    values = {
        "tasks": ["a b", "<script>"],
        "metric": "loss/value",
        "by": ["lr"],
        "where": " status=finished ",
        "x": "seconds",
        "statistic": "iqm",
        "smoothing": 2.5,
        "draw": ["seeds", "log_y"],
        "columns": "1",
        "threshold": -3.5,
        "runs": ["../x"],
    }
    shown = choices.chosen(values, Shown(hidden=("elsewhere", "ppo"), metric="gone"))
    assert shown.hidden == ("elsewhere", "ppo")
    assert choices.toggled(shown, "ppo").hidden == ("elsewhere",)
    assert choices.toggled(shown, "dqn").hidden == ("dqn", "elsewhere", "ppo")
    assert (shown.where, shown.seeds, shown.log_x, shown.log_y) == ("status=finished", True, False, True)
    assert from_query(Shown, to_query(shown)) == shown
    assert shown.style == Style("seconds", "iqm", 2.5, True, False, True)


def test_wrong_words_in_the_address_are_named() -> None:
    shown = from_query(Shown, "?x=light-years&smoothing=9999&threshold=high&what=1")
    assert set(shown.ignored) == {"x", "threshold", "what"}
    assert shown.style.smoothing == choices.SMOOTHEST
    assert from_query(Shown, "?smoothing=nan").style.smoothing == 0


# --- the page in a browser

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
expect.set_options(timeout=20_000)
FIGURE = "#compare-body .js-plotly-plot"
SHOWN = f"""(wanted => {{
  const figure = document.querySelector("{FIGURE}");
  const told = figure && figure._fullLayout && JSON.stringify({{
    x: figure.layout.xaxis.title.text, types: [figure.layout.xaxis.type, figure.layout.yaxis.type],
    metric: figure.layout.yaxis.title.text, traces: figure.data.map(trace => [trace.name, trace.y]),
  }});
  return told && wanted.every(word => told.includes(word)) ? told : false;
}})"""


def shows(page: Page, *wanted: str) -> str:
    """What the first figure shows, once all of `wanted` is in it."""
    return str(page.wait_for_function(SHOWN, arg=list(wanted)).json_value())


def option(page: Page, control: str, words: str) -> None:
    page.locator(control).get_by_text(words, exact=True).click()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algorithm, slope in (("ppo", 30.0), ("dqn", 10.0)):
        for seed in range(6):
            rows = [
                {
                    "env_step": step * 10,
                    "time/seconds": step / 2,
                    "eval/return": slope * step + seed,
                    "loss/value": 9 / step,
                }
                for step in range(1, 9)
            ]
            write_run(root, algorithm=algorithm, seed=seed, rows=rows, config={"lr": slope / 1000})
    for seed in range(5):
        write_run(
            root, algorithm="ppo", task="Acrobot-v1", seed=seed, rows=evaluations(-300 + seed, -90 + seed)
        )
        write_run(
            root, algorithm="dqn", task="Acrobot-v1", seed=seed, rows=evaluations(-300 + seed, -200 + seed)
        )
    return root


def test_the_page_is_used_once_and_its_address_shows_the_same(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "compare?tasks=CartPole-v1")
    expect(page.locator("#compare-body .verdict")).to_contain_text("ppo is better than dqn")
    expect(page.locator("#compare-statistic")).to_be_hidden()
    page.locator("#compare-more").click()
    expect(
        page.locator("#compare-body td").filter(has_text="242.5")
    ).to_be_visible()  # 30 · 8 + mean of 0 … 5
    first = shows(page, '"ppo (n = 6)"', '"dqn (n = 6)"', '"steps"')
    option(page, "#compare-x", "seconds")
    shows(page, "seconds of wall time")
    option(page, "#compare-statistic", "IQM")
    option(page, "#compare-draw", "single seeds")
    option(page, "#compare-draw", "log y")
    page.locator("#compare-smoothing").get_by_role("slider").focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    smoothed = "Smoothing: 20 % of the axis"
    expect(page.locator("#compare-smoothing-label")).to_have_text(smoothed)
    page.locator("#compare-metric").click()
    page.get_by_role("option", name="loss/value", exact=True).click()
    page.locator("#compare-threshold").fill("2")
    page.locator("#compare-threshold").press("Enter")
    page.locator("#compare-hidden").get_by_text("dqn").click()
    expect(page.locator("#compare-body .verdict")).to_have_text("ppo stands alone on this task.")
    expect(page.get_by_role("columnheader", name="IQM")).to_be_visible()
    last = shows(page, '["linear","log"]', '"metric":"loss/value"')
    expect(page).to_have_url(
        serve(root)
        + "compare?tasks=CartPole-v1&metric=loss%2Fvalue&hidden=dqn&x=seconds&statistic=iqm&smoothing=20.0"
        "&seeds=true&log_y=true&threshold=2.0&more=true"
    )
    assert last != first
    again = page.context.new_page()
    again.goto(page.url)
    assert shows(again, '["linear","log"]', '"metric":"loss/value"') == last
    expect(again.locator("#compare-hidden [aria-pressed=true]")).to_have_text(["ppo"])
    expect(again.locator("#compare-x [aria-selected=true]")).to_have_text("seconds")
    expect(again.locator("#compare-draw [aria-selected=true]")).to_have_text(["single seeds", "log y"])
    expect(again.locator("#compare-metric")).to_contain_text("loss/value")
    expect(again.locator("#compare-smoothing-label")).to_have_text(smoothed)
    expect(again.locator("#compare-threshold")).to_have_value("2")


def test_several_tasks_stand_beside_each_other_and_are_summed_up(
    root: Path, serve: Serve, page: Page
) -> None:
    page.goto(serve(root) + "compare")
    expect(page.locator(FIGURE)).to_have_count(2)
    expect(page.get_by_role("heading", level=2)).to_have_text(
        ["Acrobot-v1", "CartPole-v1", "In numbers", "All together: 2 tasks, normalised scores"]
    )
    expect(page.locator("#compare-together .verdict")).to_contain_text("ppo")
    expect(page.locator("#compare-together .js-plotly-plot")).to_have_count(3)
    shows(page, '"steps"')
    for figure in page.locator(".js-plotly-plot .main-svg:visible").all():
        box, card = figure.bounding_box(), figure.locator("xpath=ancestor::section").bounding_box()
        assert box is not None
        assert card is not None
        assert card["x"] <= box["x"] <= box["x"] + box["width"] <= card["x"] + card["width"]
    page.locator("#compare-more").click()
    page.locator("#compare-where").fill("algorithm=ppo")
    page.locator("#compare-where").press("Enter")
    expect(page.locator("#compare-hidden")).to_have_text("ppo")
    expect(page.locator("#compare-more")).to_have_text("More: filter")
    page.locator("#compare-where").fill("colour=blue")
    page.locator("#compare-where").press("Enter")
    expect(page.locator("#compare-said")).to_contain_text("The filter is not applied")
    page.locator("#compare-by").click()
    page.get_by_role("option", name="lr", exact=True).click()
    expect(page.locator("#compare-hidden")).to_contain_text("lr=0.03")
    page.keyboard.press("Escape")


def test_the_first_figure_is_seen_at_once_and_nothing_complains(root: Path, serve: Serve, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(serve(root) + "compare")
    shows(page, '"steps"')
    box = page.locator(FIGURE).first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] / 2 < 900
    assert said == []


def test_the_keyboard_hides_an_entry(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "compare?tasks=CartPole-v1")
    shows(page, '"dqn (n = 6)"')
    page.locator("#compare-hidden button").first.focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(serve(root) + "compare?tasks=CartPole-v1&hidden=dqn")
    expect(page.locator("#compare-body .verdict")).to_have_text("ppo stands alone on this task.")


def test_new_points_come_and_nothing_chosen_goes(tmp_path: Path, serve: Serve, page: Page) -> None:
    for algorithm in ("ppo", "dqn"):
        write_run(tmp_path, algorithm=algorithm, status="running", rows=evaluations(1.0, 2.0, 3.0))
    page.goto(serve(tmp_path) + "compare?hidden=dqn")
    shows(page, '["ppo (n = 1)",[1,2,3]]')
    page.evaluate(f"Plotly.relayout(document.querySelector('{FIGURE}'), {{'xaxis.range': [12, 28]}})")
    page.locator("#compare-metric").click()
    expect(page.get_by_role("option", name="eval/return", exact=True)).to_be_visible()
    with next(tmp_path.glob("ppo*/0/metrics.jsonl")).open("a") as file:
        file.write('{"env_step": 40, "eval/return": 4.0}\n{"env_step": 50, "eval/ret')  # half-written
    shows(page, '["ppo (n = 1)",[1,2,3,4]]')
    assert page.evaluate(f"document.querySelector('{FIGURE}').layout.xaxis.range") == [12, 28]
    expect(
        page.get_by_role("option", name="eval/return", exact=True)
    ).to_be_visible()  # the menu is still open
    expect(page.locator("#compare-hidden [aria-pressed=true]")).to_have_text(["ppo"])
    page.keyboard.press("Escape")
    write_run(tmp_path, algorithm="a2c", status="running", rows=evaluations(9.0))
    shows(page, '"a2c (n = 1)"')
    assert page.evaluate(f"document.querySelector('{FIGURE}').layout.xaxis.range") == [12, 28]


def test_hostile_names_and_broken_records_are_shown_as_they_are(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    rows = [{"env_step": 1, "eval/return": 1.0, HOSTILE: 2.0}]
    write_run(tmp_path, algorithm=HOSTILE, task=HOSTILE, group="a..-evil", rows=rows)
    write_run(tmp_path, algorithm='"quoted" & more', task=HOSTILE, group="quoted", rows=rows)
    write_run(tmp_path, algorithm="sac", task="Nothing-v0", rows=[])
    write_run(
        tmp_path,
        algorithm="td3",
        task="Torn-v0",
        rows=evaluations(float("nan")),
        tail=b'{"env_st',
        summary={},
    )
    broken = write_run(tmp_path, algorithm="ppo", task="Broken-v0", rows=evaluations(1.0), group="broken")
    (broken / "run.json").write_text('{"format": 1, "status": "fini')
    page.goto(serve(tmp_path) + "compare")
    names = page.get_by_role("heading", level=2)
    expect(names.filter(has_text=HOSTILE)).to_be_visible()
    for task in ("Nothing-v0", "Torn-v0", "unknown"):
        expect(names.filter(has_text=task)).to_be_visible()
    expect(page.locator("#compare-hidden")).to_contain_text(HOSTILE)
    shown = page.locator(".legendtext").filter(has_text="window.hacked")
    expect(page.locator(".legendtext").filter(has_text='"quoted"').first).to_be_visible()
    expect(shown.first).to_contain_text("<script>")
    page.goto(
        serve(tmp_path)
        + "compare?metric="
        + "%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E&tasks=%3Cb%3E&x=%3Cb%3E"
    )
    expect(page.locator("#compare-said")).to_contain_text("is of a task that is chosen")
    expect(page.locator(".caution")).to_contain_text("'x'")
    page.goto(serve(tmp_path) + "compare?metric=no/such")
    expect(page.locator("#compare-body .empty").first).to_contain_text("no run has the metric 'no/such'")
    assert page.evaluate("window.hacked") is None


def test_an_empty_folder_says_so(tmp_path: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(tmp_path) + "compare")
    expect(page.locator("#compare-said")).to_contain_text("No runs in")
