"""`lab solve ENV`: the best there is in an environment that tells its transition table, by dynamic programming."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core import config as settings_file
from core.errors import UserError
from core.idle import GIVEN, Idle, idle
from core.run_folder import write_json
from core.tables import text
from rl.drawing import Drawing
from rl.dynamic_programming import METHODS, Solution, finite_horizon
from rl.environments import limit_of, make
from rl.known import Grid, Known, known
from rl.planning import finite_horizon_value
from rl.task import Task

ARROWS = "↑→↓←"  # by place in known.SIDES
FEW = 16  # states whose values are listed where not all are asked for
WRITTEN = (".png", ".npz", ".json")
Method: TypeAlias = Literal["value-iteration", "policy-iteration", "modified-policy-iteration"]
IDLE: Idle = {"method": [{"horizon": GIVEN}]}


@dataclass(frozen=True)
class Options:
    env: str = ""  # ENV: a Gymnasium id, my_module:Env-v0, or file.py:Class
    env_args: str = ""  # arguments of the environment as YAML, e.g. '{is_slippery: false}'
    max_episode_steps: int = 0  # decisions after which an episode is cut; 0: as registered
    gamma: float = 0.99  # discount
    method: Method = "value-iteration"  # how; all find the same
    horizon: int = 0  # plan for so many steps, knowing how many are left; 0: for an endless future
    all: bool = False  # list every state, not the first ones alone
    out: str = ""  # also write a picture of Q* (.png), or V*, Q* and the policy as numbers (.npz, .json)


def main(argv: Sequence[str]) -> int:
    """``argv`` is the environment and its options."""
    words = argv if argv[:1] and argv[0].startswith("-") else ["--env", *argv] if argv else argv
    about = (__doc__ or "").split("\n")[0]
    settings = settings_file.parse([Options], words, prog="lab solve ENV", description=about)
    options: Options = settings.values[0]
    out = Path(options.out) if options.out else None
    refuse(options, out)
    env = make(Task(options.env, options.env_args, options.max_episode_steps))
    found, time_limit = known(env), limit_of(env)
    env.close()
    if found is None:
        raise UserError(
            f"{options.env} tells no transition table (P and initial_state_distrib), so there is nothing to solve; "
            "learn it instead: lab train q-learning or ppo"
        )
    solution = solved(found, options)
    print("\n".join([*idle(settings, IDLE), *report(options.env, found, solution, options, time_limit)]))
    if out:
        write(out, found, solution, options)
        print(f"wrote {out}")
    return 0


def refuse(options: Options, out: Path | None) -> None:
    """UserError for what can mean nothing."""
    if not options.env:
        raise UserError("name an environment first, such as FrozenLake-v1")
    if not 0 < options.gamma <= 1:
        raise UserError(f"--gamma is {options.gamma}; it must be more than 0 and at most 1")
    if options.horizon < 0:
        raise UserError(f"--horizon is {options.horizon}; it must be at least 1, or 0 for an endless future")
    if out and out.suffix not in WRITTEN:
        raise UserError(
            f"--out {out}: expected a file that ends in {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}"
        )


def solved(known: Known, options: Options) -> Solution:
    """What the method that was asked for finds."""
    if options.horizon:
        return finite_horizon(known.model, options.gamma, options.horizon)
    return METHODS[options.method](known.model, options.gamma)


def report(env: str, known: Known, solution: Solution, options: Options, time_limit: int | None) -> list[str]:
    """The lines to print."""
    model, rounds = known.model, len(solution.changes)
    how = (
        f"{options.horizon} steps"
        if options.horizon
        else f"{options.method}, {rounds} round{'s' * (rounds != 1)}"
    )
    lines = [
        f"{env}: {model.states} states, {model.actions} actions, γ = {options.gamma:g}, {how}",
        f"value where episodes begin  {model.from_start(solution.value):.6f}",
    ]
    if time_limit and not options.horizon:
        best = model.from_start(finite_horizon(model, 1.0, time_limit).value)
        ours = model.from_start(finite_horizon_value(model, solution.policy, time_limit))
        lines.append(
            f"mean return within its {time_limit} steps: {ours:.4f}; at best, counting steps, {best:.4f}"
        )
    first = solution.policy[0] if options.horizon else solution.policy
    over = (model.P.sum((1, 2)) == 0) & (model.R == 0).all(1)
    if known.grid is not None:
        lines += ["", "policy" + (", with all steps left" if options.horizon else "")]
        lines += maps(known.grid, letters(known.grid, first, over), gap="")
        if known.grid.layers == 1:
            lines += [
                "",
                "V*",
                *maps(known.grid, [f"{value:.3f}" for value in solution.value.tolist()], gap="  "),
            ]
    return [*lines, "", *states(solution, first, over, options.all)]


def letters(grid: Grid, policy: NDArray[np.int64], over: NDArray[np.bool_]) -> list[str]:
    """A letter for every state: the way its action leads, · where it does not move; over: its mark, or a blank."""
    found = []
    for state, (action, ended) in enumerate(zip(policy.tolist(), over.tolist(), strict=True)):
        row, column = divmod(state // grid.layers, grid.columns)
        side = grid.sides[action]
        found.append((str(grid.marks[row, column]) or " ") if ended else ARROWS[side] if side >= 0 else "·")
    return found


def maps(grid: Grid, words: Sequence[str], gap: str) -> list[str]:
    """One word per state, laid out as the states lie; a map for each layer, under its title."""
    width, lines = max(map(len, words)), list[str]()
    for layer in range(grid.layers):
        lines += [f"  {grid.titles[layer]}"] if grid.titles[layer] else []
        for row in range(grid.rows):
            places = (row * grid.columns + column for column in range(grid.columns))
            cells = [words[place * grid.layers + layer].rjust(width) for place in places]
            lines.append("    " + gap.join(cells).rstrip())
    return lines


def states(solution: Solution, policy: NDArray[np.int64], over: NDArray[np.bool_], every: bool) -> list[str]:
    """V*, the best action and Q* of the states where something can still be done."""
    open_states = np.flatnonzero(~over).tolist()
    shown = open_states if every else open_states[:FEW]
    header = ["state", "V*", "best action", *(f"Q*(·, {a})" for a in range(solution.q.shape[1]))]
    rows = [
        [str(s), f"{solution.value[s]:.6f}", str(policy[s]), *(f"{q:.6f}" for q in solution.q[s].tolist())]
        for s in shown
    ]
    left = len(open_states) - len(shown)
    table = text(header, rows, right=range(len(header)))
    return [table, *([f"… and {left} more states: --all lists them"] if left else [])]


def write(out: Path, known: Known, solution: Solution, options: Options) -> None:
    """The picture or the numbers, by the file's ending; UserError where it cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".png":
            drawing = Drawing(known, options.gamma)
            drawing.best = None  # it is what is drawn
            Image.fromarray(drawing(solution.q[None], "Q*")[0, 0].transpose(1, 2, 0)).save(out)
        elif out.suffix == ".npz":
            np.savez(out, V=solution.value, Q=solution.q, policy=solution.policy, gamma=options.gamma)
        else:
            numbers = {"V": solution.value, "Q": solution.q, "policy": solution.policy}
            write_json(out, {**{k: v.tolist() for k, v in numbers.items()}, "gamma": options.gamma})
    except OSError as error:
        raise UserError(
            f"cannot write {out}: {error.strerror or error}; choose another file with --out"
        ) from None
