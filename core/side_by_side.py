"""Commands run side by side, each line they print headed by whose it is."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from core.stopping import Stopping

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ONE_AT_A_TIME = threading.Lock()
PATIENCE = 5.0  # seconds for last lines: what a command itself left running may hold its output open


def run(commands: Mapping[str, Sequence[str]], at_once: int) -> dict[str, int]:
    """Run each in a process of its own, ``at_once`` at a time and in their order: name to exit status.

    Raises:
        KeyboardInterrupt: someone asked to stop (Ctrl-C, SIGTERM). Then no other began, and those that ran were asked
            too and waited for; asked twice, they were killed with all that they had begun. None is left behind.
    """
    waiting, running, status = list(commands), dict[str, subprocess.Popen[str]](), dict[str, int]()
    readers = []
    told = False
    with Stopping(patient=True) as stopping:
        try:
            while running or (waiting and not stopping.asked):
                while waiting and len(running) < at_once and not stopping.asked:
                    name = waiting.pop(0)
                    running[name] = _begin(commands[name])
                    readers.append(threading.Thread(target=_pass_on, args=(name, running[name]), daemon=True))
                    readers[-1].start()
                if stopping.asked and not told:
                    told = True
                    for process in running.values():
                        process.send_signal(signal.SIGINT)
                if stopping.insisted:
                    _kill(running.values())
                for name in [name for name, process in running.items() if process.poll() is not None]:
                    status[name] = running.pop(name).returncode
                time.sleep(0.05)
        finally:
            _kill(running.values())
            for reader in readers:
                reader.join(PATIENCE)
    if stopping.asked:
        raise KeyboardInterrupt
    return status


def _begin(command: Sequence[str]) -> subprocess.Popen[str]:
    """In a session of its own: Ctrl-C in the terminal reaches it through us, once."""
    # wandb leaves the address of its process in the environment, for children to share
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**alone, **ONE_THREAD},
        start_new_session=True,
    )


def _kill(processes: Iterable[subprocess.Popen[str]]) -> None:
    """They and what they have begun: their whole groups."""
    for process in processes:
        if process.poll() is None:  # until then its number is its own
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _pass_on(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            with ONE_AT_A_TIME:  # print writes a line and its end apart
                print(f"{name} | {line.rstrip()}", flush=True)
