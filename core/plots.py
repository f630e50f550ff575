"""A comparison's figures as files for papers: png and svg, the same bytes for the same runs."""

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from core.across import Across
from core.across_figures import counted, shorter
from core.aggregates import STATISTICS
from core.comparison import Contest, Entry
from core.curves import Curves
from core.figures import colours
from core.statistics import ENOUGH, Floats, Interval
from core.tables import number

GREY = "#6b7078"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e5e9",
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "savefig.dpi": 300,
    "svg.hashsalt": "lab",  # ids that do not depend on the hour
    "text.parse_math": False,  # a $ in a name is a $
}
WIDTH = 4.6  # inches: one column of most papers, with room for the legend

Named = tuple[str, Callable[[], Figure]]


def write(folder: Path, contests: Sequence[Contest], together: Across | None) -> list[Path]:
    """Every figure as `<name>.png` and `<name>.svg` in the folder, which is made; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # a name in a script the font lacks is drawn as boxes
        for name, draw in _named(contests, together):
            figure = draw()
            FigureCanvasAgg(figure)
            for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
                path = folder / f"{name}{suffix}"
                figure.savefig(path, metadata=metadata, bbox_inches="tight", pad_inches=0.04)
                written.append(path)
    return written


def _named(contests: Sequence[Contest], together: Across | None) -> list[Named]:
    of, named, taken = colours(contests), list[Named](), set[str]()
    for contest in contests:
        stem = re.sub(r"[^A-Za-z0-9_.=-]+", "-", contest.task).strip("-.")[:80] or "task"
        while stem in taken:
            stem += "+"
        taken.add(stem)
        named.append((f"{stem}-curves", lambda c=contest: curves(c, of)))  # type: ignore[misc]
        named.append((f"{stem}-scores", lambda c=contest: scores(c, of)))  # type: ignore[misc]
    if together:
        named.append(("across-aggregates", lambda: aggregates(together, of)))
        named.append(("across-profiles", lambda: profiles(together, of)))
        named.append(("across-efficiency", lambda: efficiency(together, of)))
        if together.improvements:
            named.append(("across-improvement", lambda: improvements(together, of)))
    return named


def curves(contest: Contest, of: dict[str, str]) -> Figure:
    """The mean over seeds with its 95 % interval; with few seeds the seeds; a cross where one failed."""
    figure, axes = _canvas(2.7)
    for entry in contest.entries:
        colour = of[entry.label]
        name = f"{entry.label} (n = {len(entry.curves)})"
        few = len(entry.curves) < ENOUGH
        if few and len(entry.curves) > 1:
            for curve in entry.curves:
                axes.plot(curve.steps, curve.values, color=colour, alpha=0.45, linewidth=0.7)
        _band(axes, entry.mean_curve, colour, name, shaded=not few)
        lost = [c for c in entry.curves if c.record.status in ("failed", "crashed") and len(c.steps)]
        ends = [c.steps[-1] for c in lost], [c.values[-1] for c in lost]
        axes.plot(*ends, "x", color=colour, markersize=5, markeredgewidth=1.4)
    if contest.threshold is not None:
        axes.axhline(contest.threshold, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        place = {"xy": (0.015, contest.threshold), "xycoords": ("axes fraction", "data")}
        beside = {"xytext": (0, 2), "textcoords": "offset points", "color": GREY, "fontsize": 7}
        beside["bbox"] = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.4}
        axes.annotate(f"bar {number(contest.threshold)}", **place, **beside)  # type: ignore[arg-type]
    _steps(axes, contest.axis)
    axes.set(title=shorter(contest.task), ylabel=shorter(contest.metric))
    _legend(axes)
    return figure


def scores(contest: Contest, of: dict[str, str]) -> Figure:
    """Final scores: a dot per seed, a tick for the mean, a bar for the 95 % interval where there are enough seeds."""
    shown = contest.entries
    figure, axes = _canvas(0.75 + 0.34 * len(shown))
    for row, entry in enumerate(shown):
        colour, final = of[entry.label], entry.final
        if final and len(entry.scored) >= ENOUGH:
            axes.plot(final[1:], [row, row], color=colour, alpha=0.3, linewidth=8, solid_capstyle="butt")
        if final:
            axes.plot([final.mean] * 2, [row - 0.27, row + 0.27], color=colour, linewidth=1.6)
        shift = 0.09 * (np.arange(len(entry.scored)) % 3 - 1)  # so that equal scores can be counted
        axes.plot(entry.scores, row + shift, "o", color=colour, markersize=3.4, alpha=0.85, markeredgewidth=0)
    if contest.threshold is not None:
        axes.axvline(contest.threshold, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    _rows(axes, [f"{entry.label}  ({_counted(entry)})" for entry in shown])
    axes.set(title=shorter(contest.task), xlabel=f"final {shorter(contest.metric)}")
    return figure


def profiles(together: Across, of: dict[str, str]) -> Figure:
    """Performance profiles: the share of runs above each normalised score, with 95 % bands."""
    figure, axes = _canvas(2.7)
    for label in together.labels:
        profile = together.profiles[label]
        axes.fill_between(profile.taus, profile.low, profile.high, color=of[label], alpha=0.18, linewidth=0)
        axes.plot(profile.taus, profile.share, color=of[label], label=counted(together, label))
    axes.set(
        title=_over(together), xlabel="normalised score τ", ylabel="share of runs above τ", ylim=(-0.02, 1.02)
    )
    _legend(axes)
    return figure


def efficiency(together: Across, of: dict[str, str]) -> Figure:
    """IQM of normalised scores against steps, as far as every task goes."""
    figure, axes = _canvas(2.7)
    for label in together.labels:
        _band(axes, together.efficiency[label], of[label], counted(together, label), shaded=True)
    _steps(axes, together.axis)
    axes.set(title=_over(together), ylabel="IQM of normalised scores")
    _legend(axes)
    return figure


def aggregates(together: Across, of: dict[str, str]) -> Figure:
    """IQM, mean, median and optimality gap, each with its 95 % interval."""
    rows = together.labels
    figure = Figure(figsize=(WIDTH + 2.0, 0.85 + 0.3 * len(rows)), layout="constrained")
    panels: Any = figure.subplots(1, len(STATISTICS), sharey=True)
    for axes, name in zip(panels, STATISTICS, strict=True):
        for row, label in enumerate(rows):
            _dot(axes, row, together.aggregates[label][name], of[label])
        axes.set_title({"iqm": "IQM"}.get(name, name))
        axes.xaxis.set_major_locator(MaxNLocator(2))
    _rows(panels[0], [counted(together, label) for label in rows])
    figure.suptitle(f"{_over(together)}: normalised scores", x=0.01, ha="left", fontsize=9)
    return figure


def improvements(together: Across, of: dict[str, str]) -> Figure:
    """How likely a run of the best label scores above one of each other."""
    figure, axes = _canvas(0.75 + 0.32 * len(together.improvements))
    for row, ((_, other), chance) in enumerate(together.improvements.items()):
        _dot(axes, row, chance, of[other])
    axes.axvline(0.5, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    best = together.labels[0]
    _rows(axes, [counted(together, other) for _, other in together.improvements])
    axes.set(
        title=_over(together),
        xlim=(-0.02, 1.02),
        xlabel=f"P({shorter(counted(together, best))} scores above it)",
    )
    return figure


# --- the pieces


def _canvas(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _band(axes: Axes, curve: Curves, colour: str, name: str, *, shaded: bool) -> None:
    """The line, dotted where some seeds have no value any more; its band."""
    if shaded:
        axes.fill_between(curve.steps, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    if len(curve.steps) == 1:
        axes.plot(curve.steps, curve.mean, "o", color=colour, label=name)
        return
    whole = curve.seeds == (curve.seeds.max() if len(curve.seeds) else 0)
    axes.plot(curve.steps, curve.mean, color=colour, linewidth=1.1, linestyle=(0, (1, 1.2)))
    axes.plot(curve.steps, _masked(curve.mean, whole), color=colour, label=name)


def _masked(values: Floats, kept: Any) -> Floats:
    return np.where(kept, values, np.nan)


def _dot(axes: Axes, row: int, of: Interval, colour: str) -> None:
    if np.isfinite(of.low):
        axes.plot(of[1:], [row, row], color=colour, alpha=0.4, linewidth=5, solid_capstyle="butt")
    axes.plot([of.mean], [row], "o", color=colour, markersize=4.5)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [shorter(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _steps(axes: Axes, axis: str) -> None:
    axes.set_xlabel(axis.replace("_", " "))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: _short(step)))


def _short(step: float) -> str:
    """1500 -> 1.5k."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(step) >= size:
            return f"{step / size:g}{unit}"
    return f"{step:g}"


def _legend(axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    short = [shorter(str(name)) for name in names]
    axes.legend(
        handles, short, loc="upper left", bbox_to_anchor=(1.04, 1.02), borderaxespad=0, handlelength=1.4
    )


def _counted(entry: Entry) -> str:
    n, every = len(entry.scored), len(entry.curves)
    return f"n = {n}" if n == every else f"n = {n} of {every}"


def _over(together: Across) -> str:
    return f"{len(together.tasks)} tasks"
