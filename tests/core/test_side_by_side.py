"""Commands side by side: at once, each line headed by whose it is, and stopped together."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core import side_by_side

ROOT = Path(__file__).resolve().parent.parent.parent


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_two_run_at_once_and_the_third_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meet = "touch {0}/{1}; until test -e {0}/{2}; do sleep 0.05; done; test -e {0}/c && echo late; echo met"
    commands = {
        "a": shell(
            meet.format(tmp_path, "a", "b")
        ),  # each waits for the other: one after the other never ends
        "b": shell(meet.format(tmp_path, "b", "a")),
        "c": shell(f"touch {tmp_path}/c; echo $OMP_NUM_THREADS thread >&2; exit 3"),
    }
    assert side_by_side.run(commands, 2) == {"a": 0, "b": 0, "c": 3}
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == ["a | met", "b | met", "c | 1 thread"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_asked_to_stop_asks_all_and_begins_no_more(number: int) -> None:
    waits = 'trap "echo $0 asked; exit 7" INT; echo ready; while :; do sleep 0.05; done'
    code = (
        "from core import side_by_side\n"
        f"waits = ['bash', '-c', {waits!r}]\n"
        "try: side_by_side.run({'a': [*waits, 'a'], 'b': [*waits, 'b'], 'c': ['echo', 'begun']}, 2)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert sorted(process.stdout.readline() for _ in range(2)) == ["a | ready\n", "b | ready\n"]
        process.send_signal(number)
        rest = process.communicate(timeout=30)[0].splitlines()
    finally:
        process.kill()
    assert (sorted(rest[:2]), rest[2:]) == (["a | a asked", "b | b asked"], ["interrupted"])
