"""The cells of `lab bench trainers`: generative models against what is known of their data or published of them."""

from collections.abc import Callable

from core.cells import Suite
from core.errors import UserError
from generative import collapse
from generative.data import Data, load


def needs(data: str) -> Callable[[], str]:
    """For ``Cell.absent``: why a data set cannot be read here, if so."""

    def why() -> str:
        try:
            load(Data(data=data))
        except UserError as error:
            return str(error)
        return ""

    return why


TRAINERS = Suite("trainers", "generative.cells:TRAINERS", {**collapse.CELLS})
