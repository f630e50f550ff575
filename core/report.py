"""`lab report`: the comparison as one HTML file, and its figures as files of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import page, plots
from core.across import across
from core.compare import Selection, chosen_runs, parted
from core.config import parse
from core.errors import UserError


@dataclass(frozen=True)
class Target:
    """Where `lab report` writes."""

    out: str = "report.html"  # the file to write
    figures: str = ""  # folder for every figure as png and svg, for papers; left out, none is written


def main(argv: Sequence[str]) -> int:
    """`lab report [RUN …] [--out report.html] [options]`: writes the comparison as one HTML file."""
    words, options = parted(argv)
    selection, target = parse([Selection, Target], options, prog="lab report [RUN ...]").values
    chosen = chosen_runs(words, selection)
    together = across(chosen)
    path = Path(target.out)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give --out the name of a file, such as {path / 'report.html'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.html(chosen, root=selection.root, together=together), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another file with --out") from error
    told = ""
    if target.figures:
        try:
            told = f"; {len(plots.write(Path(target.figures), chosen, together))} figures in {target.figures}"
        except OSError as error:
            raise UserError(
                f"cannot write in {target.figures}: {error.strerror}; choose another folder with --figures"
            ) from error
    runs = sum(len(entry.curves) for contest in chosen for entry in contest.entries)
    print(f"{path}: {len(chosen)} {'task' if len(chosen) == 1 else 'tasks'}, {runs} runs{told}")
    return 0
