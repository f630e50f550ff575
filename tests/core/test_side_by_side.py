"""Commands side by side: at once, each line headed by whose it is, and stopped together."""

import os
import signal
import subprocess
import sys
import time
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


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT) * 2],
)
def test_being_asked_again_leaves_nobody_behind(numbers: tuple[int, ...]) -> None:
    """The commands, and what they have begun themselves, do not hear of being asked."""
    deaf = 'trap "" INT TERM; sleep 600 & echo $$ $!; wait'
    code = (
        "from core import side_by_side\n"
        f"deaf = ['bash', '-c', {deaf!r}]\n"
        "try: side_by_side.run({'a': deaf, 'b': deaf}, 2)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids: list[int] = []
    try:
        for _ in range(2):
            pids += map(int, process.stdout.readline().split("|")[1].split())
        process.send_signal(numbers[0])
        time.sleep(0.5)
        assert process.poll() is None  # it waits for them
        assert all(lives(pid) for pid in pids)
        for number in numbers[1:]:
            process.send_signal(number)
        assert process.communicate(timeout=30)[0] == "interrupted\n"
        assert process.returncode == 0
        deadline = time.monotonic() + 10
        while any(lives(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [pid for pid in pids if lives(pid)] == []
    finally:
        process.kill()
        for pid in pids:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)
