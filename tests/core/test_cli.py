"""`lab` in trees of its own: what stands in a folder is found, dispatched to, and refused in one line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.catalogue import ROOT, Algorithm, algorithms, suites
from core.cli import PICK, VERBS, main, run, verbs
from core.errors import UserError

DOOR = """
import json, sys

def main(*words):
    print(json.dumps(["{name}:main", words], default=str))
    return {status}

def resume(records, argv):
    print(json.dumps(["{name}:resume", [r.id for r in records], argv]))
"""
RECORDS = '''
import json, types

def find(root, query):
    """Runs whose id begins with the query."""
    table = json.loads((root / "table.json").read_text())
    return [types.SimpleNamespace(id=i, run={"suite": s}) for i, s in table.items() if i.startswith(query)]

def main(argv):
    print(json.dumps(["records:main", argv]))
'''
TABLE = '''"""Watkins's table.

More.
"""
TAGS: dict[str, str] = {"model": "free", "policy": "off"}
'''
FILES = {
    "rl/agents/q_learning.py": TABLE,
    "rl/agents/ppo.py": '"""Clipped ratio."""\nimport torch_of_nobody\nTAGS = {"policy": "on"}\n',
    "rl/agents/_draft.py": '"""Not for anybody yet."""\n',
    "rl/baselines.py": '"""Others."""\nBASELINES = {"sb3-ppo": "PPO as they have it"}\n',
    "rl/train.py": DOOR.format(name="rl.train", status=0),
    "rl/benchmark.py": 'SUITES: dict[str, str] = {"speed": "steps per second"}\n'
    + DOOR.format(name="rl.bench", status=3),
    "generative/trainers/vae.py": '"""Two networks."""\n',
    "generative/train.py": DOOR.format(name="generative.train", status=0),
    "generative/data.py": 'DATASETS = {"digits": "small"}\nSIZES = {"digits": 8 * 8}\n',
    "core/tasks/bert.py": '"""Masked words."""\nTAGS = dict(kind="text")\n',
    "core/data_sets.py": 'DATASETS = {"stories": "a thousand"}\n',
    "core/records.py": RECORDS,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The real command among packages of our own making."""
    for name in ("core/cli.py", "core/catalogue.py", "core/errors.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for package in ("core", "rl", "generative"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "runs").mkdir()
    runs = {"ppo-a/0": "rl", "ppo-a/1": "rl", "vae-b/0": "generative", "bert-c/0": "core", "torn-d/0": None}
    (tmp_path / "runs" / "table.json").write_text(json.dumps(runs), encoding="utf-8")
    return tmp_path


def lab(tree: Path, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(tree)!r}); from core.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, cwd=cwd or tree, capture_output=True, text=True, timeout=60)


def answer(tree: Path, *argv: str) -> list[object]:
    done = lab(tree, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[object] = json.loads(done.stdout)
    return found


def refusal(tree: Path, *argv: str) -> str:
    done = lab(tree, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lab: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("lab: ").strip()


# --- finding


def test_algorithms_are_read_from_their_files(tree: Path) -> None:
    found = algorithms(tree)
    assert list(found) == ["ppo", "q-learning", "vae", "bert", "sb3-ppo"]
    tags = {"model": "free", "policy": "off"}
    assert found["q-learning"] == Algorithm("q-learning", "rl", "Watkins's table.", tags)
    assert found["bert"] == Algorithm("bert", "core", "Masked words.", {})  # computed tags are none
    assert found["sb3-ppo"] == Algorithm("sb3-ppo", "rl", "PPO as they have it", {})
    assert suites(tree) == {"speed": ("rl", "steps per second")}


def test_list_is_a_table_and_imports_no_algorithm(tree: Path) -> None:
    done = lab(tree, "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "agents",
        "  id           policy   model",
        "  ppo          on       -       Clipped ratio.",
        "  q-learning   off      free    Watkins's table.",
        "",
        "trainers",
        "  vae   Two networks.",
        "",
        "tasks",
        "  bert   Masked words.",
        "",
        "baselines, by Stable-Baselines3",
        "  sb3-ppo   PPO as they have it",
        "",
        "data sets",
        "  digits    small",
        "  stories   a thousand",
        "",
        "suites, for lab bench",
        "  speed   steps per second",
    ]


def test_a_new_file_is_listed_and_trained_without_an_edit(tree: Path) -> None:
    (tree / "rl" / "agents" / "my_own_idea.py").write_text('"""Better."""\n', encoding="utf-8")
    (tree / "generative" / "trainers" / "half_done.py").write_text("def (:\n", encoding="utf-8")
    shown = lab(tree, "list").stdout
    assert "  my-own-idea   " in shown
    assert "half-done   does not parse: line 1" in shown
    assert answer(tree, "train", "my-own-idea", "--x") == ["rl.train:main", [["my-own-idea", "--x"]]]


def test_only_verbs_whose_function_stands_are_shown(tree: Path) -> None:
    assert list(verbs(tree)) == ["train", "resume", "runs", "bench", "list"]
    assert dict(verbs(tree)["bench"].doors) == {"rl": "rl.benchmark:main"}
    shown = lab(tree, "--help")
    assert shown.returncode == 0
    assert shown.stdout == lab(tree).stdout == lab(tree, "-h").stdout
    assert [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("  lab ")] == list(
        verbs(tree)
    )
    (tree / "core" / "demo.py").write_text("def main(argv):\n    print('[1, 2]')\n", encoding="utf-8")
    assert answer(tree, "demo") == [1, 2]


def test_every_verb_can_be_picked() -> None:
    assert {verb.by for verb in VERBS.values()} == set(PICK)
    assert [name for name, verb in VERBS.items() if verb.usage.split()[0] != name] == []
    assert [name for name, verb in VERBS.items() if ("" in verb.doors) != (verb.by == "nothing")] == []


# --- dispatching


def test_train_picks_the_door_by_the_algorithm(tree: Path) -> None:
    words = ["ppo", "--env", "X", "--help"]
    assert answer(tree, "train", *words) == ["rl.train:main", [words]]
    assert answer(tree, "train", "sb3-ppo") == ["rl.train:main", [["sb3-ppo"]]]
    assert answer(tree, "train", "vae", "--lr=1") == ["generative.train:main", [["vae", "--lr=1"]]]


def test_run_verbs_pick_the_door_by_what_the_run_says(tree: Path) -> None:
    assert answer(tree, "resume", "ppo-a/1", "--quiet") == ["rl.train:resume", ["ppo-a/1"], ["--quiet"]]
    assert answer(tree, "resume", "ppo") == ["rl.train:resume", ["ppo-a/0", "ppo-a/1"], []]
    assert answer(tree, "resume", "vae-b") == ["generative.train:resume", ["vae-b/0"], []]
    (tree / "runs").rename(tree / "elsewhere")
    expected = ["generative.train:resume", ["vae-b/0"], ["--n", "1"]]
    assert answer(tree, "resume", "--root", "elsewhere", "vae-b", "--n", "1") == expected
    assert answer(tree, "resume", "vae-b", "--root=elsewhere", "--n", "1") == expected


def test_the_other_verbs_hand_over_all_words(tree: Path) -> None:
    assert answer(tree, "runs", "--help", "x") == ["records:main", ["--help", "x"]]
    done = lab(tree, "bench", "speed", "--tier", "smoke")
    assert json.loads(done.stdout) == ["rl.bench:main", [["speed", "--tier", "smoke"]]]
    assert done.returncode == 3  # the door's status is the command's


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("trian ppo", "unknown command 'trian'; did you mean 'train'?"),
        ("sample vae", "unknown command 'sample'; choose one of bench, list, resume, runs, train"),
        ("train", "lab train needs an algorithm first; one of ppo, q-learning, vae, bert, sb3-ppo"),
        ("train --env X", "lab train needs an algorithm first; one of ppo, q-learning, vae, bert, sb3-ppo"),
        ("train q_learning", "unknown algorithm 'q_learning'; did you mean 'q-learning'?"),
        ("train bert", "lab train does not work for core; it does for rl, generative"),
        ("bench", "lab bench needs a suite first; one of speed"),
        ("bench sped", "unknown suite 'sped'; did you mean 'speed'?"),
        ("resume", "lab resume needs a run first; one of a path, the beginning of an id, a group, `last`"),
        ("resume dqn", "no run in runs matches 'dqn'; `lab runs` lists them"),
        ("resume torn", "torn-d/0 does not say what it is; its run.json is missing or broken"),
        ("resume bert", "lab resume does not work for core; it does for rl, generative"),
        ("resume last --root", "--root needs a folder"),
        ("list agents", "unexpected 'agents'; lab list takes nothing"),
    ],
)
def test_what_cannot_be_understood_is_one_line(tree: Path, argv: str, message: str) -> None:
    assert refusal(tree, *argv.split()) == message


def test_a_query_over_two_kinds_of_runs_is_refused(tree: Path) -> None:
    table = {"x/0": "rl", "x/1": "generative"}
    (tree / "runs" / "table.json").write_text(json.dumps(table), encoding="utf-8")
    assert refusal(tree, "resume", "x") == "'x' matches runs of generative and rl; name runs of one kind"


@pytest.mark.parametrize("argv", [["train", "--help"], ["resume", "-h"], ["bench", "--help"], ["list", "-h"]])
def test_help_of_a_verb_is_its_usage(tree: Path, argv: list[str]) -> None:
    done = lab(tree, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: lab {argv[0]}")


# --- sys.path


def test_the_working_directory_comes_first_but_hides_no_package_of_ours(tree: Path) -> None:
    here = tree / "mine"
    (here / "rl").mkdir(parents=True)
    (here / "rl" / "__init__.py").touch()
    (tree / "rl" / "train.py").write_text(
        "import sys\ndef main(argv):\n    print(sys.path[0], sys.path.count(sys.path[0]))\n", encoding="utf-8"
    )
    done = lab(tree, "train", "ppo", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{here} 1\n"


# --- endings


def interrupted(argv: list[str]) -> int:
    raise KeyboardInterrupt


def mistaken(argv: list[str]) -> int:
    raise UserError("first;\n   second\n")


def leaving(argv: list[str]) -> int:
    raise SystemExit(argv[0] if argv else None)


def worker(argv: list[str]) -> int:
    raise BrokenPipeError("the pipe of a worker")


def test_every_ending_is_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda argv: None, []) == 0
    assert run(lambda argv: len(argv), ["a", "b", "c"]) == 3
    assert run(leaving, []) == 0
    assert capsys.readouterr() == ("", "")
    assert run(leaving, ["no"]) == 1
    assert capsys.readouterr() == ("", "no\n")
    assert run(interrupted, []) == 130
    assert capsys.readouterr() == ("", "lab: interrupted\n")
    assert run(mistaken, []) == 2
    assert capsys.readouterr() == ("", "lab: first; second\n")
    with pytest.raises(BrokenPipeError):
        run(worker, [])


def test_a_reader_who_leaves_gets_no_traceback(tree: Path) -> None:
    (tree / "rl" / "train.py").write_text(
        "def main(argv):\n    for i in range(100_000):\n        print(i)\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "core.cli", "train", "ppo"]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# --- lightness, and this repository itself


@pytest.mark.parametrize("argv", [[], ["--help"], ["list"], ["--version"], ["trian"]])
def test_answers_without_a_choice_load_nothing_heavy(argv: list[str]) -> None:
    code = (
        "import sys\n"
        "from core.cli import main\n"
        f"main({argv!r})\n"
        "heavy = {'torch', 'gymnasium', 'wandb', 'numpy', 'tyro', 'pandas', 'yaml', 'scipy', 'plotly'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


def test_this_repository_lists_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    names = [path.stem.replace("_", "-") for path in (ROOT / "rl" / "agents").glob("[a-z]*.py")]
    assert [name for name in names if f"  {name} " not in shown] == []


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("lab")
    assert shown.count("\n") == 1
