"""The cross-validation that stands beside a single hold-out in the table of networks."""

from pathlib import Path
from typing import Any

from core import cross_validation, fit
from core.errors import UserError

WORDS = {  # of each tier: a fold costs less than the whole
    "smoke": "--folds 2 --width 4 --steps 2 --eval-every 0",
    "table": "--folds 4 --steps 1400 --eval-every 350",
}


def figures(folder: Path, tier: str) -> dict[str, Any]:
    """Accuracy on each fold's held-out quarter of Fashion-MNIST, and on the test set: a score for every fold."""
    flags = f"--data fashion-mnist --seeds 0 --resume auto {WORDS[tier]} --root".split()
    argv = ["classifier", *flags, str(folder)]
    status, folders = fit.in_folds(argv, fit.read(argv[0], argv[1:]).values[0])
    if status:
        raise UserError(f"a fold of {folder} did not end")
    found = [cross_validation.scores(path) for path in folders]
    rows = [
        {"scores": [scores[name] for scores in found], "what": what}
        for name, what in (("accuracy", "held-out quarter"), ("test_accuracy", "test set"))
    ]
    return {"rows": rows}
