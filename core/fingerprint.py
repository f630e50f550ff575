"""Settings as eight hex digits: equal where the settings are."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Options that say where and how much is recorded, not what is computed: they leave the hash alone.
APART = {"seed", "seeds", "root", "name", "resume", "quiet", "video", "config"}


def hash_of(settings: Mapping[str, Any]) -> str:
    """8 hex digits of the settings, the same for every seed and wherever the run is recorded."""
    kept = {k: v for k, v in settings.items() if k not in APART and not k.startswith("wandb")}
    return hashlib.blake2b(json.dumps(kept, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()
