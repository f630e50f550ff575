"""Settings from defaults, preset, file and flags; every mistake one line that names what would be right."""

import ast
import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from core.config import Settings, parse, read_yaml, to_yaml
from core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Train:
    """How long and where."""

    env: str = "CartPole-v1"  # which world to learn in
    steps: int = 100_000  # agent decisions of one seed
    seeds: tuple[int, ...] = (0,)  # trained together
    tags: tuple[str, ...] = ()  # labels of the run
    name: str | None = None  # what people call it
    eval_every: int | None = None  # steps between evaluations
    compile: Literal["auto", "on", "off"] = "auto"  # fuse the update
    quiet: bool = False  # say nothing


@dataclasses.dataclass(frozen=True)
class Method:
    lr: float = 3e-4  # learning rate
    clip: float | None = 0.5  # largest gradient norm
    anneal: bool = True  # let the rate fall to 0
    layers: Literal[1, 2] = 2  # hidden layers


SECTIONS = (Train, Method)


def flat(*argv: str, **extra: Any) -> dict[str, Any]:
    return parse(SECTIONS, argv, **extra).flat()


def refusal(*argv: str, **extra: Any) -> str:
    with pytest.raises(UserError) as caught:
        parse(SECTIONS, argv, **extra)
    message = str(caught.value)
    assert "\n" not in message
    return message


def written(folder: Path, text: str) -> str:
    path = folder / "f.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# --- flags


def test_without_arguments_every_section_is_its_default() -> None:
    settings = parse(SECTIONS, [])
    assert settings.values == (Train(), Method())
    assert settings.origin == {}
    assert settings.changed() == ""
    assert list(settings.flat())[:2] == ["env", "steps"]
    assert list(settings.flat())[-1] == "layers"


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        ("--steps 1e5", "steps", 100_000),
        ("--steps 250_000", "steps", 250_000),
        ("--steps=1.5e3", "steps", 1500),
        ("--steps -7", "steps", -7),
        ("--lr=0.1", "lr", 0.1),
        ("--lr -3e-4", "lr", -0.0003),
        ("--lr 2", "lr", 2.0),
        ("--clip inf", "clip", math.inf),
        ("--clip none", "clip", None),
        ("--clip=None", "clip", None),
        ("--name null", "name", None),
        ("--name=", "name", ""),
        ("--name=a=b", "name", "a=b"),
        ("--env -odd", "env", "-odd"),
        ("--eval-every 1e3", "eval_every", 1000),
        ("--eval_every 1e3", "eval_every", 1000),
        ("--seeds 0 1 2", "seeds", (0, 1, 2)),
        ("--seeds 0,1,2", "seeds", (0, 1, 2)),
        ("--seeds=[0,1,2]", "seeds", (0, 1, 2)),
        ("--seeds -1 1e1", "seeds", (-1, 10)),
        ("--tags a b,c", "tags", ("a", "b", "c")),
        ("--tags=", "tags", ()),
        ("--compile off", "compile", "off"),
        ("--layers 1", "layers", 1),
        ("--quiet", "quiet", True),
        ("--quiet=true", "quiet", True),
        ("--quiet=True", "quiet", True),
        ("--quiet yes", "quiet", True),
        ("--no-anneal", "anneal", False),
        ("--no_anneal", "anneal", False),
        ("--anneal=false", "anneal", False),
        ("--anneal off", "anneal", False),
        ("--lr 1 --lr 2", "lr", 2.0),
    ],
)
def test_a_flag_sets_its_option_and_nothing_else(argv: str, name: str, value: Any) -> None:
    changed = flat(*argv.split())
    assert changed[name] == value
    assert type(changed[name]) is type(value)
    assert changed | {name: 0} == flat() | {name: 0}


def test_a_switch_does_not_swallow_the_next_option() -> None:
    assert flat("--quiet", "--no-anneal", "--seeds", "3", "4", "--lr", "1") == flat() | {
        "quiet": True,
        "anneal": False,
        "seeds": (3, 4),
        "lr": 1.0,
    }


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ("--stesp 5", ["unknown option --stesp", "did you mean --steps?"]),
        ("--eval-evry=5", ["--eval-evry", "did you mean --eval-every?"]),
        ("-lr 5", ["unknown option -lr", "did you mean --lr?"]),
        ("--no-aneal", ["--no-aneal", "did you mean --no-anneal?"]),
        ("--zzzzzzzz 5", ["unknown option --zzzzzzzz", "--help lists"]),
        ("--no-steps", ["unknown option --no-steps", "did you mean"]),
        ("--steps many", ["--steps takes a whole number, not 'many'"]),
        ("--steps 1.5", ["--steps takes a whole number, not '1.5'"]),
        ("--steps inf", ["--steps takes a whole number, not 'inf'"]),
        ("--steps 1e999999999", ["--steps takes a whole number"]),
        ("--steps none", ["--steps takes a whole number, not 'none'"]),
        ("--eval-every x", ["--eval-every takes a whole number, not 'x'"]),
        ("--lr fast", ["--lr takes a number, not 'fast'"]),
        ("--lr nan", ["--lr takes a number, not 'nan'"]),
        ("--quiet=perhaps", ["--quiet takes true or false, not 'perhaps'"]),
        ("--no-quiet=true", ["--no-quiet takes no value", "--quiet=false"]),
        ("--compile onn", ["--compile takes auto or on or off, not 'onn'; did you mean 'on'?"]),
        ("--compile zzz", ["--compile takes auto or on or off, not 'zzz'"]),
        ("--layers 3", ["--layers takes 1 or 2, not '3'"]),
        ("--seeds 0 one", ["--seeds takes a whole number, not 'one'"]),
        ("--lr", ["--lr needs a value"]),
        ("--lr --steps 5", ["--lr needs a value"]),
        ("--seeds --steps 5", ["--seeds needs a value"]),
        ("--lr 1 2", ["unexpected '2' after --lr 1", "one value"]),
        ("CartPole-v1", ["unexpected 'CartPole-v1'", "--name CartPole-v1"]),
        ("--config a.yaml --config b.yaml", ["--config is given twice", "a.yaml", "b.yaml"]),
        ("--config nowhere.yaml", ["cannot read nowhere.yaml: No such file"]),
        ("--config .", ["cannot read .: Is a directory"]),
    ],
)
def test_a_mistyped_flag_is_one_line_that_says_what_would_be_right(argv: str, parts: list[str]) -> None:
    message = refusal(*argv.split())
    assert [part for part in parts if part not in message] == []


# --- precedence and provenance


def test_defaults_yield_to_preset_to_file_to_flags(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 30\neval_every: 3\nlr: 0.3\n")
    preset = {"steps": 20, "lr": 0.2, "clip": None, "anneal": True}
    settings = parse(
        SECTIONS, ["--steps", "40", "--config", path], preset=preset, preset_name="zoo", ignored=()
    )
    train, method = settings.values
    assert (train.steps, train.eval_every, method.lr, method.clip) == (40, 3, 0.3, None)
    assert settings.origin == {
        "steps": "flag",
        "eval_every": f"--config {path}",
        "lr": f"--config {path}",
        "clip": "preset zoo",
        "anneal": "preset zoo",
    }
    # anneal is set to what it is anyway, so it does not differ
    assert settings.changed() == (
        f"steps=40 (flag), eval_every=3 (--config {path}), lr=0.3 (--config {path}), clip=none (preset zoo)"
    )


def test_changed_reads_as_one_would_type_it() -> None:
    settings = parse(
        SECTIONS, ["--seeds=1,2", "--quiet", "--steps=5e4"], preset={"lr": 0.001}, preset_name="zoo"
    )
    assert (
        settings.changed() == "steps=50000 (flag), seeds=1 2 (flag), quiet=true (flag), lr=0.001 (preset zoo)"
    )


def test_equality_is_of_values_not_of_their_origin() -> None:
    assert parse(SECTIONS, ["--lr", "0.1"]) == parse(SECTIONS, [], preset={"lr": 0.1})
    assert parse(SECTIONS, ["--lr", "0.1"]) != parse(SECTIONS, ["--lr", "0.2"])


# --- files


def test_settings_survive_yaml_and_come_back_through_config(tmp_path: Path) -> None:
    argv = [
        "--env",
        "12:30",
        "--name",
        "null-ish: #1 é",
        "--steps",
        "1e6",
        "--seeds",
        "3",
        "1",
        "--tags",
        "off",
        "1e5",
    ]
    argv += [
        "--eval-every=none",
        "--compile",
        "off",
        "--quiet",
        "--lr",
        "1e-5",
        "--clip",
        "inf",
        "--layers",
        "1",
    ]
    settings = parse(SECTIONS, argv)
    path = written(tmp_path, to_yaml({"algorithm": "ppo", **settings.flat()}))
    again = parse(SECTIONS, ["--config", path], ignored=["algorithm"])
    assert again == settings
    assert again.flat() == settings.flat()


@pytest.mark.parametrize(
    "name", ["none", "null", "~", "", "yes", "1e5", "010", "5", ".inf", "- a", "2024-01-01"]
)
def test_text_that_looks_like_something_else_stays_text(tmp_path: Path, name: str) -> None:
    settings = Settings((Train(name=name), Method()), {})
    text = to_yaml(settings.flat())
    assert parse(SECTIONS, ["--config", written(tmp_path, text)]) == settings
    assert yaml.safe_load(text)["name"] == name  # other people's YAML 1.1 readers agree


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("steps: 1e5", "steps", 100_000),
        ("steps: 100_000", "steps", 100_000),
        ("steps: '2e3'", "steps", 2000),
        ("eval-every: 7", "eval_every", 7),
        ("eval-every:", "eval_every", None),
        ("eval-every: none", "eval_every", None),
        ("lr: 1", "lr", 1.0),
        ("lr: 3e-4", "lr", 0.0003),
        ("clip: null", "clip", None),
        ("clip: .inf", "clip", math.inf),
        ("compile: off", "compile", "off"),
        ("quiet: yes", "quiet", True),
        ("anneal: false", "anneal", False),
        ("seeds: [1, 2]", "seeds", (1, 2)),
        ("seeds: 1e1, 2", "seeds", (10, 2)),
        ("seeds: 4", "seeds", (4,)),
        ("tags: ['a,b', c]", "tags", ("a,b", "c")),
        ("name: 010", "name", "010"),
        ("layers: 1", "layers", 1),
    ],
)
def test_a_line_of_a_file_sets_its_option(tmp_path: Path, line: str, name: str, value: Any) -> None:
    changed = flat("--config", written(tmp_path, f"# as written by hand\n{line}\n"))
    assert changed[name] == value
    assert type(changed[name]) is type(value)
    assert changed | {name: 0} == flat() | {name: 0}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stesp: 5", ["unknown option 'stesp' in", "f.yaml; did you mean 'steps'?"]),
        ("zzzzzzzz: 5", ["unknown option 'zzzzzzzz'", "--help"]),
        ("config: g.yaml", ["unknown option 'config'"]),
        ("steps: [1]", ["steps in", "takes a whole number, not [1]"]),
        ("steps: true", ["steps in", "takes a whole number, not True"]),
        ("steps: 1.5", ["takes a whole number, not 1.5"]),
        ("steps:", ["takes a whole number, not None"]),
        ("lr: true", ["lr in", "takes a number, not True"]),
        ("lr: {a: 1}", ["lr in", "takes a number, not {'a': 1}"]),
        ("quiet: 3", ["quiet in", "takes true or false, not 3"]),
        ("env: 5", ["env in", "takes text", "not 5"]),
        ("tags: [5]", ["tags in", "takes text", "not 5"]),
        ("compile: onn", ["takes auto or on or off, not 'onn'; did you mean 'on'?"]),
        ("layers: true", ["layers in", "takes 1 or 2, not True"]),
        ("eval-every: 1\neval_every: 2", ["gives eval_every twice"]),
        ("lr: 1\nlr: 2", ["f.yaml, line 2,", "'lr' stands there twice"]),
        ("lr: 1\nsteps: [1\n", ["f.yaml, line 3,", "is not YAML"]),
        ("lr: !!python/object:os.system 1", ["f.yaml, line 1,", "is not YAML"]),
        ("- lr\n- 1", ["f.yaml is not a mapping"]),
        ("just words", ["f.yaml is not a mapping"]),
        ("1: 2", ["f.yaml is not a mapping"]),
        ("lr: \0", ["f.yaml", "is not YAML"]),
    ],
)
def test_a_mistake_in_a_file_is_one_line_that_names_it(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refusal("--config", written(tmp_path, text))
    assert [part for part in parts if part not in message] == []


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal("--config", str(path)) == f"{path} is not YAML: no text in UTF-8"


def test_ignored_keys_pass_in_files_only(tmp_path: Path) -> None:
    path = written(tmp_path, "algorithm: ppo\ntask-slug: x\nlr: 0.1\n")
    assert flat("--config", path, ignored=["algorithm", "task_slug"])["lr"] == 0.1
    assert "unknown option 'algorithm'" in refusal("--config", path)
    assert "unknown option --algorithm" in refusal("--algorithm", "ppo", ignored=["algorithm"])


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert parse(SECTIONS, ["--config", written(tmp_path, "# nothing\n")]) == parse(SECTIONS, [])
    assert read_yaml(written(tmp_path, "")) == {}


def test_yaml_keeps_plain_values_and_their_order(tmp_path: Path) -> None:
    mapping = {"b": 1, "a": [1.5, None, True], "c": {"x": "true", "y": -1e-7}, "d": [], "e": math.inf}
    read = read_yaml(written(tmp_path, to_yaml(mapping)))
    assert read == mapping
    assert list(read) == ["b", "a", "c", "d", "e"]
    assert to_yaml({"t": (1, 2), "u": (1, 2)}) == "t: [1, 2]\nu: [1, 2]\n"


# --- what a person who writes sections got wrong


@dataclasses.dataclass(frozen=True)
class Options:
    width: int = 8  # units of a layer


@dataclasses.dataclass(frozen=True)
class Again:
    lr: float = 1.0


@dataclasses.dataclass(frozen=True)
class Shadow:
    config: str = ""


@dataclasses.dataclass(frozen=True)
class Negative:
    no_quiet: int = 0


@dataclasses.dataclass(frozen=True)
class Nested:
    table: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Either:
    value: int | str = 0


@pytest.mark.parametrize("section", [Again, Shadow, Negative, Nested, Either])
def test_sections_that_cannot_work_are_a_programming_error(section: type) -> None:
    with pytest.raises(ValueError, match=section.__name__ if section is not Negative else "quiet"):
        parse([*SECTIONS, section], [])


@pytest.mark.parametrize("preset", [{"rl": 0.1}, {"lr": "fast"}, {"steps": None}])
def test_a_preset_that_cannot_work_is_a_programming_error(preset: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="preset zoo"):
        parse(SECTIONS, [], preset=preset, preset_name="zoo")


@dataclasses.dataclass(frozen=True)
class Needy:
    data: str  # no default
    batch: int = 32  # at least one

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UserError(f"--batch is {self.batch}; it must be at least 1")


def test_an_option_without_default_must_be_given() -> None:
    with pytest.raises(UserError, match="--data is missing"):
        parse([Needy], [])
    settings = parse([Needy], ["--data", "digits"])
    assert settings.values == (Needy("digits"),)
    assert settings.changed() == "data=digits (flag)"
    with pytest.raises(UserError, match="--batch is 0"):
        parse([Needy], ["--data", "digits", "--batch", "0"])


# --- help


def test_help_shows_comments_and_the_presets_values_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(
            [*SECTIONS, Needy], ["--help"], preset={"lr": 0.125}, prog="lab train ppo", description="Clipped."
        )
    shown = capsys.readouterr()
    assert caught.value.code == 0
    assert shown.err == ""
    for part in (
        "lab train ppo",
        "Clipped.",
        "agent decisions of one seed",
        "learning rate (default: 0.125)",
    ):
        assert part in shown.out
    for part in (
        "--eval-every",
        "--no-anneal",
        "{auto,on,off}",
        "--config",
        "(required)",
        "How long and where.",
    ):
        assert part in shown.out
    assert "--train." not in shown.out  # one flat namespace


def test_help_heads_a_section_of_a_general_name_with_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([Train, Options], ["-h"])
    shown = capsys.readouterr().out
    assert "train options" in shown
    assert "test_config options" in shown.replace("-", "_")
    assert "options options" not in shown


def test_every_option_of_every_door_says_what_it_is() -> None:
    """A comment that the formatter moved inside brackets is lost to --help."""
    root = Path(__file__).resolve().parents[2]
    for package in ("core", "rl", "generative"):
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.ClassDef) or not any(
                    isinstance(d, ast.Call) and getattr(d.func, "id", "") == "dataclass"
                    for d in node.decorator_list
                ):
                    continue
                given = [f for f in node.body if isinstance(f, ast.AnnAssign) and f.value is not None]
                assert not [
                    f"{file.name}:{f.lineno}" for f in given if f.value and f.value.lineno != f.lineno
                ]
