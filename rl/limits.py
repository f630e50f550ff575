"""Settings that make sense, and what is said of those that do not."""

from math import inf
from typing import Any

from core.errors import UserError


def within(config: Any, **limits: tuple[float, float]) -> None:
    """Refuse settings outside their limits, both ends allowed: ``within(config, tau=(0, 1))``.

    Raises:
        UserError: names the first option that is, and its limits.
    """
    for name, (least, most) in limits.items():
        value, flag = getattr(config, name), f"--{name.replace('_', '-')}"
        if not least <= value <= most:
            end = "" if most == inf else f" and at most {most:,g}"
            raise UserError(f"{flag} is {value:,}; it must be at least {least:,g}{end}")
