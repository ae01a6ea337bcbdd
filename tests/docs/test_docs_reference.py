"""Pages that mirror code are what the code says; every error has its page; links lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hostrt.cli.explain import codes, find_pages
from hostrt.cli.main import main
from hostrt.transport.url import schemes
from tests.docs.pages import DOCS, ROOT, pages
from tests.docs.reference import PAGES

if TYPE_CHECKING:
    from pathlib import Path

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_HEADINGS = ("## Usual causes", "## What to do")
TOP = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
ALL_PAGES = sorted({*pages(), *TOP})


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_up_to_date(name: str) -> None:
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: python -m tests.docs.reference"


def test_every_error_code_has_a_page_and_every_page_a_code() -> None:
    written = {page.stem for page in (DOCS / "errors").glob("*.md")}
    assert written == set(codes())


@pytest.mark.parametrize("code", sorted(codes()))
def test_error_page_says_meaning_causes_and_remedy(code: str) -> None:
    text = (DOCS / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}: ")
    assert f"\nExit code {codes()[code].exit_code}.\n" in text
    assert all(heading in text for heading in _HEADINGS)


@pytest.mark.parametrize("topic", ["exit-codes", "5", "boards", "link-lost", "cli.md"])
def test_topics_are_explained(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", topic]) == 0
    assert capsys.readouterr().out.startswith("# ")


@pytest.mark.parametrize("scheme", schemes())
def test_every_kind_of_address_is_on_the_page_of_boards(scheme: str) -> None:
    text = (DOCS / "reference" / "boards.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{re.escape(scheme)}(?=[`:])", text, re.MULTILINE)


def test_names_of_pages_are_unique() -> None:
    names = [page.stem for page in DOCS.rglob("*.md")]
    assert len(names) == len(set(names)) == len(find_pages())


@pytest.mark.parametrize("page", ALL_PAGES, ids=[page.stem for page in ALL_PAGES])
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_page_begins_with_its_title(page: Path) -> None:
    assert page.read_text(encoding="utf-8").startswith("# ")
