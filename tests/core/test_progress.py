"""Progress: a live row in a terminal, a line now and then in a pipe, nothing when quiet."""

import os
import pty
import sys

import pytest

from core.progress import Progress, clock
from tests.core.recorded import spawn

SCRIPT = """
    import time
    from core.progress import Progress
    progress = Progress("ppo CartPole-v1")
    for step in range(0, 101, 10):
        progress.show(step, 100, 12.345)
        time.sleep(0.03)
    progress.say("done")
"""


def test_a_row_says_how_far_how_fast_and_how_long() -> None:
    progress = Progress("ppo CartPole-v1")
    progress._began = (100.0, 1000)
    row = progress.row(6000, 11_000, 187.25, "return", now=110.0)
    assert row == "ppo CartPole-v1 [###########---------]  55%  6,000/11,000  500/s  10 s left  return 187.2"
    assert progress.row(1000, 11_000, None, "return", now=100.0).endswith("  -")


def test_durations_in_words() -> None:
    assert [clock(s) for s in (0, 59.9, 60, 185, 7800)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 10 min",
    ]


def test_a_pipe_gets_few_whole_lines() -> None:
    process = spawn(SCRIPT)
    out, _ = process.communicate(timeout=30)
    rows = out.splitlines()
    assert len(rows) == 2  # the end, and what was said: ten seconds never passed
    assert "100%" in rows[0]
    assert rows[1] == "done"
    assert "\r" not in out
    assert "\x1b" not in out


def test_a_terminal_gets_one_live_row_without_colours() -> None:
    ours, theirs = pty.openpty()
    process = spawn(SCRIPT, stdout=theirs)
    process.communicate(timeout=30)
    os.close(theirs)
    out = os.read(ours, 100_000).decode()
    os.close(ours)
    assert out.count("\r") >= 3
    assert out.count("\n") == 1
    assert out.rstrip().endswith("done")
    assert "\x1b" not in out


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("ppo", quiet=True)
    progress.show(100, 100, 1.0)
    progress.say("line")
    progress.clear()
    assert capsys.readouterr().out == ""
    assert not sys.stdout.isatty()
