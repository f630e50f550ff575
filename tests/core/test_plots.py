"""The figures as files: all there, the same bytes every time, n on each."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from core import plots, records, report
from core.across import across
from core.comparison import Contest, contests
from core.figures import colours
from tests.core.run_folders import evaluations, write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for task, best in (("CartPole-v1", 500.0), ("Pendulum-v1", -150.0)):
        for seed in range(5):
            write_run(root, task=task, seed=seed, rows=evaluations(best - 90, best - seed))
            write_run(
                root, algorithm="dqn", task=task, seed=seed, rows=evaluations(best - 200, best - 90 - seed)
            )
    write_run(root, algorithm="dqn", seed=5, rows=evaluations(20.0), status="failed")
    for seed in range(3):
        rows = evaluations(1, 2 + seed)
        write_run(root, task="../a$b<c>:x", algorithm="$\\frac", group="odd", seed=seed, rows=rows)
    return root


def texts(figure: Figure) -> list[str]:
    """Everything written on a figure."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
        found += [label.get_text() for label in axes.get_yticklabels()]
        found += [axes.get_title(loc="left"), axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
    return found


def test_every_figure_is_written_as_png_and_svg(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, again = root.parent / "figures", root.parent / "again"
    for out in (folder, again):
        argv = ["--root", str(root), "--out", str(root.parent / "r.html"), "--figures", str(out)]
        assert report.main(argv) == 0
    assert "3 tasks, 24 runs; 20 figures in" in capsys.readouterr().out
    names = sorted(path.name for path in folder.iterdir())
    stems = {"CartPole-v1", "Pendulum-v1", "a-b-c-x"}
    kinds = {f"{stem}-{kind}" for stem in stems for kind in ("curves", "scores")}
    kinds |= {f"across-{kind}" for kind in ("aggregates", "profiles", "efficiency", "improvement")}
    assert set(names) == {f"{kind}.{suffix}" for kind in kinds for suffix in ("png", "svg")}
    for name in names:
        written = (folder / name).read_bytes()
        assert written == (again / name).read_bytes(), name  # no date, no id of the hour
        if name.endswith("svg"):
            assert ElementTree.fromstring(written).tag.endswith("svg")
            assert b"<dc:date>" not in written
        else:
            assert written.startswith(b"\x89PNG")


def drawn(root: Path) -> tuple[list[Contest], dict[str, str]]:
    found = contests(records.scan(root))
    return found, colours(found)


def test_n_is_on_every_figure(root: Path) -> None:
    found, of = drawn(root)
    together = across(found)
    assert together is not None
    with mpl.rc_context(plots.STYLE):
        for contest in found:
            for draw in (plots.curves, plots.scores):
                assert any("n = " in text for text in texts(draw(contest, of)))
        for draw_all in (plots.profiles, plots.efficiency, plots.aggregates, plots.improvements):
            assert any("n = 5" in text for text in texts(draw_all(together, of)))
        cartpole = next(contest for contest in found if contest.task == "CartPole-v1")
        assert "dqn  (n = 5 of 6)" in texts(plots.scores(cartpole, of))


def test_few_seeds_are_drawn_and_no_band(root: Path) -> None:
    found, of = drawn(root)
    few, many = (next(c for c in found if c.task.startswith(name)) for name in ("../a", "Pendulum"))
    with mpl.rc_context(plots.STYLE):
        axes = plots.curves(few, of).axes[0]
        assert len(axes.collections) == 0  # no band
        assert [line.get_ydata()[-1] for line in axes.lines[:3]] == [2, 3, 4]
        assert len(plots.curves(many, of).axes[0].collections) == 2
        # a thick bar is the interval: with three seeds there is none, the seeds stand alone
        assert not [line for line in plots.scores(few, of).axes[0].lines if line.get_linewidth() > 5]
        assert len([line for line in plots.scores(many, of).axes[0].lines if line.get_linewidth() > 5]) == 2


def test_where_a_seed_has_ended_the_line_is_dotted_and_a_failure_crossed(root: Path) -> None:
    found, of = drawn(root)
    cartpole = next(contest for contest in found if contest.task == "CartPole-v1")
    with mpl.rc_context(plots.STYLE):
        lines = plots.curves(cartpole, of).axes[0].lines
    crosses = [line for line in lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [line.get_xydata().tolist() for line in crosses] == [[[10, 20]]]
    (solid,) = [line for line in lines if line.get_label() == "dqn (n = 6)"]
    assert [value == value for value in solid.get_ydata()] == [True, False]  # at step 20 five of six are left


def test_colours_are_the_pages(root: Path) -> None:
    found, of = drawn(root)
    with mpl.rc_context(plots.STYLE):
        for contest in found:
            named = {line.get_label(): line.get_color() for line in plots.curves(contest, of).axes[0].lines}
            for entry in contest.entries:
                assert named[f"{entry.label} (n = {len(entry.curves)})"] == of[entry.label]


def test_nothing_finished_can_be_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", status="running")
    assert len(plots.write(tmp_path / "out", contests(records.scan(tmp_path / "runs")), None)) == 4
