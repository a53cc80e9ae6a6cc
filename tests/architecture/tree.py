"""The repository as files: what the architecture tests look at."""

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("creditchain", "regulator")

# The modules that must give the same answer on every machine, today and in ten years.
PURE = (
    "creditchain.ed25519",
    "creditchain.fingerprint",
    "creditchain.events",
    "creditchain.seal",
    "creditchain.rulebook",
    "creditchain.tlog",
    "regulator.verify",
    "regulator.replay",
    "regulator.submit",
    "regulator.audit",
    "regulator.report.value",
    "regulator.report.header",
    "regulator.report.model",
    "regulator.report.data",
    "regulator.report.chart",
    "regulator.report.columns",
)


@cache
def list_files() -> tuple[Path, ...]:
    """Every file that is tracked or about to be, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(Path(p) for p in set(listed.split("\0")) if p and (ROOT / p).is_file()))


@cache
def list_python() -> tuple[Path, ...]:
    """Every Python file, relative to the root."""
    return tuple(path for path in list_files() if path.suffix == ".py")


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a Python file named relative to the root."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def name_module(path: Path) -> str:
    """The dotted name of a Python file: creditchain/tlog/__init__.py is creditchain.tlog."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of these packages or lies inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def read_project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
