"""What holds for every suite of cells, whatever it is about."""

import shlex
from collections.abc import Callable, Iterator

from core.cells import RULES, Suite, named

Read = Callable[[str, list[str]], object]  # an algorithm's id and flags, as `lab train` reads them


def faults(suite: Suite, read: Read) -> Iterator[str]:
    """What is wrong with the cells, in words."""
    if named(suite.place) is not suite:
        yield f"{suite.place} is another suite"
    titles = [cell.title for cell in suite.cells.values()]
    if len(set(titles)) < len(titles):
        yield "two cells have the same title"
    for name, cell in suite.cells.items():
        if bool(cell.train) == bool(cell.figures):
            yield f"{name}: either train or figures"
        if not {"smoke", "table"} <= set(cell.tiers):
            yield f"{name}: not in both tiers"
        places = [cell.figures] if cell.figures else [m.of for m in cell.measures if ":" in m.of]
        yield from (f"{name}: {place} is no function" for place in places if not callable(named(place)))
        for measure in cell.measures:
            if measure.mark and measure.mark.rule not in RULES:
                yield f"{name}: no rule {measure.mark.rule}"
        for tier in cell.tiers if cell.train else ():
            algorithm, *flags = shlex.split(cell.command(tier))
            read(algorithm, flags)  # raises for what `lab train` would refuse
