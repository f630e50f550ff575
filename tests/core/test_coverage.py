"""The warnings, and that what they rest on can be simulated again."""

import json
import math
from pathlib import Path

import pytest

from core import benchmark
from core.aggregates import STATISTICS
from core.coverage import KINDS, LEAST, caution, simulated
from core.draws import draws
from core.errors import UserError
from core.simulation import INTERVALS, MANY, SCORES, SIZES, TITLES, coverage, table

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
SHARES = simulated()["coverage"]


def test_every_cell_was_simulated() -> None:
    assert list(SHARES) == list(INTERVALS) == list(TITLES)
    for kinds in SHARES.values():
        assert list(kinds) == list(KINDS) == list(SCORES)
        assert all(list(shares) == [str(n) for n in SIZES] for shares in kinds.values())
    assert set(SIZES) >= {3, 5, 10, 20}
    assert simulated()["rounds"] >= 2000


@pytest.mark.parametrize("n", SIZES)
def test_student_holds_the_truth_of_normal_scores_as_often_as_it_says(n: int) -> None:
    assert 0.93 <= SHARES["student"]["normal"][str(n)] <= 0.97
    # three standard errors of 4,000 rounds
    assert coverage("student", "normal", n, 4000, draws("again", n)) == pytest.approx(0.95, abs=0.011)


CELLS = [
    ("student", "failing", 5),
    ("bootstrap", "normal", 3),
    ("welch", "failing", 5),
    ("welch", "skewed", 20),
    ("permutation", "normal", 5),
    ("iqm", "normal", 3),
    ("mean", "failing", 5),
    ("improvement", "skewed", 3),
]


@pytest.mark.parametrize(("interval", "kind", "n"), CELLS)
def test_the_published_shares_come_out_again(interval: str, kind: str, n: int) -> None:
    published, rounds = SHARES[interval][kind][str(n)], 250
    again = coverage(interval, kind, n, rounds, draws("again", interval, kind, n))
    error = math.sqrt(published * (1 - published) * (1 / rounds + 1 / simulated()["rounds"]))
    assert again == pytest.approx(published, abs=3.5 * error)


def test_five_seeds_of_which_none_failed_are_the_failure_by_hand() -> None:
    # of five seeds none fails in .8⁵ = 33 % of cases: then all are near 1 and no interval reaches down to .8
    assert 1 - SHARES["student"]["failing"]["5"] == pytest.approx(0.8**5, abs=0.04)


@pytest.mark.parametrize("kind", SCORES)
def test_scores_have_the_mean_and_the_spread_they_say(kind: str) -> None:
    drawn = SCORES[kind].draw(draws("kind", kind), MANY)
    assert drawn.mean() == pytest.approx(SCORES[kind].mean, abs=4 / math.sqrt(MANY))
    assert drawn.std() == pytest.approx(SCORES[kind].spread, rel=0.01)


def test_caution_speaks_where_coverage_is_low() -> None:
    said = caution("student", 5)
    assert said is not None
    assert said.startswith("Caution: with n = 5 ")
    failing = SHARES["student"]["failing"]["5"]
    assert f"{100 * failing:.0f} % for scores of which a fifth fail" in said
    assert "normal" not in said
    assert caution("student", 7) == said.replace("n = 5", "n = 7")  # the next lower one that was simulated
    assert f"{100 * SHARES['student']['failing']['3']:.0f} %" in str(caution("student", 2))
    assert caution("student", 1000) is None
    assert caution("tea leaves", 5) is None


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("n", SIZES)
def test_caution_is_silent_where_all_is_well(interval: str, n: int) -> None:
    low = any(shares[str(n)] < LEAST for shares in SHARES[interval].values())
    assert (caution(interval, n) is not None) == low


def test_statistics_over_tasks_have_their_warnings() -> None:
    assert all(caution(name, 3) for name in (*STATISTICS, "improvement", "bootstrap"))


def test_the_page_shows_what_the_lab_warns_with() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert table(SHARES) in page
    assert str(caution("welch", 5)) in page.replace("\n> ", " ")  # the example it explains


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, data = tmp_path / "page.md", tmp_path / "data.json"
    words = ["coverage", "--rounds", "2", "--out", str(page), "--data", str(data)]
    with pytest.raises(UserError, match="has no part"):
        benchmark.main(words)
    page.write_text("before\n<!-- bench coverage -->\nold\n<!-- end -->\nafter\n")
    assert benchmark.main(words) == 0
    assert capsys.readouterr().out.count("done after") == len(INTERVALS)
    found = json.loads(data.read_text())
    assert (
        page.read_text()
        == f"before\n<!-- bench coverage -->\n{table(found['coverage'])}\n<!-- end -->\nafter\n"
    )
    assert found["rounds"] == 2
    with pytest.raises(UserError, match="at least 1"):
        benchmark.main(["coverage", "--rounds", "0"])
