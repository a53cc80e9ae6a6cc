"""docs/analytics.md tells of every view what its SQL file says."""

from __future__ import annotations

from pathlib import Path

from regulator.analytics.views import views


def test_the_page_lists_every_view_as_it_is_explained() -> None:
    page = Path("docs/analytics.md").read_text(encoding="utf-8")
    told = [line for line in page.splitlines() if line.startswith("| `") and "| `--" not in line]
    listed = [line for line in told if line.partition("` | ")[0][3:] in {v.name for v in views()}]
    assert listed == [f"| `{view.name}` | {view.says} |" for view in views()]
