"""Prints the schema to graphql/schema.graphql, or checks that what lies there is current."""

from __future__ import annotations

import sys

from creditchain.api.schema import print_sdl
from creditchain.documents import DOCUMENTS
from creditchain.querying.sdl import write_or_check

if __name__ == "__main__":
    path = DOCUMENTS / "schema.graphql"
    sys.exit(write_or_check(print_sdl(), path, sys.argv[1:], "creditchain.api.schema"))
