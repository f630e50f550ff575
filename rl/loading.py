"""From what a person typed to Python: YAML arguments, a class in a file, a package that is not there."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from core.errors import UserError, nearest

# A word in the complaint about a missing package -> the extra that installs it.
EXTRAS = {"box2d": "box2d", "mujoco": "mujoco", "ale_py": "atari", "opencv": "atari", "cv2": "atari"}


def arguments(text: str) -> dict[str, Any]:
    """Keyword arguments out of a YAML mapping; UserError for anything else."""
    try:
        read = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise UserError(f"--env-args {text!r} is not YAML; write '{{size: 5}}'") from error
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise UserError(f"--env-args {text!r} is not a mapping; write '{{size: 5}}'")
    return dict(read)


def class_in(file: Path, name: str) -> type[Any]:
    """The class of that name in a Python file, relative to the working directory."""
    if not file.is_file():
        raise UserError(f"there is no file {file}; --env file.py:Class looks in {Path.cwd()}")
    module = _module(file.resolve(), file.stat().st_mtime_ns)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UserError(f"{file} has no class {name!r}{nearest(name, classes)}")
    return found


@cache
def _module(file: Path, changed: int) -> ModuleType:
    """The file, run once unless it changed."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)  # dataclasses and pickle look their module up there
    spec.loader.exec_module(module)
    return module


def registering(env: str, module: str) -> None:
    """Import the module that registers ``env``; UserError if there is none."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, but something it imports is not
        raise UserError(_missing(env, module)) from error


@contextmanager
def in_one_line(env: str, kwargs: dict[str, Any], told: bool) -> Iterator[None]:
    """What goes wrong while an environment is made, as one line where it is the person's to mend.

    Args:
        env: its name; kwargs: its arguments.
        told: the arguments came from a person, so a complaint about values is about theirs.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        line = str(error).split(" was raised from")[0].strip().partition("\n")[0]
        if type(error).__name__ == "DependencyNotInstalled":
            raise UserError(_missing(env, line)) from error
        if isinstance(error, TypeError) and "argument" in line:
            raise UserError(f"{env} does not take --env-args {kwargs}: {line}") from error
        if told and isinstance(error, ValueError | KeyError | AssertionError):
            raise UserError(f"{env} refuses --env-args {kwargs}: {type(error).__name__} {line}") from error
        raise


def _missing(env: str, complaint: str) -> str:
    """One line for a package that is not there."""
    for word, extra in EXTRAS.items():
        if word in complaint.lower():
            return f"{env} needs a package that is not installed; pip install -e '.[{extra}]'"
    return f"{env}: {complaint} cannot be imported; is it installed, or in {Path.cwd()}?"
