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


def overtaken(config: Any, envs: int, *names: str) -> list[str]:
    """What a person should know of counts of steps that are fewer than one step of all environments takes."""
    return [
        f"--{name.replace('_', '-')} is {every}, fewer than the {envs} environments: "
        "it happens after each of their steps together"
        for name in names
        if (every := getattr(config, name)) < envs
    ]
