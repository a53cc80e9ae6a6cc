"""What each report says: one function for each code, from the observer's copy to a `Report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from regulator.report.asking import Contents
from regulator.report.model import ReportCode

REPORTS: Final[Mapping[ReportCode, Contents]] = {}
"""Every report that can be made, by its code."""
