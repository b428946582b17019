"""The architecture, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "voicematch"

# A module imports from its own layer or from one before it. The face of the package, __init__, may name them all.
LAYERS = (
    ("errors", "types"),
    ("formats", "net"),
    ("audio",),
    ("transcript", "voices"),
    ("models",),
    ("engines", "library"),
    ("evaluate", "outputs"),
    ("usecases",),
    ("batch",),
    ("web",),
    ("cli",),
    ("__main__",),
)
LAYER_BY_MODULE = {module: layer for layer, modules in enumerate(LAYERS) for module in modules}
RUNTIMES = {"onnxruntime", "av", "sqlalchemy", "numpy", "scipy", "rich", "torch"}  # too slow to load for --help


def imports(path: Path) -> set[str]:
    """The voicematch modules that a file imports, at any depth, lazily or not."""
    package = ("voicematch", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            if module[:1] == ("voicematch",):
                names = [module[1]] if len(module) > 1 else [alias.name for alias in node.names]
                found.update(names)
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("voicematch."))
    return found - {"__version__"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_a_layer() -> None:
    assert {module_of(path) for path in modules()} == set(LAYER_BY_MODULE)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = LAYER_BY_MODULE[module_of(path)]
    upward = {name for name in imports(path) if LAYER_BY_MODULE[name] > own}
    assert not upward


def test_the_reader_of_imports_sees_all_kinds(tmp_path: Path) -> None:
    """Guards the two tests above against finding nothing."""
    assert imports(PACKAGE / "web" / "actions.py") >= {"errors", "library"}
    assert "engines" in imports(PACKAGE / "cli" / "options.py")
