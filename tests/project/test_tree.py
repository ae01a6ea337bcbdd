"""What holds for the whole tree: sizes, names that must not appear, docstrings, a light import."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SKIPPED = {".venv", "build", "dist", "model_datas", "hostrt-runs", "node_modules"}
SOURCES = ("hostrt", "firmware_protocol")
MAX_FILE_BYTES = 1 << 20
MAX_DATA_BYTES = 12 << 20
MAX_LINES = 400

# put together here, so that this file does not hold what it looks for
_SLASH = "/"
FORBIDDEN = {
    "a path of somebody's machine": re.compile(
        rf"(?<![\w.])({_SLASH}home{_SLASH}\w|{_SLASH}root\b|{_SLASH}Users{_SLASH}\w|"
        rf"{_SLASH}work{_SLASH}|{_SLASH}opt{_SLASH}dev)"
    ),
    "the host of a package registry": re.compile("pypi" + r"\.org|files\.python" + "hosted"),
}


def _files() -> list[Path]:
    """List what is part of the project: what git knows, or without git everything not skipped."""
    if shutil.which("git") and (ROOT / ".git").exists():
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=30,
        )
        if done.returncode == 0:
            names = done.stdout.decode().split("\0")
            return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in found if _is_ours(path.relative_to(ROOT))]


def _is_ours(path: Path) -> bool:
    hidden = any(part.startswith(".") and part != ".ci" for part in path.parts[:-1])
    skipped = {"__pycache__", *SKIPPED} & set(path.parts)
    return not hidden and not skipped


FILES = _files()
MODULES = [
    path for path in FILES if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in SOURCES
]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_list_of_files_is_not_empty() -> None:
    names = {_name(path) for path in FILES}
    assert {"pyproject.toml", "README.md", "hostrt/__init__.py", ".ci/run"} <= names
    assert len(MODULES) > 50


def test_no_file_and_not_all_data_together_is_large() -> None:
    assert {
        _name(path): path.stat().st_size for path in FILES if path.stat().st_size > MAX_FILE_BYTES
    } == {}
    data = [path for path in FILES if path.is_relative_to(ROOT / "tests" / "data")]
    assert sum(path.stat().st_size for path in data) < MAX_DATA_BYTES


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_names(what: str) -> None:
    found = []
    for path in FILES:
        data = path.read_bytes()
        if b"\0" not in data[:4096]:
            text = data.decode("utf-8", errors="replace")
            found += [f"{_name(path)}: {hit[0]}" for hit in FORBIDDEN[what].finditer(text)]
    assert found == []


def test_modules_are_short() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_everything_public_has_a_docstring() -> None:
    missing = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if ast.get_docstring(tree) is None:
            missing.append(_name(path))
        missing += [f"{_name(path)}:{node.lineno} {node.name}" for node in _public(tree)]
    assert missing == []


def _public(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """List public classes, functions and methods without a docstring."""
    found: list[ast.FunctionDef | ast.ClassDef] = []
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) and node.name[0] != "_" else []
        found += [
            one
            for one in (node, *inner)
            if isinstance(one, ast.FunctionDef | ast.ClassDef)
            and not one.name.startswith("_")
            and ast.get_docstring(one) is None
            and not _is_overload(one)
        ]
    return found


def _is_overload(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return any(
        "overload" in ast.dump(one) or "setter" in ast.dump(one) for one in node.decorator_list
    )


def test_only_the_command_line_prints() -> None:
    printing = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                printing.add(path.relative_to(ROOT).parts[:2])
    assert printing == {("hostrt", "cli")}


def test_public_names_can_be_imported_and_are_few() -> None:
    import hostrt

    assert {"Program", "Runner", "compare", "open_board"} <= set(hostrt.__all__)
    for name in hostrt.__all__:
        assert getattr(hostrt, name) is not None
        assert name in dir(hostrt)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = hostrt.Nothing


def test_import_is_light() -> None:
    code = "import sys, hostrt; print('numpy' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
