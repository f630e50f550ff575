"""The comparison as one HTML file that needs nothing else: no server, no font, no script from outside."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from core import across_figures, figures
from core.across import Across
from core.comparison import Contest, Entry
from core.formats import across_header, across_rows, cautions, remarks, seeds, waited
from core.grouping import OWN_AFFAIR
from core.records import Record
from core.statistics import ENOUGH
from core.tables import number, span

HERE = Path(__file__).parent
# The browser itself refuses every request, whatever a name or a setting may hold.
POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
WAYS = {True: "higher is better", False: "lower is better", None: "no better or worse"}


def html(contests: Sequence[Contest], *, root: str, together: Across | None = None) -> str:
    """The whole page. Every name in it is escaped."""
    colours = figures.colours(contests)
    sections = "".join(_section(i, contest, colours) for i, contest in enumerate(contests))
    drawn = {f"figure-{i}": figures.curves(contest, colours) for i, contest in enumerate(contests)}
    if together:
        sections = _across(together, colours) + sections
        drawn |= across_figures.drawn(together, colours)
    sections += "".join(f'<p class="quiet">{escape(said)}</p>' for said in cautions(contests))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Comparison of runs</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{_head(contests, root, together)}
<main>{sections}</main>
{FOOT}
<script type="application/json" id="figures">{embedded(drawn)}</script>
<script>{get_plotlyjs()}</script>
<script>{script}</script>
</body>
</html>
"""


FOOT = f"""<footer>
<h2>How to read this</h2>
<p><b>Final score</b>: each seed's last evaluation; the mean over seeds with Student's 95&nbsp;% interval. In
the strip a dot is a seed, the tick the mean, the bar the interval. <b>Area</b>: the mean height of the curve,
so faster learning counts. <b>Steps and time to the bar</b>: medians over seeds, ∞ when half never got there;
seeds trained together share one clock.
<b>Time</b>: wall time of all seeds; <b>steps/s</b>: steps of all seeds in that time.</p>
<p>In the curves the line is the mean over seeds and the band its 95&nbsp;% interval; with fewer than {ENOUGH}
seeds each seed is drawn faintly instead. Nothing is extrapolated: where a seed ends, the mean goes on without
it, and n says so. A cross marks where a seed failed. An algorithm is called better only when Welch's
95&nbsp;% interval of the difference excludes 0 and both have at least {ENOUGH} seeds.</p>
<p>Over several tasks scores are normalised: 0 and 1 are each task's reference scores. <b>IQM</b>: the mean of the
middle half of all runs; <b>optimality gap</b>: how far runs fall short of 1; intervals by bootstrap over seeds
within tasks (Agarwal et al., 2021). A profile's line is the share of runs above each score: a line above another
throughout is better throughout. <b>Probability of improvement</b>: how likely a run of the one scores above a run
of the other on a task taken at random.</p>
</footer>"""


def _head(contests: Sequence[Contest], root: str, together: Across | None) -> str:
    entries = [entry for contest in contests for entry in contest.entries]
    states: Counter[str] = sum((entry.status for entry in entries), Counter())
    chips = "".join(f'<span class="chip {escape(s)}">{n} {escape(s)}</span>' for s, n in states.most_common())
    runs = sum(states.values())
    links = "".join(f'<a href="#task-{i}">{escape(contest.task)}</a>' for i, contest in enumerate(contests))
    links = ('<a href="#across">All together</a>' if together else "") + links
    made = datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
    return f"""<header>
<h1>Comparison of runs</h1>
<p class="quiet">{runs} runs on {len(contests)} tasks in <code>{escape(root)}</code> · {made}</p>
<p class="chips">{chips}</p>
<nav>{links}</nav>
</header>"""


def _across(together: Across, colours: dict[str, str]) -> str:
    """Several tasks at once: the verdict, the figures, the aggregates, and what is left out."""
    claim, colon, facts = together.verdict.partition(": ")
    outcome = "won" if " is better than " in claim else "open"
    titles = {
        "across-profiles": "Performance profiles",
        "across-efficiency": "Sample efficiency",
        "across-improvement": "Probability of improvement",
    }
    ids = across_figures.drawn(together, colours)
    places = "".join(
        f'<div><h3>{titles[name]}</h3><div class="figure" id="{name}" role="img" aria-label="{titles[name]}">'
        "</div></div>"
        for name in ids
    )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in across_header(together))
    body = ""
    for label, row in zip(together.labels, across_rows(together), strict=True):
        rest = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        body += f"<tr><td>{_dot(colours[label])}{escape(label)}</td>{rest}</tr>"
    notes = "".join(
        f'<p class="quiet">{escape(note)}</p>' for note in (*together.missing, together.caution or "")
    )
    return f"""
<section id="across">
<h2>{len(together.tasks)} tasks together</h2>
<p class="quiet">normalised scores over {escape(", ".join(together.tasks))}, higher is better</p>
<p class="verdict {outcome}"><b>{escape(claim)}</b>{escape(colon + facts)}</p>
<div class="pair">{places}</div>
<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}
</section>"""


def _section(index: int, contest: Contest, colours: dict[str, str]) -> str:
    bar = f" · bar {number(contest.threshold)}" if contest.threshold is not None else ""
    about = escape(f"{contest.metric} over {contest.axis}")
    claim, colon, facts = contest.verdict.partition(": ")
    outcome = "won" if " is better than " in contest.verdict else "open"
    notes = "".join(f'<p class="quiet">{escape(note)}</p>' for note in remarks(contest))
    return f"""
<section id="task-{index}">
<h2>{escape(contest.task)}</h2>
<p class="quiet">{escape(contest.metric)}, {WAYS[contest.higher_is_better]}{bar}</p>
<p class="verdict {outcome}"><b>{escape(claim)}</b>{escape(colon + facts)}</p>
<div class="figure" id="figure-{index}" role="img" aria-label="{about}">
<noscript>The curves need JavaScript.</noscript></div>
{_table(contest, colours)}{notes}
{_samples(contest, colours)}
{_settings(contest)}
</section>"""


def _table(contest: Contest, colours: dict[str, str]) -> str:
    scale = figures.scale(contest.entries)
    bar = number(contest.threshold)
    reaching = ["", ""] if contest.threshold is None else [f"Steps to {bar}", f"Time to {bar}"]
    names = ["Algorithm", "Seeds", "Final score", "", "95 % interval", "Area", *reaching, "Time", "Steps/s"]
    kept = [i for i, name in enumerate(names) if name or i == 3]
    classes = ["", "", "n", "", "n", "n", "n", "n", "n", "n"]
    rows = [_cells(entry, contest, scale, colours[entry.label]) for entry in contest.entries]
    head = "".join(f'<th class="{classes[i]}" scope="col">{names[i]}</th>' for i in kept)
    body = "".join(
        "<tr>" + "".join(f'<td class="{classes[i]}">{row[i]}</td>' for i in kept) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(entry: Entry, contest: Contest, scale: tuple[float, float], colour: str) -> list[str]:
    final, steps = entry.final, entry.steps_to_threshold
    reached = (
        "–" if steps is None else f"{number(steps)} <small>{entry.reached} of {len(entry.crossings)}</small>"
    )
    interval = f"{number(final.low)} … {number(final.high)}" if final and len(entry.scored) > 1 else "–"
    return [
        f"{_dot(colour)}{escape(entry.label)}",
        escape(seeds(entry)),
        f"<b>{number(final.mean if final else None)}</b>",
        figures.strip(entry, scale, contest.threshold, colour),
        interval,
        number(entry.area),
        reached,
        waited(entry.seconds_to_threshold),
        span(entry.seconds or None),
        number(entry.speed),
    ]


def _samples(contest: Contest, colours: dict[str, str]) -> str:
    shown = []
    for entry in contest.entries:
        run = next((curve.record for curve in entry.scored or entry.curves), None)
        images = _media(run) if run else ""
        if not run or not images:
            continue
        name = f"{_dot(colours[entry.label])}{escape(entry.label)} <small>seed {run.seed}</small>"
        shown.append(f'<div class="samples"><h3>{name}</h3><div class="grids">{images}</div></div>')
    return f'<div class="gallery">{"".join(shown)}</div>'


def _media(run: Record) -> str:
    """A run's newest pictures and films, each with what it is."""
    parts = [(f'<img src="{source}" alt="">', caption) for caption, source in figures.pictures(run)]
    parts += [
        (f'<video controls loop muted src="{film}"></video>' if film else "", caption)
        for caption, film in figures.films(run)
    ]
    return "".join(
        f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>" for shown, caption in parts
    )


def _settings(contest: Contest) -> str:
    """What sets the entries apart first, then what they share."""
    configs = [entry.curves[-1].record.config for entry in contest.entries]
    names = [
        name for name in dict.fromkeys(n for config in configs for n in config) if name not in OWN_AFFAIR
    ]
    apart = [name for name in names if any(config.get(name) != configs[0].get(name) for config in configs)]
    head = "".join(f'<th scope="col">{escape(entry.label)}</th>' for entry in contest.entries)
    rows = "".join(_setting(name, configs, "apart") for name in apart)
    rows += "".join(_setting(name, configs, "") for name in names if name not in apart)
    head = f'<thead><tr><th scope="col">Setting</th>{head}</tr></thead>'
    table = f'<div class="wide"><table class="plain">{head}<tbody>{rows}</tbody></table></div>'
    groups = "".join(
        f"<li>{escape(entry.label)}: "
        + ", ".join(f"<code>{escape(group)}</code>" for group in _groups(entry))
        + "</li>"
        for entry in contest.entries
    )
    return f"<details><summary>Settings and runs</summary>{table}<ul>{groups}</ul></details>"


def _setting(name: str, configs: list[dict[str, Any]], kind: str) -> str:
    values = "".join(f"<td>{escape(str(config[name])) if name in config else ''}</td>" for config in configs)
    return f'<tr class="{kind}"><th scope="row">{escape(str(name))}</th>{values}</tr>'


def _groups(entry: Entry) -> list[str]:
    return list(dict.fromkeys(curve.record.group for curve in entry.curves))


def _dot(colour: str) -> str:
    return f'<span class="dot" style="background:{colour}"></span>'


def embedded(data: Any) -> str:
    """JSON that no name can end: `<` never appears in it."""
    return (
        json.dumps(data, allow_nan=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )
