"""How much one query may ask of the observer. Every bound has its reason here."""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 65_536
"""A request: the longest document and its variables, escaped; nobody sends events here."""

QUERIES_AT_ONCE: Final = 4
"""Threads that run queries. Following has threads of its own, so none of these can hold it up."""

QUERIES_WAITING_MAX: Final = 64
"""Queries that may wait for such a thread; waiting costs little, and a client may ask in swarms."""

QUERY_SECONDS: Final = 10.0
"""A query that reads the copy longer is stopped: it keeps one of few threads."""

ROWS_LOOKED_AT: Final = 100_000
"""Rows that one page looks through for those it wants; they are read in a quarter of a second. A
page that found too few says where to go on."""

FINDINGS_LOOKED_AT: Final = 10_000
"""Findings that one page looks through for those in a state."""

IDS_AT_ONCE: Final = 500
"""Ids in one statement; more are asked for in several."""

ENTRIES_CITED_MAX: Final = 256
"""Entries shown of one finding; an event may cite as many."""

KEYS_MAX: Final = 100
"""Keys shown of one owner; nobody rotates that often."""

STATISTICS_SECONDS: Final = 90.0
"""Counting a million orders takes half a minute; the first time, the copy is exported before."""

STATISTICS_FRESH_SECONDS: Final = 60.0
"""So old figures are given again, though the log has grown since; of a long log, older ones."""

STATISTICS_REST: Final = 10
"""For so many times as long as a count took, none begins: counting takes a tenth of a core."""

STATISTICS_BYTES_MAX: Final = 8_388_608
"""What the counting process may say: a few hundred thousand figures."""

MONTHS_MAX: Final = 120
"""Months that are counted: the ten years for which records are kept."""
