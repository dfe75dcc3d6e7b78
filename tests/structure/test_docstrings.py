"""Everything public says what it is, what it takes and what it gives; every function is annotated."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest


def own_methods(cls: type) -> Iterator[str]:
    """Public methods and properties that the class itself defines."""
    for name, member in vars(cls).items():
        if not name.startswith("_") and isinstance(member, (property, staticmethod, classmethod, FunctionType)):
            yield name


def parameters(callable_: Callable[..., object]) -> list[str]:
    """Names of what a caller hands over."""
    return [name for name in inspect.signature(callable_).parameters if name != "self"]


def undocumented(dotted: str, member: object) -> Iterator[str]:
    """What a public class or function leaves unsaid, one sentence each."""
    doc = inspect.getdoc(member) or ""
    is_class = inspect.isclass(member)
    if not (member.__doc__ or "").strip():
        yield f"{dotted} has no docstring"
    made_by = vars(member).get("__init__") if is_class else member
    is_own = getattr(made_by, "__module__", None) == member.__module__  # a protocol's __init__ is typing's
    if is_own and parameters(made_by) and not {"Args:", "Attributes:"} & set(doc.split()):
        yield f"{dotted} takes {parameters(made_by)} and its docstring has no 'Args:'"
    if is_class:
        for name in own_methods(member):
            if not inspect.getdoc(getattr(member, name)):
                yield f"{dotted}.{name} has no docstring"


def unannotated(path: Path) -> Iterator[str]:
    """Functions of a file, private and nested ones too, that leave an argument or the result without a type."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        spec = node.args
        given = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, [spec.vararg, spec.kwarg])]
        bare = [arg.arg for arg in given if arg.annotation is None and arg.arg not in ("self", "cls")]
        if bare or node.returns is None:
            yield f"{path.name}:{node.lineno} {node.name}: {', '.join(bare) or 'the result'} without a type"


def test_every_module_begins_with_what_it_is(package_modules: list[ModuleType]) -> None:
    silent = [module.__name__ for module in package_modules if not (module.__doc__ or "").strip()]
    assert not silent


def test_everything_public_is_documented(package_modules: list[ModuleType]) -> None:
    exported = {
        f"{member.__module__}.{name}": member
        for module in package_modules
        for name in getattr(module, "__all__", ())
        if inspect.isclass(member := getattr(module, name)) or inspect.isfunction(member)
    }
    assert exported
    found = [line for dotted, member in exported.items() for line in undocumented(dotted, member)]
    assert not found, "\n".join(found)


def test_every_function_is_annotated(package_root: Path) -> None:
    found = [line for path in sorted(package_root.rglob("*.py")) for line in unannotated(path)]
    assert not found, "\n".join(found)


class _Silent:
    def __init__(self, width: int) -> None:
        self.width = width

    def grow(self, by: int) -> None:
        """Widen."""

    def shrink(self) -> None:
        self.width -= 1


class _Spoken:
    """A thing.

    Args:
        width: in pixels.
    """

    def __init__(self, width: int) -> None:
        self.width = width

    @property
    def area(self) -> int:
        """Square pixels."""
        return self.width**2


def test_silence_is_noticed() -> None:
    assert len(list(undocumented("x", _Silent))) == 3
    assert list(undocumented("x", _Spoken)) == []


@pytest.mark.parametrize(
    "text", ["def f(a) -> int: ...", "def f(a: int): ...", "class A:\n    def f(self, *b) -> int: ..."]
)
def test_a_missing_type_is_noticed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.py"
    path.write_text(text)
    assert len(list(unannotated(path))) == 1
