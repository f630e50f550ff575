"""The Run page's layout: what it lets a person choose, and the places its callbacks fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dash import dcc, html
from dash.development.base_component import Component

from core.dashboard import following, gallery, look, portrait
from core.dashboard.view import View
from core.dashboard.watch import Live, Watch

KINDS = {"pictures": gallery.PICTURES, "histograms": ("histograms",), "tables": gallery.TABLES}


@dataclass(frozen=True)
class Shown(View):
    """What the page shows."""

    run: str = ""  # the id that is shown, <group>/<seed>; a group means its first seed
    seeds: Literal["all", "one"] = "all"  # of its group in the charts
    find: str = ""  # words that a metric's name must hold
    media: Literal["pictures", "histograms", "tables"] = "pictures"  # what is shown over the steps
    at: int = following.NEWEST  # the step that media are of; -1 is always the newest
    other: str = ""  # the run whose settings are held against this one's


def chosen(watch: Watch, id: str) -> Live | None:
    """The run that is meant; the newest when none is named."""
    records = watch.records()
    if not id:
        return records[-1] if records else None
    return watch.record(id) or next((record for record in siblings(watch, id)), None)


def siblings(watch: Watch, group: str) -> list[Live]:
    """The seeds of a group, in order."""
    found = [record for record in watch.records() if record.group == group]
    return sorted(found, key=lambda record: (record.seed, record.path.name))


def ids(watch: Watch) -> list[str]:
    """Every run's id, newest first."""
    return [record.id for record in reversed(watch.records())]


def layout(title: str, shown: Shown, watch: Watch) -> Component:
    """The page as the view says."""
    record, runs = chosen(watch, shown.run), ids(watch)
    at = steps(gallery.Indexes(), record, shown) if record else []
    choice = dcc.Dropdown(
        runs, record.id if record else None, id="run-choice", clearable=False, optionHeight=30
    )
    return html.Div(
        [
            html.H1(title),
            look.ignored(shown),
            html.Div([look.labelled("Run", choice)], className="controls wide-control"),
            html.Section(id="run-head", className="card", **look.aria(label="state")),
            html.Section(_metrics(shown), className="card", **look.aria(label="metrics")),
            html.Section(_media(shown, record, at), className="card", **look.aria(label="media")),
            html.Div(
                [
                    html.Section([html.H2("Summary"), html.Div(id="run-summary")], className="card"),
                    html.Section(_settings(shown, runs), className="card"),
                ],
                className="halves",
            ),
            html.Section([html.H2("Commands and facts"), html.Div(id="run-about")], className="card"),
            html.Section(
                [html.H2("Console"), html.Div(html.Pre(id="run-console"), className="console", tabIndex=0)],
                className="card",
            ),
            html.Section(
                [html.H2("Tags and notes"), html.Div(portrait.notebook(record), id="run-notebook")],
                className="card",
            ),
            *(dcc.Store(id=f"run-{part}-drawn") for part in ("head", "charts", "media", "rest")),
        ]
    )


def _metrics(shown: Shown) -> list[Component]:
    seeds = dcc.RadioItems(
        {"all": "every seed of the group", "one": "this seed"}, shown.seeds, id="run-seeds", inline=True
    )
    find = dcc.Input(shown.find, id="run-find", type="search", placeholder="loss eval/", debounce=0.3)
    return [
        html.H2("Metrics"),
        html.Div([look.labelled("Find", find), _group("Draw", seeds)], className="controls"),
        html.Div(id="run-charts"),
    ]


def _media(shown: Shown, record: Live | None, at: Sequence[int]) -> list[Component]:
    kinds = dcc.RadioItems(
        {"pictures": "pictures and films", "histograms": "histograms", "tables": "texts and tables"},
        shown.media,
        id="run-media",
        inline=True,
    )
    axis = record.axis if record else ""
    return [
        html.H2("Media"),
        html.Div(
            [_group("Show", kinds), following.slider("run-at", at, shown.at, axis, "Step")],
            className="controls",
        ),
        html.Div(id="run-gallery"),
    ]


def _settings(shown: Shown, ids: Sequence[str]) -> list[Component]:
    other = dcc.Dropdown(
        list(ids),
        shown.other or None,
        id="run-other",
        placeholder="another run, to see what differs",
        optionHeight=30,
    )
    return [html.H2("Settings"), look.labelled("Held against", other), html.Div(id="run-settings")]


def _group(label: str, control: Component) -> Component:
    """Radio buttons under their name."""
    named = look.aria(label=label)
    return html.Div(
        [html.Span(label, className="label"), control], className="control", role="radiogroup", **named
    )


def steps(index: gallery.Indexes, record: Live, shown: Shown) -> list[int]:
    """Those of the slider: where the run recorded media of the kind that is shown."""
    return gallery.steps(gallery.chosen(index(record), KINDS[shown.media]), record.axis)


def nothing(entries: Sequence[gallery.Entry], media: str) -> str:
    """Said where a run has none of the kind that is shown: that, and which others it has."""
    others = [kind for kind, of in KINDS.items() if kind != media and gallery.chosen(entries, of)]
    return f"This run has recorded no {media} yet" + (f", but {' and '.join(others)}." if others else ".")
