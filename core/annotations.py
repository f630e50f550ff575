"""Tags and notes that people put on a run afterwards: `annotations.json`, beside the run's own files.

The process that trains rewrites run.json, so nothing else may write there; what it says stands until someone
annotates the run, and from then on the annotation stands.
"""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import jsonl
from core.errors import UserError

NAME = "annotations.json"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTES = 32, 80, 20_000


@dataclass(frozen=True)
class Annotations:
    """What people say about a run."""

    tags: tuple[str, ...] = ()
    notes: str = ""


def read(folder: Path, run: Mapping[str, Any] | None = None) -> Annotations:
    """The annotations of the run in `folder`; what run.json says (`run`, read here if not given) without any."""
    return said(jsonl.load(folder / NAME) or (jsonl.load(folder / "run.json") if run is None else run))


def said(told: Mapping[str, Any]) -> Annotations:
    """The tags and notes in a JSON object; what is neither text nor a list of it is passed over."""
    tags, notes = told.get("tags"), told.get("notes")
    kept = [tag for tag in tags if isinstance(tag, str) and tag] if isinstance(tags, list) else []
    return Annotations(tuple(dict.fromkeys(kept)), notes if isinstance(notes, str) else "")


def write(folder: Path, annotations: Annotations) -> None:
    """Replace the annotations of the run in `folder`, whole or not at all.

    Raises:
        UserError: they are too long, or the folder cannot be written.
    """
    tags = list(dict.fromkeys(" ".join(tag.split()) for tag in annotations.tags if tag.strip()))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        raise UserError(f"too many or too long tags; at most {MOST_TAGS} of {LONGEST_TAG} characters each")
    if len(annotations.notes) > LONGEST_NOTES:
        raise UserError(f"notes of {len(annotations.notes):,} characters; at most {LONGEST_NOTES:,}")
    text = json.dumps({"tags": tags, "notes": annotations.notes}, indent=2) + "\n"
    partial = ""
    try:
        # a name of its own: two people may write at once
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=NAME, suffix=".partial", delete=False
        ) as file:
            partial = file.name
            file.write(text)
        Path(partial).chmod(0o644)
        Path(partial).replace(folder / NAME)
    except OSError as error:
        if partial:
            with suppress(OSError):
                Path(partial).unlink()
        raise UserError(f"cannot write {folder / NAME}: {error.strerror or error}") from None
