"""What files are called, and what must not be written in them."""

import ast
import importlib.metadata
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.architecture.tree import (
    PACKAGES,
    ROOT,
    list_files,
    list_python,
    name_module,
    parse,
)

# Names that say nothing about what is inside.
EMPTY_NAMES = {"base", "common", "core", "helper", "helpers", "manager", "service", "util", "utils"}

# Written so that this file does not find itself.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|root)/")


def test_no_file_has_an_empty_name():
    named = [
        path
        for path in list_python()
        if EMPTY_NAMES & {part.lower() for part in path.with_suffix("").parts}
    ]
    assert named == []


def test_every_module_says_what_it_is():
    silent = [path for path in list_python() if not ast.get_docstring(parse(path))]
    assert silent == []


def test_every_folder_of_a_package_is_a_package():
    folders = {path.parent for path in list_python() if path.parts[0] in PACKAGES}
    with_parents = {f for folder in folders for f in (folder, *folder.parents) if f != Path()}
    missing = [f for f in sorted(with_parents) if not (ROOT / f / "__init__.py").is_file()]
    assert missing == []


def test_nothing_at_the_root_shadows_a_dependency():
    modules = {path.stem for path in ROOT.glob("*.py")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    taken = set(importlib.metadata.packages_distributions()) | set(sys.stdlib_module_names)
    assert (modules | packages - set(PACKAGES)) & taken == set()


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; none if it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def test_no_file_names_a_package_registry():
    mirrors = (os.environ.get(name, "") for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"))
    hosts = {*REGISTRY_HOSTS, *(host for url in mirrors if (host := urlsplit(url).hostname))}
    found = [
        f"{path}:{number}"
        for path in list_files()
        for number, line in enumerate(read_lines(path), 1)
        if any(host in line for host in hosts)
    ]
    assert found == []


def test_no_file_names_a_path_of_one_machine():
    root = str(ROOT)
    found = [
        f"{path}:{number}"
        for path in list_files()
        for number, line in enumerate(read_lines(path), 1)
        if MACHINE_PATH.search(line) or (len(ROOT.parts) > 2 and root in line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["cd {}/main", '"{}/.cache"', "={}/x", "{}/"])
def test_machine_paths_are_recognised(line: str):
    for folder in ("work", "root"):
        assert MACHINE_PATH.search(line.format(f"/{folder}"))


@pytest.mark.parametrize("line", ["tree{}/x", "https://hub.example{}/", "../..{}/", "{}"])
def test_ordinary_paths_are_not_machine_paths(line: str):
    for folder in ("work", "root"):
        assert not MACHINE_PATH.search(line.format(f"/{folder}"))


def test_module_names_follow_the_folders():
    assert name_module(Path("creditchain/tlog/__init__.py")) == "creditchain.tlog"
    assert name_module(Path("creditchain/seal.py")) == "creditchain.seal"
