"""Filming: one greedy episode of one seed as an mp4 file, asked for after training or made while it goes on."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.draws import mix
from core.errors import UserError
from core.film import write_mp4
from core.stopping import Stopped
from core.tracking import Group
from rl.agent import Policy
from rl.environments import Envs, make
from rl.playing import Solo, nothing
from rl.task import Task

LONGEST = 1000  # frames of a film made while training


def film(
    path: Path, task: Task, solo: Solo, *, seed: int, limit: int, check: Callable[[], None] = nothing
) -> int:
    """One greedy episode, at most ``limit`` decisions long; how many frames the file at ``path`` has.

    Args:
        seed: of the episode.
        check: called at every decision; what it raises ends the film, and no file is left.

    Raises:
        UserError: the environment draws no pictures, or the file cannot be written.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pictures without a screen
    try:
        env = make(task, render=True)
    except UserError as error:
        raise UserError(f"{task.env} cannot be filmed: {error}") from None
    try:
        fps = float(env.metadata.get("render_fps") or 30)
        return write_mp4(path, _frames(env, task, solo, seed, limit, check), fps)
    finally:
        env.close()


def _frames(
    env: Any, task: Task, solo: Solo, seed: int, limit: int, check: Callable[[], None]
) -> Iterator[Any]:
    """The pictures of one episode, the first before the first action."""
    obs, _ = env.reset(seed=seed)
    solo.reset()
    for step in range(limit + 1):
        check()
        picture = env.render()
        if not isinstance(picture, np.ndarray):
            raise UserError(f"{task.env} cannot be filmed: its render() gives no picture")
        yield picture
        if step == limit:
            return
        obs, _, terminated, truncated, _ = env.step(solo.act(obs))
        if terminated or truncated:
            yield env.render()
            return


class Filming:
    """Films of a run for its record: every seed's at the end, the first live one's at each quarter before.

    The film always shows the same episode of a seed, so that films can be compared. Training is left as it was.

    Args:
        group: the record.
        due: whether the evaluation at a step is filmed, not being the last.
        limit: decisions of an episode.
    """

    def __init__(self, group: Group, due: Callable[[int], bool], limit: int) -> None:
        self.group, self.due, self.limit = group, due, min(limit, LONGEST)
        self.possible = True

    def __call__(self, policy: Policy, envs: Envs, step: int, last: bool, check: Callable[[], None]) -> None:
        """What is due after the evaluation at this step; what cannot be filmed is said once, and no more tried.

        Args:
            policy: of the seeds of ``envs``, which is only looked at.
        """
        if not self.possible or not (last or self.due(step)):
            return
        live = [seed for seed, alive in zip(self.group.seeds, self.group.alive, strict=True) if alive]
        made = []
        with tempfile.TemporaryDirectory(prefix="lab-film-") as folder:
            try:
                for k, seed in enumerate(envs.seeds):
                    if seed in (live if last else live[:1]):
                        path, chance = Path(folder) / f"{seed}.mp4", mix(seed, "film", 0) % 2**31
                        solo = Solo(policy, envs.frozen("film", 1), k)
                        film(path, envs.task, solo, seed=chance, limit=self.limit, check=check)
                        made.append((self.group.seeds.index(seed), path))
            except Stopped:
                raise
            except Exception as error:  # a driver that is missing, say: no reason for training to end
                self.possible = False
                words = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                self.group.say(f"no film: {words.strip().splitlines()[0]}; training goes on")
            for i, path in made:  # together: stopped in between, none is recorded twice
                self.group.video(step, "episode", i, path)


def quarterly(steps: int, stride: int, every: int) -> Callable[[int], bool]:
    """Whether the evaluation at a step is the first since training passed a quarter of its way.

    Args:
        steps: of the whole training; stride: taken at once; every: between evaluations, 0 for none.
    """

    def due(step: int) -> bool:
        if every == 0:
            return False
        now, before = (n // every * every * 4 // steps for n in (step, step - stride))
        return now > before

    return due
