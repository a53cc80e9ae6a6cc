"""The page on faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
CITED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_page_names_is_there_and_every_row_names_one():
    cited = set(CITED.findall((ROOT / "docs" / "faults.md").read_text(encoding="utf-8")))
    assert len(cited) > 40
    for path, name in sorted(cited):
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"
    rows = [line for line in (ROOT / "docs" / "faults.md").read_text().splitlines() if "|" in line]
    assert all(CITED.search(row) or "---" in row or "shown by" in row for row in rows)
