"""The architecture, read from the code: rooms in layers, imports that point down without a circle, one class a name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "voicematch"

# A room imports from rooms in the layers before its own, and from nothing else. The face of the package, __init__,
# may name them all.
LAYERS = (
    ("given",),
    ("types", "errors"),
    ("formats", "net"),
    ("audio",),
    ("voices", "transcript"),
    ("models",),
    ("engines", "library"),
    ("outputs", "evaluate"),
    ("usecases",),
    ("batch",),
    ("web", "assistant"),
    ("cli",),
    ("__main__",),
)
LAYER_BY_ROOM = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}


def module_of(path: Path) -> str:
    parts = ("voicematch", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str) -> set[str]:
    """The voicematch modules that one imports, at any depth, lazily or not, or only for its types."""
    path = MODULES[module]
    package = ("voicematch", *path.relative_to(PACKAGE).parent.parts)
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*base, *(node.module or "").split("."))) if node.module else ".".join(base)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                named.add(submodule if submodule in MODULES else source)
        elif isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
    return {name for name in named if name in MODULES and name != "voicematch"} - {module}


def room_of(module: str) -> str:
    return module.split(".")[1]


def within(modules: set[str]) -> set[str]:
    """Those of the modules that import each other in a circle, directly or by way of others."""
    left = {module: imports(module) & modules for module in modules}
    while free := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in free}
    return set(left)


def test_every_room_has_a_layer_and_a_layer_at_most_two() -> None:
    assert {room_of(module) for module in MODULES if module != "voicematch"} == set(LAYER_BY_ROOM)
    assert max(map(len, LAYERS)) <= 2


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"voicematch"}))
def test_imports_point_down(module: str) -> None:
    own = room_of(module)
    others = {room_of(name) for name in imports(module)} - {own}
    assert not {room for room in others if LAYER_BY_ROOM[room] >= LAYER_BY_ROOM[own]}


@pytest.mark.parametrize("room", sorted(LAYER_BY_ROOM))
def test_no_circle_within_a_room(room: str) -> None:
    assert not within({module for module in MODULES if module != "voicematch" and room_of(module) == room})


def test_no_two_classes_have_one_name() -> None:
    trees = (ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES.values())
    named = Counter(node.name for tree in trees for node in tree if isinstance(node, ast.ClassDef))
    assert "Library" in named
    assert [name for name, num in named.items() if num > 1] == []


def test_the_reader_of_imports_sees_all_kinds() -> None:
    """Guards the tests above against finding nothing."""
    rooms = {room_of(name) for name in imports("voicematch.usecases.identify")}
    assert rooms >= {"audio", "library", "transcript", "types"}
    assert "voicematch.usecases.enroll" in imports("voicematch.cli.enroll")  # inside a function
    assert "voicematch.usecases.chosen" in imports("voicematch.cli.enroll")  # for its types
