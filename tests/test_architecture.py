"""The law of imports, and the sizes and names of files: read from the source, nothing is run."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "rl", "generative")
SOURCES = sorted(path.relative_to(ROOT).as_posix() for p in PACKAGES for path in (ROOT / p).rglob("*.py"))

# Third-party packages that may be imported in these files only.
ONLY = {
    "wandb": {"core/mirror.py", "core/importing/foreign.py"},
    "gymnasium": {"rl/environments.py", "rl/spaces.py", "rl/worlds.py", "rl/audit.py"},
    "tyro": {"core/config.py"},
    "stable_baselines3": {"rl/baselines.py", "rl/recipes.py", "rl/audit.py"},
    "ray": {"core/launch.py"},
}

# From the ground up; a file imports from its own layer and those below.
LAYERS = {
    "core": [
        {
            "errors",
            "gradients",
            "layout",
            "trees",
            "schedules",
            "optimisers",
            "statistics",
            "tables",
            "draws",
            "coverage",
            "fingerprint",
            "aggregates",
            "curves",
            "references",
            "losses",
            "regularisation",
            "clipping",
            "folds",
            "networks/*",
        },  # pure
        {"noise", "replicas", "checkpoint", "config", "tracking", "records"},  # what keeps state
        {"tasks/*"},
        {"fit"},
        {
            "cli",
            "compare",
            "report",
            "launch",
            "dashboard/*",
            "importing/*",
            "benchmark",
            "network_cells",
            "fold_figures",
            "fine_tuning",
            "evaluate",
            "demo",
            "making",
            "suites",
            "simulation",
        },  # doors
    ],
    "rl": [
        {"agent", "losses", "returns", "exploration", "planning", "dynamic_programming"},
        {"replay", "rollout", "environments", "spaces", "worlds"},
        {"agents/*"},
        {"loop", "recipes", "simulation"},
        {
            "train",
            "evaluate",
            "solve",
            "new",
            "benchmark",
            "audit",
            "baselines",
            "cells",
            "speed",
            "speed_dqn",
            "speed_tables",
            "cliff",
        },
    ],
    "generative": [
        {"trainer", "losses", "metrics", "drawing", "latent"},
        {"data", "features"},
        {"trainers/*"},
        {"loop"},
        {"train", "evaluate", "benchmark", "cells", "collapse", "reading", "shakespeare", "speed"},
    ],
}
UNLISTED = 1  # a new file is one that keeps state until it is listed
ALGORITHMS = {"rl/agents": 200, "generative/trainers": 200, "core/tasks": 200}
JUNK = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "handler"}
TORCH_DRAWS = {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal"}
TORCH_DRAWS |= {"bernoulli", "multinomial", "poisson", "Generator"}
INPLACE_DRAWS = {
    "normal_",
    "uniform_",
    "random_",
    "bernoulli_",
    "exponential_",
    "log_normal_",
    "geometric_",
    "cauchy_",
}


def layer(module: str) -> int:
    """How high a dotted module of ours stands in its package: `rl.agents.ppo` -> 2."""
    package, _, rest = module.partition(".")
    path = rest.replace(".", "/")
    for height, names in enumerate(LAYERS[package]):
        if path in names or f"{path.split('/')[0]}/*" in names:
            return height
    return UNLISTED


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, `importlib.import_module("x")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
            # `from core import trees` imports core.trees
            yield from (
                (node.lineno, f"{node.module}.{alias.name}")
                for alias in node.names
                if node.module in PACKAGES
            )
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((node.lineno, str(a.value)) for a in node.args if isinstance(a, ast.Constant))


def import_faults(path: str, tree: ast.Module) -> Iterator[str]:
    """Who imports whom."""
    package = path.split("/")[0]
    own = path.removesuffix(".py").replace("/", ".")
    for line, name in imported(tree):
        top, at = name.split(".")[0], f"{path}:{line}"
        if name.startswith("."):
            yield f"{at} relative import"
        if top in ONLY and path not in ONLY[top]:
            yield f"{at} {top} belongs to {', '.join(sorted(ONLY[top]))}"
        if (
            top in PACKAGES
            and top != package
            and (package == "core" or top != "core")
            and path != "core/cli.py"
        ):
            yield f"{at} {package} must not know {top}"
        if top == package and "." in name and path != "core/cli.py":
            if layer(name) > layer(own):
                yield f"{at} imports upwards: {name}"
            folder = own.rpartition(".")[0]
            if f"{folder.replace('.', '/')}" in ALGORITHMS and name.startswith(folder + ".") and name != own:
                yield f"{at} an algorithm imports another: {name}"


def place_faults(path: str, tree: ast.Module) -> Iterator[str]:
    """Imports stand at the top."""
    if path == "core/cli.py":
        return
    top = {node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in top:
            yield f"{path}:{node.lineno} import not at the top of the file"


def chance_faults(path: str, tree: ast.Module) -> Iterator[str]:
    """Tensors are drawn in core/noise.py alone, arrays for statistics in core/draws.py, which knows no torch;
    first weights (nn.init) use the caller's seed."""
    if path == "core/noise.py":
        return
    for line, name in imported(tree):
        if name in ("random", "numpy.random", "torch.random"):
            yield f"{path}:{line} chance comes from core/noise.py, not from {name}"
        elif path == "core/draws.py" and name.split(".")[0] == "torch":
            yield f"{path}:{line} it is light: no torch"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            numpys = text.startswith(("np.random.", "numpy.random.")) and path != "core/draws.py"
            drawn = numpys or node.attr in INPLACE_DRAWS
            if (drawn and not text.startswith("nn.init.")) or text in {
                f"torch.{name}" for name in TORCH_DRAWS
            }:
                yield f"{path}:{node.lineno} chance comes from core/noise.py, not from {text}"


def size_faults(path: str, source: str, tree: ast.Module) -> Iterator[str]:
    """Files and functions a person can hold in mind; a docstring costs a function nothing."""
    lines, limit = len(source.splitlines()), ALGORITHMS.get(path.rpartition("/")[0], 300)
    if lines > limit:
        yield f"{path} has {lines} lines, more than {limit}"
    if path.endswith("/__init__.py") and source.strip():
        yield f"{path} must be empty"
    if path.rpartition("/")[2].removesuffix(".py") in JUNK:
        yield f"{path} is a junk drawer: name it after what it holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = ast.get_docstring(node, clean=False) is not None
            spent = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
            if (length := (node.end_lineno or 0) - node.lineno + 1 - spent) > 40:
                yield f"{path}:{node.lineno} {node.name} has {length} lines, more than 40"


def faults(path: str, source: str) -> list[str]:
    """Everything wrong with one file of ours."""
    tree = ast.parse(source)
    found = [*import_faults(path, tree), *place_faults(path, tree), *chance_faults(path, tree)]
    return [*found, *size_faults(path, source, tree)]


@pytest.mark.parametrize("path", SOURCES)
def test_file_keeps_the_law(path: str) -> None:
    assert faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("core/replicas.py", "from rl.loop import run\n", "core must not know rl"),
        ("generative/loop.py", "import rl\n", "generative must not know rl"),
        ("rl/loop.py", "from generative.data import digits\n", "rl must not know generative"),
        ("rl/losses.py", "from rl.replay import Replay\n", "imports upwards: rl.replay"),
        ("rl/agents/ppo.py", "from rl import train\n", "imports upwards: rl.train"),
        ("core/networks/mlp.py", "import core.noise\n", "imports upwards: core.noise"),
        ("generative/files.py", "from generative import loop\n", "imports upwards: generative.loop"),
        ("rl/agents/ppo.py", "from rl.agents.a2c import loss\n", "an algorithm imports another"),
        ("rl/loop.py", "import wandb\n", "wandb belongs to"),
        ("rl/agents/dqn.py", "from gymnasium import spaces\n", "gymnasium belongs to"),
        ("rl/train.py", "import importlib\nray = importlib.import_module('ray')\n", "ray belongs to"),
        ("core/fit.py", "def f():\n    import json\n", "not at the top"),
        ("core/fit.py", "from .noise import Noise\n", "relative import"),
        ("generative/data.py", "import torch\nx = torch.randn(3)\n", "torch.randn"),
        ("generative/data.py", "import numpy as np\nx = np.random.default_rng(0)\n", "np.random.default_rng"),
        ("generative/data.py", "import random\n", "not from random"),
        ("core/draws.py", "import torch\n", "no torch"),
        ("core/draws.py", "import random\n", "not from random"),
        ("core/curves.py", "import numpy as np\nx = np.random.default_rng(0)\n", "np.random.default_rng"),
        ("rl/replay.py", "x.normal_()\n", "x.normal_"),
        ("rl/utils.py", "", "junk drawer"),
        ("rl/agents/__init__.py", "import json\n", "must be empty"),
        ("rl/agents/ppo.py", "\n" * 201, "more than 200"),
        ("core/fit.py", "x = 1\n" * 301, "more than 300"),
        ("core/fit.py", "def f():\n" + "    x = 1\n" * 40, "f has 41 lines"),
    ],
)
def test_each_law_is_seen_to_be_broken(path: str, source: str, fault: str) -> None:
    assert len([line for line in faults(path, source) if fault in line]) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/mirror.py", "import wandb\nfrom core.noise import mix\n"),
        (
            "rl/agents/ppo.py",
            "from core.replicas import Replicas\nfrom rl import losses\nfrom rl.spaces import head\n",
        ),
        ("rl/train.py", "from rl.loop import run\nfrom rl.agents import ppo\n"),
        ("core/draws.py", "import numpy as np\nx = np.random.Generator(np.random.PCG64(1))\n"),
        ("core/cli.py", "import importlib\nmain = importlib.import_module('rl.train')\n"),
        ("core/networks/net.py", "from torch import nn\nnn.init.normal_(x)\n"),
        ("core/fit.py", "def f():\n" + '    """' + "\n" * 60 + '    """\n' + "    x = 1\n" * 39),
        ("rl/agents/ppo.py", "x = 1\n" * 200),
    ],
)
def test_what_is_allowed_passes(path: str, source: str) -> None:
    assert faults(path, source) == []


def test_help_is_light() -> None:
    heavy = "{'torch', 'gymnasium', 'wandb', 'numpy'}"
    code = (
        "import sys, core.cli\n"
        "try: core.cli.main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        f"assert not (seen := {heavy} & set(sys.modules)), seen"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
