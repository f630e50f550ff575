"""Tables of action values as numbers: what stays on the disk beside the pictures that rl/drawing.py makes of them."""

from typing import Any

from core.rows import rounded
from rl.drawing import Drawing


def ground(drawing: Drawing) -> dict[str, Any]:
    """What every table of a run has in common: where its states lie, which are over, and the optimum's table.

    Without a map there are no rows and columns; without a known model no optimum and nothing is over.
    """
    grid = drawing.grid
    lies = {} if grid is None else {
        "rows": grid.rows, "columns": grid.columns, "layers": grid.layers, "titles": list(grid.titles),
        "marks": grid.marks.tolist(), "walls": grid.walls.tolist(), "sides": list(grid.sides),
    }  # fmt: skip
    return {
        **lies,
        "over": None if drawing.over is None else drawing.over.tolist(),
        "optimum": None if drawing.best is None else rounded(drawing.best),
    }
