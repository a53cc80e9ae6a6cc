"""How much one document may ask, at any door. Every bound has its reason here."""

from __future__ import annotations

from typing import Final

TOKENS_MAX: Final = 2_000
"""Tokens of a document; our largest has under 300."""

SOURCE_CHARS_MAX: Final = 32_768
"""Characters of a document: 2,000 tokens of ordinary length with comments."""

DEPTH_MAX: Final = 20
"""Nested fields; our deepest operation has 6, the standard introspection query 15."""

COST_MAX: Final = 10_000
"""Cost of a document: a page of 100 orders with every field has about 7,000."""

PAGE_MAX: Final = 100
"""Most items of one page; a page of orders with their members stays under 100 KB."""

PAGE_DEFAULT: Final = 25
"""Items of a page when `first` is left out."""

DOCUMENTS_REMEMBERED: Final = 1_024
"""Parsed documents kept; institutions use a few dozen."""

DOCUMENT_CHARS_REMEMBERED: Final = 2_000_000
"""All their characters; an AST takes some 50 times its source in memory."""
