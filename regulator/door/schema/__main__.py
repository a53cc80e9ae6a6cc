"""Prints the schema to graphql/observer.graphql, or checks that what lies there is current."""

from __future__ import annotations

import sys

from creditchain.documents import DOCUMENTS
from creditchain.querying.sdl import write_or_check
from regulator.door.schema import print_sdl

if __name__ == "__main__":
    path = DOCUMENTS / "observer.graphql"
    sys.exit(write_or_check(print_sdl(), path, sys.argv[1:], "regulator.door.schema"))
