"""Who may import whom: downwards only, no circle anywhere, wherever in a file the import stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "monai_memvit"

# room -> the rooms it may import from, besides itself. A new room gets its line here, and in CONTRIBUTING.md.
_NETWORKS = {"networks/layers", "networks/blocks", "networks/nets", "networks"}
_BELOW_ENGINES = {"memory", "data", "transforms", "metrics", "losses"}
_BELOW_TOP = {*_NETWORKS, *_BELOW_ENGINES, "handlers", "inferers", "engines"}
MAY_IMPORT: dict[str, set[str]] = {
    "networks/layers": set(),
    "memory": {"networks/layers"},
    "networks/blocks": {"networks/layers", "memory"},
    "networks/nets": {"networks/layers", "networks/blocks", "memory"},
    "networks": {"networks/layers", "networks/blocks", "networks/nets", "memory"},
    "losses": set(),
    "metrics": set(),
    "transforms": set(),
    "data": {"transforms"},
    "handlers": _BELOW_ENGINES,
    "inferers": _BELOW_ENGINES,
    "engines": {*_BELOW_ENGINES, "handlers", "inferers"},
    "clinical": _BELOW_TOP,
    "label": _BELOW_TOP,
    "benchmarks": _BELOW_TOP,
    "case_memories": _BELOW_TOP,
    "commands": {*_BELOW_TOP, "case_memories"},
    "__main__": {*_BELOW_TOP, "clinical", "label", "benchmarks", "case_memories", "commands"},
}
VERSION = f"{PACKAGE}.__version__"


def room_of(module: str) -> str:
    """The room a dotted module stands in: the longest that fits; "" for the package itself, which only lists names."""
    path = module.removeprefix(PACKAGE).lstrip(".").replace(".", "/")
    fitting = [room for room in MAY_IMPORT if path == room or path.startswith(room + "/")]
    return max(fitting, key=len, default=path.partition("/")[0])


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a file below the package's folder."""
    parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named_imports(path: Path, module: str) -> Iterator[str]:
    """Dotted names that a file takes from its own package: at its top, in a function, for types only, by string."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "optional_import")):
            names = [str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        else:
            continue
        yield from (name for name in names if name == PACKAGE or name.startswith(PACKAGE + "."))


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    modules = {module_name(path, root): path for path in sorted(root.rglob("*.py"))}

    def home(name: str) -> str:
        while name not in modules and "." in name:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {home(name) for name in named_imports(path, module) if name != VERSION}
        for module, path in modules.items()
    }


def wrong_arrows(graph: dict[str, set[str]]) -> list[str]:
    """What the graph has and the house forbids, one sentence each."""
    wrong = []
    for module, targets in graph.items():
        room = room_of(module)
        if not room:
            continue  # the package itself lists public names of every room, and loads them on first use
        if room not in MAY_IMPORT:
            wrong.append(f"{module} stands in no known room: give {room!r} a line in MAY_IMPORT")
            continue
        for target in sorted(targets):
            other = room_of(target)
            if other != room and other not in MAY_IMPORT[room]:
                wrong.append(f"{module} imports {target}: {room} must not import {other or 'the package itself'}")
    return wrong


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def build_tree(root: Path, files: dict[str, str]) -> Path:
    """A package of a few one-line modules."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_package_keeps_the_arrows(package_root: Path) -> None:
    graph = import_graph(package_root)
    assert any(graph.values()), "no import was seen: the test would hold nothing"
    assert not wrong_arrows(graph), "\n".join(wrong_arrows(graph))


def test_the_package_has_no_circle(package_root: Path) -> None:
    assert not circle(import_graph(package_root))


def test_the_rooms_themselves_have_no_circle() -> None:
    assert not circle(MAY_IMPORT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("networks/layers/a.py", "from ..blocks import b"),
        ("networks/blocks/a.py", "from ..nets.n import N"),
        ("networks/nets/a.py", "from ..convert import memorize"),
        ("memory/a.py", "from ..networks.blocks import B"),
        ("memory/a.py", "from monai_memvit.data import D"),
        ("data/a.py", "import monai_memvit.networks.nets"),
        ("data/a.py", "def f():\n    from ..networks.nets import N"),
        ("data/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..memory import M"),
        ("data/simulate/a.py", "from ...networks.layers import x"),
        ("data/a.py", "import importlib\nimportlib.import_module('monai_memvit.networks.nets')"),
        ("transforms/mri/a.py", "from ...data import D"),
        ("handlers/a.py", "from ..networks.nets import N"),
        ("engines/a.py", "from ..networks.blocks.b import B"),
        ("metrics/a.py", "from ..memory import M"),
        ("clinical/a.py", "from ..benchmarks import b"),
        ("handlers/a.py", "from ..clinical import c"),
        ("data/a.py", "from ..__main__ import main"),
        ("memory/a.py", "from .. import MemoryBank"),
        ("attic/a.py", "x = 1"),
    ],
)
def test_a_forbidden_import_is_noticed(tmp_path: Path, name: str, text: str) -> None:
    others = ("networks/nets", "networks/blocks", "networks/layers", "memory", "data", "clinical", "benchmarks")
    root = build_tree(tmp_path, {f"{other}/__init__.py": "" for other in others} | {"__main__.py": "", name: text})
    assert len(wrong_arrows(import_graph(root))) == 1


@pytest.mark.parametrize(
    "files",
    [
        {"memory/a.py": "from .b import B", "memory/b.py": "from .a import A"},
        {"memory/a.py": "from .b import B", "memory/b.py": "def f():\n    from .a import A"},
        {"memory/__init__.py": "from .a import A", "memory/a.py": "from . import A"},
        {"memory/a.py": "from .b import B", "memory/b.py": "from .c import C", "memory/c.py": "from .a import A"},
    ],
)
def test_a_circle_is_noticed(tmp_path: Path, files: dict[str, str]) -> None:
    assert circle(import_graph(build_tree(tmp_path, files)))


def test_what_the_house_allows_passes(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from .networks.nets import N",
        "__main__.py": "from .benchmarks import b",
        "networks/layers/__init__.py": "from .heads import split",
        "networks/layers/heads.py": "import torch",
        "memory/__init__.py": "from ..networks.layers import split",
        "networks/blocks/__init__.py": "from ...memory import M\nfrom ..layers.heads import split",
        "networks/nets/__init__.py": "from ..blocks import B",
        "networks/convert.py": "from .nets import N",
        "handlers/__init__.py": "from .. import __version__\nfrom ..memory import M\nfrom ..data import D",
        "data/__init__.py": "",
        "benchmarks/__init__.py": "from ..networks.convert import memorize\nfrom ..handlers import H",
    }
    graph = import_graph(build_tree(tmp_path, files))
    assert not wrong_arrows(graph)
    assert not circle(graph)
    assert graph["monai_memvit.networks.blocks"] == {"monai_memvit.memory", "monai_memvit.networks.layers.heads"}
