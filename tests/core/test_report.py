"""`lab report` from the folder to the page and the figures."""

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core import figures, report
from core.errors import UserError
from core.page import embedded
from tests.core.run_folders import evaluations, write_run

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(5):
        write_run(tmp_path / "runs", seed=seed, rows=evaluations(0, 480 + seed))
        write_run(tmp_path / "runs", algorithm="dqn", seed=seed, rows=evaluations(0, 100 + seed))
    write_run(tmp_path / "runs", algorithm="dqn", seed=5, rows=evaluations(3), status="failed")
    vae = write_run(
        tmp_path / "runs",
        algorithm="vae",
        suite="generative",
        task="digits",
        rows=evaluations(30.0, 20.0, metric="eval/bound", axis="examples_seen"),
    )
    (vae / "media").mkdir()
    for name in ("samples-10", "samples-9", "reconstructions-10"):
        (vae / "media" / f"{name}.png").write_bytes(b"\x89PNG" + name.encode())
    return tmp_path / "runs"


class Page(HTMLParser):
    """What a browser would fetch or run, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.scripts: dict[str, str] = {}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster", "action")
        ]
        self.fetched += [value or "" for name, value in attrs if name == "href"]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "script":
            self.inside = dict(attrs).get("id") or f"script {self.tags.count('script')}"

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == "script" else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + data


def page(root: Path, *options: str) -> tuple[str, Page]:
    out = root.parent / "out" / "report.html"
    assert report.main(["--root", str(root), "--out", str(out), *options]) == 0
    text = out.read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_is_whole_and_asks_no_server(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, parsed = page(root)
    assert "2 tasks, 12 runs" in capsys.readouterr().out
    assert all(address.startswith(("data:", "#")) for address in parsed.fetched)
    assert "default-src 'none'" in text
    assert "@import" not in text.partition("<script")[0]
    assert "url(" not in text.partition("<script")[0]
    assert text.count("plotly.js v") == 1  # inlined, once
    assert "ppo is better than dqn</b>" in text
    assert "5 of 6 (1 failed)" in text
    newest = [base64.b64encode(b"\x89PNG" + name).decode() for name in (b"reconstructions-10", b"samples-10")]
    assert [address.partition(",")[2] for address in parsed.fetched if "image/png" in address] == newest
    drawn = json.loads(parsed.scripts["figures"])
    traces = drawn["figure-0"]["data"]
    means = {trace["name"]: trace for trace in traces if trace.get("name")}
    assert means["ppo (n = 5)"]["y"] == [0, 482]
    # a band is drawn for five seeds: 482 ± 1.963 on top at the last step
    band = next(trace for trace in traces if trace.get("fill") == "toself")
    assert band["y"][1] == pytest.approx(482 + 1.963243, abs=1e-5)
    assert [trace["x"] for trace in traces if trace["mode"] == "markers"] == [
        [10.0]
    ]  # where dqn's sixth failed


def test_few_seeds_are_drawn_themselves(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / "runs", seed=seed, rows=evaluations(1, 2 + seed))
    _, parsed = page(tmp_path / "runs")
    traces = json.loads(parsed.scripts["figures"])["figure-0"]["data"]
    assert [trace.get("opacity") for trace in traces] == [0.4, 0.4, 0.4, None]
    assert not any("fill" in trace for trace in traces)


def test_films_are_in_the_page_and_those_too_large_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = write_run(tmp_path / "runs", rows=evaluations(1, 2)) / "media"
    media.mkdir()
    for name, film in (("episode-9", b"before"), ("episode-10", b"after"), ("eval", b"much too long")):
        (media / f"{name}.mp4").write_bytes(film)
    monkeypatch.setattr(figures, "LARGEST_FILM", 6)
    text, parsed = page(tmp_path / "runs")
    shown = [address for address in parsed.fetched if "video/mp4" in address]
    assert shown == ["data:video/mp4;base64," + base64.b64encode(b"after").decode()]
    assert "episode after 10 env step" in text
    assert f"eval: {media / 'eval.mp4'}, too large for this page" in text
    assert "media-src data:;" in text  # or the browser would not play it


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(
            tmp_path / "runs",
            group="evil <b>",
            algorithm=EVIL,
            task=EVIL,
            seed=seed,
            rows=evaluations(1, 2, metric=EVIL),
            config={EVIL: EVIL},
        )
    text, parsed = page(tmp_path / "runs", "--metric", EVIL)
    assert len(parsed.scripts) == 3  # the figures, Plotly, ours
    assert parsed.handlers == []
    assert "img" not in parsed.tags
    assert "evil <b>" not in text
    # Plotly reads a few tags in names: they are escaped before it sees them, and again in the data
    names = [trace.get("name", "") for trace in json.loads(parsed.scripts["figures"])["figure-0"]["data"]]
    assert names[-1].startswith("&lt;/script&gt;")
    assert embedded({"a": EVIL}).count("<") == 0
    assert json.loads(embedded({"a": EVIL})) == {"a": EVIL}
    assert EVIL not in text
    assert "&lt;img src=x onerror=alert(2)&gt;" in text


def test_an_empty_record_is_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", status="running")
    text, parsed = page(tmp_path / "runs")
    assert "No seed has finished yet." in text
    assert "0 of 1 (1 running)" in text
    assert json.loads(parsed.scripts["figures"])["figure-0"]["data"][0]["x"] == []


def test_mistakes(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        report.main(["--root", str(root), "--out", str(tmp_path)])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        report.main(["--root", str(root), "--out", str(tmp_path / "file" / "report.html")])
    with pytest.raises(UserError, match="cannot write in"):
        report.main(
            ["--root", str(root), "--out", str(tmp_path / "a.html"), "--figures", str(tmp_path / "file")]
        )


def test_several_tasks_are_drawn_together(tmp_path: Path) -> None:
    for seed in range(5):
        for task, best in (("CartPole-v1", 500.0), ("Pendulum-v1", -151.3)):
            write_run(tmp_path / "runs", task=task, seed=seed, rows=evaluations(best - 50, best))
            write_run(
                tmp_path / "runs",
                algorithm=EVIL,
                group=f"evil-{task}",
                task=task,
                seed=seed,
                rows=evaluations(best - 90, best - 40),
            )
    text, parsed = page(tmp_path / "runs")
    assert "2 tasks together" in text
    assert "ppo is better than &lt;/script&gt;" in text
    assert "<td>1.000 [1.000, 1.000]</td>" in text
    assert len(parsed.scripts) == 3
    assert parsed.handlers == []
    assert EVIL not in text
    drawn = json.loads(parsed.scripts["figures"])
    profile = [trace for trace in drawn["across-profiles"]["data"] if trace.get("name", "").startswith("ppo")]
    assert (profile[0]["name"], profile[0]["y"][0], profile[0]["y"][-1]) == ("ppo (n = 5)", 1.0, 0.0)
    (chance,) = drawn["across-improvement"]["data"]
    assert (chance["x"], chance["y"]) == ([1.0], [0])
    (name,) = drawn["across-improvement"]["layout"]["yaxis"]["ticktext"]
    assert name.startswith("&lt;/script&gt;&lt;script")
    assert name.endswith(" (n = 5)")
    means = {t["name"]: t["y"] for t in drawn["across-efficiency"]["data"] if t.get("name")}
    assert means["ppo (n = 5)"][-1] == pytest.approx(1)  # both tasks at their reference
    one = tmp_path / "one"
    write_run(one, rows=evaluations(3))
    assert "together</h2>" not in page(one)[0]
