"""A record survives what goes wrong: NaN, a dead wandb, a full disk, a kill at any moment."""

import math
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import UserError
from core.run_folder import RunFolder, live_seeds, load
from core.tracking import Group
from tests.core.recorded import OFFLINE, group, history, lines, python, records, run_json, spawn, without_time


def test_nan_ends_one_seed_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = group(tmp_path, OFFLINE, seeds=(0, 1, 2))
    made.log(5, {"loss/value": 1.0})
    made.checkpoint(5, [{"w": np.full(3, i)} for i in range(3)])
    made.log(6, {"loss/value": torch.tensor([1.0, math.nan, 2.0]), "episode/return": math.nan})
    assert made.alive.tolist() == [True, False, True]
    made.log(7, {"loss/value": torch.tensor([1.0, math.nan, 2.0])})
    made.checkpoint(7, [{"w": np.full(3, i)} for i in range(3)])
    made.finish()
    assert made.alive.tolist() == [True, False, True]

    said = [line for line in capsys.readouterr().out.splitlines() if "failed" in line]
    assert said == [
        "seed 1 failed at env_step 6: loss/value is nan; its checkpoint at 5 stays; the other seeds go on"
    ]
    steps = [[row["env_step"] for row in lines(made.path / s / "metrics.jsonl")] for s in "012"]
    assert steps == [[5, 6, 7], [5, 6], [5, 6, 7]]
    runs = [run_json(made.path / seed) for seed in "012"]
    assert [run["status"] for run in runs] == ["finished", "failed", "finished"]
    assert runs[1]["error"] == "loss/value is nan at env_step 6"
    codes = [
        [r["exit"].get("exit_code", 0) for r in records(made.path / s) if r["type"] == "exit"] for s in "012"
    ]
    assert codes == [[0], [1], [0]]
    assert live_seeds(made.path) == (0, 2)
    assert Group.restore(made.path, (1,))[0] == 5
    assert Group.restore(made.path, (0, 2))[0] == 7


def test_when_all_seeds_failed_there_is_nothing_to_resume(tmp_path: Path) -> None:
    made = group(tmp_path)
    made.log(1, {"train/loss": math.inf})
    assert not made.alive.any()
    made.log(2, {"train/loss": 1.0})
    made.finish()
    assert [run_json(made.path / seed)["status"] for seed in "37"] == ["failed", "failed"]
    with pytest.raises(UserError, match="cannot be resumed: every seed failed"):
        live_seeds(made.path)
    with pytest.raises(UserError, match="cannot be resumed: it is not the folder of a group"):
        live_seeds(tmp_path)


def test_training_goes_on_when_wandb_dies(tmp_path: Path) -> None:
    ran = python(f"""
        import os, signal, subprocess, time
        from pathlib import Path
        from tests.core.recorded import OFFLINE, group
        made = group(Path({str(tmp_path)!r}), OFFLINE, name="g")
        for step in range(40):
            made.log(step, {{"loss/value": 1.0 * step}})
            if step == 20:
                listed = subprocess.run(["ps", "-wweo", "pid,args"], capture_output=True, text=True).stdout
                ours = [r for r in listed.splitlines() if "wandb-core" in r and f"--pid {{os.getpid()}}" in r]
                os.kill(int(ours[0].split()[0]), signal.SIGKILL)
                time.sleep(0.2)
        made.summary(0, {{"final/return": 3.5}})
        made.finish()
    """)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert sum("W&B failed" in line for line in ran.stdout.splitlines()) == 1
    for seed in ("3", "7"):
        rows = without_time(lines(tmp_path / "g" / seed / "metrics.jsonl"))
        assert rows == [{"env_step": k, "loss/value": float(k)} for k in range(40)]
        assert run_json(tmp_path / "g" / seed)["status"] == "finished"
        assert history(tmp_path / "g" / seed) == rows  # written once more at the end


@pytest.mark.parametrize("wandb", ["disabled", "offline"])
def test_a_full_disk_costs_one_line(tmp_path: Path, wandb: str) -> None:
    ran = python(f"""
        import resource
        from pathlib import Path
        import numpy as np
        from core.destination import WandB
        from core.errors import UserError
        from tests.core.recorded import group
        made = group(Path({str(tmp_path)!r}), WandB(wandb={wandb!r}), name="g")
        made.log(0, {{"loss/value": 0.0}})
        made.checkpoint(0, [{{"w": np.zeros(1000)}}] * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # no file may grow beyond this
        try:
            for step in range(1, 10_000):
                made.log(step, {{"loss/value": 1.0 * step}})
        except UserError as error:
            print("UserError", error)
        made.finish("failed", 1)
    """)
    assert (ran.returncode, ran.stderr) == (0, "")
    said = [line for line in ran.stdout.splitlines() if line.startswith("UserError")]
    assert len(said) == 1
    assert "the disk is full; the last checkpoint is whole" in said[0]
    assert len(said[0]) < 300
    rows = lines(tmp_path / "g" / "3" / "metrics.jsonl")
    assert [row["env_step"] for row in rows] == list(range(len(rows)))  # no torn line
    step, states = Group.restore(tmp_path / "g", (3, 7))
    assert step == 0
    np.testing.assert_array_equal(states[1]["w"], np.zeros(1000))
    assert run_json(tmp_path / "g" / "3")["status"] == "failed"


def test_a_full_disk_during_a_checkpoint_leaves_the_last_one(tmp_path: Path) -> None:
    made = group(tmp_path)
    made.checkpoint(0, [{"w": np.zeros(10)}] * 2)
    before, after = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, after))
    try:
        with pytest.raises(
            UserError, match=r"cannot write .*7.checkpoints.next.safetensors: the disk is full"
        ):
            made.checkpoint(1, [{"w": np.zeros(10)}, {"w": np.zeros(10_000)}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, after))
    assert Group.restore(made.path, (3, 7))[0] == 0
    made.checkpoint(2, [{"w": np.ones(10)}] * 2)  # room again: it goes on
    assert Group.restore(made.path, (3, 7))[0] == 2
    made.finish()


def test_no_moment_of_a_kill_loses_the_common_step(tmp_path: Path) -> None:
    script = f"""
        from pathlib import Path
        import itertools, numpy as np
        from tests.core.recorded import group
        made = group(Path({str(tmp_path)!r}), name="g", seeds=(0, 1, 2))
        for step in itertools.count():
            made.log(step, {{"loss/value": 1.0}})
            made.checkpoint(step, [{{"w": np.full(100, step)}}] * 3, best=step % 2 == 0)
            print(step, flush=True)
    """
    process = spawn(script)
    assert process.stdout is not None
    reached = -1
    try:
        for turn in range(3):
            while reached < 20 * (turn + 1):
                reached = int(line) if (line := process.stdout.readline().strip()).isdigit() else reached
            time.sleep(0.003 * turn)
            process.send_signal(signal.SIGSTOP)  # frozen in mid-work: what a kill now would leave behind
            os.waitpid(process.pid, os.WUNTRACED)  # it may run on for a moment on the other core
            step, states = Group.restore(tmp_path / "g", (0, 1, 2))
            assert step >= reached
            assert [state["w"][0] for state in states] == [step] * 3
            process.send_signal(signal.SIGCONT)
    finally:
        process.kill()
        process.communicate()


def test_every_half_done_checkpoint_can_be_resumed(tmp_path: Path) -> None:
    """However many parts of a checkpoint of two seeds are done: two files saved, four renamed."""
    for done in range(7):
        made = group(tmp_path, name=f"g{done}")
        for step in (0, 1):
            made.log(step, {"loss/value": 1.0 * step})
            made.checkpoint(step, [{"step": step}] * 2)
        made.log(2, {"loss/value": 2.0})
        folders = [RunFolder(made.path / str(seed)) for seed in made.seeds]
        for folder in folders:
            folder._serial = 2
        paths = [made.path / str(seed) / "checkpoints" for seed in made.seeds]
        parts = [lambda f=f: f.save(2, {"step": 2}, 0.0) for f in folders]
        for path in paths:
            parts += [
                lambda p=path: (p / "last.safetensors").replace(p / "previous.safetensors"),
                lambda p=path: (p / "next.safetensors").replace(p / "last.safetensors"),
            ]
        for part in parts[:done]:
            part()
        expected = 2 if done >= 2 else 1
        step, states = Group.restore(made.path, made.seeds)
        assert (step, states) == (expected, [{"step": expected}] * 2), done
        again = Group.reopen(made.path, made.seeds, step=step)
        if expected == 1:  # what the other seed lacks is gone
            assert not (paths[0] / "next.safetensors").exists()
        assert [row["env_step"] for row in lines(made.path / "7" / "metrics.jsonl")] == list(
            range(expected + 1)
        )
        again.checkpoint(9, [{"step": 9}] * 2)
        assert Group.restore(made.path, made.seeds)[0] == 9
        for one in (made, again):
            one.finish()
        for folder in folders:
            folder.close()


def test_the_best_checkpoint_survives_a_kill_before_it_has_its_name(tmp_path: Path) -> None:
    made = group(tmp_path)
    made.checkpoint(1, [{"step": 1}] * 2, best=True)
    folders = [RunFolder(made.path / str(seed)) for seed in made.seeds]
    for folder, best in zip(folders, (True, False), strict=True):
        folder._serial = 1
        folder.save(2, {"step": 2}, 0.0, best)
    again = Group.reopen(made.path, made.seeds, step=2)
    kept = [load(made.path / str(seed) / "checkpoints" / "best.safetensors")[0] for seed in made.seeds]
    assert kept == [2, 1]
    for one in (made, again):
        one.finish()
    for folder in folders:
        folder.close()
