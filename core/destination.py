"""Where W&B logs, decided once before any run begins: by flags, WANDB_* variables, then what answers."""

import configparser
import netrc
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from core.errors import UserError, nearest

PATIENCE = 10.0  # seconds a server has to answer, and wandb to open a run on it
PUBLIC = "https://api.wandb.ai"
# what WANDB_MODE may say
MODES = {"online": "online", "offline": "offline", "disabled": "disabled", "dryrun": "offline"}


@dataclass(frozen=True)
class WandB:
    """Options of the W&B record; an option left alone gives way to its WANDB_* variable."""

    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"  # auto: online if it can be
    wandb_project: str = ""  # W&B project (WANDB_PROJECT, else lab)
    wandb_entity: str = ""  # W&B user or team (WANDB_ENTITY, else the account's own)
    wandb_group: str = ""  # W&B group (WANDB_RUN_GROUP, else the run's group)
    wandb_name: str = ""  # W&B display name, the seed is appended (WANDB_NAME, else the run's group)
    wandb_tags: tuple[str, ...] = ()  # W&B tags (WANDB_TAGS, separated by commas)
    wandb_notes: str = ""  # W&B notes (WANDB_NOTES)
    wandb_dir: str = ""  # where the W&B files lie (WANDB_DIR, else in the run's own folder)
    wandb_model_mb: float = 100.0  # a trained model up to so many MB goes to W&B as an artifact; 0: none does


@dataclass(frozen=True)
class Destination:
    """What `resolve` decided; `why` says in a few words where the mode came from."""

    mode: str  # online, offline or disabled
    why: str
    project: str
    entity: str
    group: str
    name: str
    tags: tuple[str, ...]
    notes: str
    dir: str
    model_mb: float = WandB.wandb_model_mb

    def line(self, folder: Path) -> str:
        """The first line of a run: where it is recorded and how to change that."""
        others = "|".join(mode for mode in ("online", "offline", "disabled") if mode != self.mode)
        project = "" if self.mode == "disabled" else f", project {self.project}"
        later = "; `lab sync` uploads it later" if self.mode == "offline" else ""
        change = f"change it with --wandb {others}"
        return f"record: {folder}, W&B {self.mode}{project} ({self.why}{later}; {change})"


def resolve(options: WandB, environment: Mapping[str, str] = os.environ) -> Destination:
    """Flags before variables before defaults; at most one question to the server, answered within PATIENCE.

    Raises:
        UserError: WANDB_MODE is none of the modes, or W&B was told to be online and cannot be.
    """

    def chosen(field: str, variable: str, default: str = "") -> str:
        return str(getattr(options, field)) or environment.get(variable, "").strip() or default

    mode, why = _mode(options, environment)
    tags = tuple(tag.strip() for tag in environment.get("WANDB_TAGS", "").split(",") if tag.strip())
    return Destination(
        mode,
        why,
        project=chosen("wandb_project", "WANDB_PROJECT", "lab"),
        entity=chosen("wandb_entity", "WANDB_ENTITY"),
        group=chosen("wandb_group", "WANDB_RUN_GROUP"),
        name=chosen("wandb_name", "WANDB_NAME"),
        tags=tuple(options.wandb_tags) or tags,
        notes=chosen("wandb_notes", "WANDB_NOTES"),
        dir=chosen("wandb_dir", "WANDB_DIR"),
        model_mb=options.wandb_model_mb,
    )


def rewriting(told: Mapping[str, Any]) -> Destination:
    """Where the W&B run that run.json tells of lies, to write it afresh, offline."""
    names = {name: str(told.get(name, "")) for name in ("project", "entity", "group", "name", "dir")}
    limit = float(told.get("model_mb", WandB.wandb_model_mb))
    return Destination("offline", "written afresh", **names, tags=(), notes="", model_mb=limit)


def _mode(options: WandB, environment: Mapping[str, str]) -> tuple[str, str]:
    asked, source = str(options.wandb), f"--wandb {options.wandb}"
    if asked == "auto" and (variable := environment.get("WANDB_MODE", "").strip()):
        if variable not in MODES:
            raise UserError(f"WANDB_MODE={variable} is not a mode{nearest(variable, MODES)}")
        asked, source = MODES[variable], f"WANDB_MODE={variable}"
    if asked in ("offline", "disabled"):
        return asked, source
    server = base_url(environment)
    obstacle = ""
    if not has_key(server, environment):
        obstacle = "no API key is set"
    elif not answers(server):
        obstacle = f"{server} does not answer"
    if asked == "online" and obstacle:
        hint = "set WANDB_API_KEY or run `wandb login`" if "key" in obstacle else "check the network"
        raise UserError(f"{source} cannot be: {obstacle}; {hint}, or use --wandb offline")
    if asked == "online":
        return "online", source
    return ("offline", obstacle) if obstacle else ("online", f"an API key is set and {server} answers")


def base_url(environment: Mapping[str, str] = os.environ) -> str:
    """The W&B server: WANDB_BASE_URL, else the one `wandb login` wrote down, else the public one."""
    if url := environment.get("WANDB_BASE_URL", "").strip():
        return url.rstrip("/")
    folder = environment.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    written = configparser.ConfigParser(interpolation=None)
    try:
        written.read(Path(folder).expanduser() / "settings")
    except (configparser.Error, OSError, UnicodeDecodeError, RuntimeError):
        return PUBLIC
    return written.get("default", "base_url", fallback=PUBLIC).rstrip("/")


def has_key(server: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether an API key stands in WANDB_API_KEY or in the netrc file; it is not read further than that."""
    if environment.get("WANDB_API_KEY", "").strip():
        return True
    named = environment.get("NETRC")
    for path in [named] if named else ["~/.netrc", "~/_netrc"]:
        try:
            if netrc.netrc(str(Path(path).expanduser())).authenticators(urlsplit(server).netloc):
                return True
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError, RuntimeError):
            continue
    return False


def answers(server: str, patience: float = PATIENCE) -> bool:
    """Whether the server says anything over HTTP within `patience` seconds, name lookup included."""

    def ask() -> bool:
        try:
            urllib.request.urlopen(server, timeout=patience).close()
        except urllib.error.HTTPError:
            return True  # an error page is an answer
        except (OSError, ValueError):
            return False
        return True

    return within(patience, ask) is True


def within(patience: float, ask: Callable[[], bool]) -> bool | None:
    """What `ask` returns, or None when it takes longer than `patience` seconds; it is then left to itself."""
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(ask()), daemon=True)
    thread.start()
    thread.join(patience)
    return answer[0] if answer else None
