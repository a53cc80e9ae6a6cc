"""Prints the schema to graphql/schema.graphql, or checks that what lies there is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from creditchain.api.schema import print_sdl

PATH: Final = Path(__file__).resolve().parents[2] / "documents" / "schema.graphql"


def main(arguments: list[str]) -> int:
    """Exit status: 0, or 1 if `--check` finds another schema, or 2 for wrong arguments."""
    if arguments not in ([], ["--write"], ["--check"]):
        sys.stderr.write("usage: python -m creditchain.api.schema [--check|--write]\n")
        return 2
    sdl = print_sdl()
    if arguments != ["--check"]:
        PATH.write_text(sdl, encoding="utf-8")
        return 0
    if PATH.is_file() and PATH.read_text(encoding="utf-8") == sdl:
        return 0
    sys.stderr.write("graphql/schema.graphql is not current: run make schema\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
