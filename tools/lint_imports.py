"""Runs the import contracts of pyproject.toml over the modules that exist.

import-linter stops at a contract naming a module that is not written yet. This drops such names,
says so, and hands the rest to import-linter unchanged; once every module exists it is exactly
`lint-imports`. Run it from the repository root, or name another root as the only argument.
"""

import os
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from importlinter.cli import lint_imports

CONTRACTS = Path(__file__).resolve().parent.parent / "pyproject.toml"
NAMES_OF_OURS = ("source_modules", "forbidden_modules", "layers")


def is_present(module: str, root: Path, packages: Iterable[str]) -> bool:
    """Whether a module of ours is on disk; modules of other people always count as present."""
    if module.partition(".")[0] not in packages:
        return True
    path = root.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def prune(settings: dict[str, Any], root: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings without the modules that are absent, and the names of those."""
    packages = settings["root_packages"]
    absent: set[str] = set()

    def keep(names: list[str]) -> list[str]:
        kept = [name for name in names if is_present(name, root, packages)]
        absent.update(set(names) - set(kept))
        return kept

    contracts = []
    for contract in settings["contracts"]:
        pruned = {key: keep(v) if key in NAMES_OF_OURS else v for key, v in contract.items()}
        if all(pruned.get(key, True) for key in NAMES_OF_OURS):
            contracts.append(pruned)
    kept = {**settings, "root_packages": keep(packages), "contracts": contracts}
    return kept, sorted(absent)


def format_ini(settings: dict[str, Any]) -> str:
    """The settings as an import-linter file of its own."""

    def lines(values: dict[str, Any]) -> str:
        return "".join(
            f"{key} = " + ("\n    " + "\n    ".join(v) if isinstance(v, list) else str(v)) + "\n"
            for key, v in values.items()
            if key not in {"contracts", "id"}
        )

    sections = [f"[importlinter:contract:{c['id']}]\n{lines(c)}" for c in settings["contracts"]]
    return "\n".join([f"[importlinter]\n{lines(settings)}", *sections])


def main(root: Path) -> int:
    """Checks the contracts under `root`; 0 only if all are kept."""
    settings = tomllib.loads(CONTRACTS.read_text())["tool"]["importlinter"]
    kept, absent = prune(settings, root)
    for name in absent:
        print(f"import contracts: {name} is not there yet", file=sys.stderr)
    if not kept["root_packages"]:
        return 0
    os.chdir(root)
    sys.path.insert(0, str(root))
    cache = root / ".import_linter_cache"
    cache.mkdir(exist_ok=True)
    config = cache / "contracts.ini"
    config.write_text(format_ini(kept))
    return lint_imports(config_filename=str(config), cache_dir=str(cache), no_logo=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
