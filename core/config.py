"""Settings: dataclass sections <-> command line <-> YAML <-> dict. The only file that imports tyro.

An option is a commented field of a frozen dataclass; the options of all sections share one flat namespace.
Flags and files go through one conversion (core/options.py), so they agree, and a mistake is one line; tyro
draws `--help`.
"""

import dataclasses
import importlib
import re
import types
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from core.errors import UserError
from core.options import Option, convert, from_words, options_of, show


@dataclasses.dataclass(frozen=True)
class Settings:
    """One instance per section, and where each value that was set came from; equal when the values are."""

    values: tuple[Any, ...]
    origin: dict[str, str] = dataclasses.field(
        compare=False
    )  # field -> "preset zoo", "--config f.yaml", "flag"

    def flat(self) -> dict[str, Any]:
        """Every option by its field name, in the order of the sections: plain values, tuples for several."""
        return {field.name: getattr(s, field.name) for s in self.values for field in dataclasses.fields(s)}

    def changed(self) -> str:
        """What differs from the defaults and where from: `lr=0.001 (preset zoo), steps=50000 (flag)`."""
        options, flat = options_of([type(section) for section in self.values]), self.flat()
        differs = (name for name in self.origin if flat[name] != options[name].default)
        return ", ".join(f"{name}={show(flat[name])} ({self.origin[name]})" for name in differs)


@dataclasses.dataclass(frozen=True)
class _Shared:
    """Understood wherever options are."""

    config: str | None = None  # YAML file of options, such as a run's config.yaml; flags win over it


_Layer = tuple[str, dict[str, Any]]  # where values came from, and the values


def parse(
    sections: Sequence[type],
    argv: Sequence[str],
    *,
    preset: Mapping[str, Any] = types.MappingProxyType({}),
    preset_name: str = "",
    ignored: Collection[str] = (),
    prog: str = "lab",
    description: str = "",
) -> Settings:
    """Field defaults < preset < `--config` file < flags.

    `ignored`: keys a config file may hold that are no option (`algorithm` in a run's config.yaml). `prog` and
    `description` head the help. Raises UserError for what a person mistyped, ValueError for sections or a
    preset that cannot work, SystemExit(0) after `--help`.
    """
    known = options_of([*sections, _Shared])
    options = {name: option for name, option in known.items() if option.section is not _Shared}
    layers = [_preset_layer(options, preset, preset_name)]
    if "--help" in argv or "-h" in argv:
        _help(sections, known, layers[0][1], prog, description)
    words = _split(known, argv)
    path = words.pop("config", None)
    if path is not None:
        layers.append(_file_layer(options, path[0], ignored))
    layers.append(("flag", {name: from_words(options[name], given) for name, given in words.items()}))
    chosen = {name: value for _, values in layers for name, value in values.items()}
    origin = {name: where for where, values in layers for name in values}
    for option in options.values():
        if option.required and option.name not in chosen:
            raise UserError(f"{option.flag} is missing; give it a value")
    instances = tuple(
        section(**{n: chosen[n] for n, o in options.items() if o.section is section and n in chosen})
        for section in sections
    )
    return Settings(instances, {name: origin[name] for name in options if name in origin})


def _preset_layer(options: dict[str, Option], preset: Mapping[str, Any], name: str) -> _Layer:
    where = f"preset {name}".strip()
    unknown = sorted(set(preset) - set(options))
    if unknown:
        raise ValueError(f"{where}: no option is named {', '.join(unknown)}")
    try:
        return where, {key: convert(options[key], value, f"{where}: {key}") for key, value in preset.items()}
    except UserError as error:
        raise ValueError(str(error)) from error


def _file_layer(options: dict[str, Option], path: str, ignored: Collection[str]) -> _Layer:
    values: dict[str, Any] = {}
    skip = {key.replace("-", "_") for key in ignored}
    for key, value in read_yaml(path).items():
        name = key.replace("-", "_")
        if name in values:
            raise UserError(f"{path} gives {name} twice; keep one of the two")
        if name in options:
            values[name] = convert(options[name], value, f"{name} in {path}")
        elif name not in skip:
            close = get_close_matches(name, options, 1, 0.5)
            hint = f"did you mean {close[0]!r}?" if close else "--help lists the options"
            raise UserError(f"unknown option {key!r} in {path}; {hint}")
    return f"--config {path}", values


def _split(options: dict[str, Option], argv: Sequence[str]) -> dict[str, list[str]]:
    """Each option's words; the last wins where one is repeated, except that only one file is read."""
    given: dict[str, list[str]] = {}
    position = 0
    while position < len(argv):
        head, equals, tail = argv[position].partition("=")
        option, negated = _find(options, head, argv[position])
        start = end = position + 1
        while not equals and not negated and end < len(argv) and not argv[end].startswith("--"):
            if end > start and not option.many:
                raise UserError(f"unexpected {argv[end]!r} after {head} {argv[start]}; it takes one value")
            end += 1
        words = [tail] if equals else list(argv[start:end])
        position = end
        if negated and words:
            raise UserError(f"{head} takes no value; write {head} or {option.flag}=false")
        if option.kind is bool and not option.many and not words:
            words = ["false" if negated else "true"]
        if not words:
            raise UserError(f"{head} needs a value")
        if option.name == "config" and "config" in given:
            raise UserError(f"--config is given twice ({given['config'][0]}, {words[0]}); give one file")
        given[option.name] = words
    return given


def _find(options: dict[str, Option], head: str, word: str) -> tuple[Option, bool]:
    """The option a word on the command line names, and whether it says --no-."""
    if not head.startswith("-"):
        raise UserError(f"unexpected {word!r}; a value follows its option, as in --name {word}")
    name = head.lstrip("-").replace("-", "_")
    switches = {f"no_{o.name}": o for o in options.values() if o.kind is bool and not o.many}
    if head.startswith("--") and (name in options or name in switches):
        return (options[name], False) if name in options else (switches[name], True)
    close = get_close_matches(name, [*options, *switches], 1, 0.5)
    hint = f"did you mean --{close[0].replace('_', '-')}?" if close else "--help lists the options"
    raise UserError(f"unknown option {head}; {hint}")


def _help(
    sections: Sequence[type], known: dict[str, Option], preset: dict[str, Any], prog: str, description: str
) -> None:
    """Print tyro's help, the preset's values as the defaults, and exit 0."""
    tyro: Any = importlib.import_module("tyro")  # needed here alone, and slow to import
    shown: dict[str, Any] = {}
    for section in (*sections, _Shared):
        instance: Any = object.__new__(section)  # its own checks must not stop the help
        for name, option in known.items():
            if option.section is section:
                value = preset.get(name, option.default)
                object.__setattr__(instance, name, tyro.MISSING if value is dataclasses.MISSING else value)
        general = section.__name__ in ("Config", "Options")  # then the file's name says more
        title = section.__module__.rpartition(".")[2] if general else section.__name__
        title = title.strip("_").lower()
        shown[title + "_" * (title in shown)] = instance
    page = dataclasses.make_dataclass("Options", [(title, type(shown[title])) for title in shown])
    plain = (tyro.conf.OmitArgPrefixes,)
    tyro.cli(page, args=["--help"], default=page(**shown), prog=prog, description=description, config=plain)


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: 1e5 is a number; off, yes, 010, 12:30 and 2024-01-01 are text, as meant."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                problem = f"{key!r} stands there twice"
                raise yaml.constructor.ConstructorError(
                    None, None, problem, node.value[position][0].start_mark
                )
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would read as something else, for readers of either."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_FLOAT = r"[-+]?(\.\d+|\d[\d_]*\.\d*|\d[\d_]*(?=[eE]))([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_SCALARS = {  # what plain text is read as, and the characters it may begin with
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (_FLOAT, list("-+0123456789.")),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """Plain values (tuples become lists) as YAML, in the mapping's order; read_yaml gives them back."""
    plain = _plain(mapping)
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A file's mapping of plain values, {} for an empty file. UserError names the file and the line."""
    try:
        value = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f", line {mark.line + 1}," if mark else ""
        raise UserError(f"{path}{place} is not YAML: {problem or 'no text in UTF-8'}") from None
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{path} is not a mapping; it should hold lines such as `steps: 100000`")
    return value
