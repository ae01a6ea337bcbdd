"""What firmware people can rely on: what the C library needs, and that its README is true."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.c.driver import SOURCES, STRICT

if TYPE_CHECKING:
    from pathlib import Path

HEADERS = {"stddef.h", "stdint.h", "string.h"}
FUNCTIONS = {"memcpy", "memmove", "memset"}


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_needs_three_headers_and_no_floating_point() -> None:
    for path in SOURCES.glob("*.[ch]"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"#include <(.*)>", text)) <= HEADERS, path.name
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(r"\b(float|double|malloc|calloc|alloca|__attribute__)\b", code)


def test_it_calls_nothing_but_moves_of_memory(compiler: str, tmp_path: Path) -> None:
    target = str(tmp_path / "whole.o")
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    run([compiler, "-O1", "-r", "-nostdlib", *sources, "-o", target])
    symbols = run([shutil.which("nm") or "nm", "-u", target])
    wanted = set(re.findall(r"U (\w+)", symbols))
    # what compilers themselves put in
    assert {name for name in wanted if not name.startswith("_")} <= FUNCTIONS, wanted


def test_the_program_of_the_readme_prints_what_it_says(compiler: str, tmp_path: Path) -> None:
    text = (SOURCES / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```c\n(.*?)```", text, re.DOTALL)
    (expected,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    source, target = tmp_path / "main.c", tmp_path / "main"
    source.write_text(code, encoding="utf-8")
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]

    said = run([compiler, *STRICT, f"-I{SOURCES}", str(source), *sources, "-o", str(target)])

    assert not said
    assert run([str(target)]) == expected


def test_a_chip_of_one_core_is_smaller(compiler: str, tmp_path: Path) -> None:
    source = tmp_path / "sizes.c"
    source.write_text(
        '#include "open_isa.h"\n'
        "typedef char small_enough[sizeof(oisa_t) < 2500 ? 1 : -1];\n"
        "int main(void) { return (int)sizeof(small_enough) - 1; }\n",
        encoding="utf-8",
    )
    flags = ["-std=c99", "-DOISA_MAX_CORES=1", f"-I{SOURCES}", "-fsyntax-only"]
    run([compiler, *flags, str(source)])


def test_every_file_of_the_library_is_in_the_readme() -> None:
    text = (SOURCES / "README.md").read_text(encoding="utf-8")
    for path in SOURCES.glob("*.[ch]"):
        assert f"`{path.name}`" in text
