"""What the documents say is there, and names everything that has a name."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from creditchain.events import EVENTS
from creditchain.rulebook.refusal import Refusal
from regulator.finding import FindingCode
from tests.architecture.tree import ROOT, list_files

PAGES = [path for path in list_files() if path.suffix == ".md"]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|\[[^\]]+\]:\s+(\S+)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def read_prose(path: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", read(path)))


def list_anchors(path: Path) -> set[str]:
    """The names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+\s+(.+?)\s*#*$", FENCE.sub("", read(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path):
    targets = [next(filter(None, groups)) for groups in LINK.findall(read_prose(page))]
    dead = []
    for target in targets:
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", name):
            continue
        found = (ROOT / page).parent / name if name else ROOT / page
        there = found.exists() and found.resolve().is_relative_to(ROOT)
        if not there or (anchor and found.suffix == ".md" and anchor not in list_anchors(found)):
            dead.append(target)
    assert dead == []


def test_the_printed_tables_are_what_the_code_says():
    run = subprocess.run(
        [sys.executable, "tools/doc_tables.py", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{run.stderr}run: python tools/doc_tables.py"


def test_every_event_type_is_documented():
    page = read(Path("docs/events.md"))
    assert [name for name in EVENTS if f"| `{name}` |" not in page] == []


def test_every_refusal_code_is_documented_in_order_of_precedence():
    listed = re.findall(r"^\| \d+ \| `(\w+)` \|", read(Path("docs/refusals.md")), re.MULTILINE)
    assert listed == [code.value for code in Refusal]


def test_every_decision_is_numbered_dated_and_weighed():
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))
    parts = ("## Context", "## Options", "## Decision", "## Consequences")
    for path in ADRS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert re.search(r"^(Accepted|Superseded by \d{4}), \d{4}-\d\d-\d\d\b", text, re.MULTILINE)
        assert [part for part in parts if part not in text] == [], path.name
        assert "\nBad: " in text, f"{path.name} names no bad consequence"


def test_every_decision_is_in_the_list():
    page = read(Path("docs/adr/README.md")) if (ROOT / "docs/adr/README.md").exists() else ""
    assert [path.name for path in ADRS if path.name not in page] == []


def test_pictures_are_well_formed_and_described():
    pictures = [path for path in list_files() if path.suffix == ".svg"]
    assert pictures
    for path in pictures:
        root = ET.parse(ROOT / path).getroot()
        names = {child.tag.rpartition("}")[2] for child in root}
        assert {"title", "desc"} <= names, f"{path} says nothing to those who cannot see it"


def test_every_finding_code_is_documented():
    page = read(Path("docs/observer.md"))
    assert [code for code in FindingCode if f"`{code}`" not in page] == []


def test_every_test_that_a_page_names_is_there():
    """The tables of faults point at tests by file and name."""
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", read(Path("docs/faults.md")))
    assert named
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"def {name}\(", (ROOT / "tests" / path).read_text(encoding="utf-8"))
    ]
    assert missing == []
