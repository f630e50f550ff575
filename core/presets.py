"""Settings that are known to work, kept beside each algorithm: ``PRESETS[preset][task][option]``."""

from collections.abc import Mapping
from typing import Any

from core.errors import UserError, nearest

NO_PRESET = "none"


def preset_of(
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]], preset: str, task: str
) -> tuple[dict[str, Any], str]:
    """The settings a preset has for a task, and the preset's name; ``auto`` takes the first that knows the task.

    Raises:
        UserError: no preset of that name, or it does not know the task.
    """
    if preset == NO_PRESET:
        return {}, ""
    if preset == "auto":
        name = next((name for name, known in presets.items() if task in known), "")
        return (dict(presets[name][task]), name) if name else ({}, "")
    if preset not in presets:
        raise UserError(f"unknown preset {preset!r}{nearest(preset, [*presets, 'auto', NO_PRESET])}")
    if task not in presets[preset]:
        known_tasks = ", ".join(presets[preset])
        raise UserError(f"preset {preset!r} has no settings for {task}; it knows {known_tasks}")
    return dict(presets[preset][task]), preset
