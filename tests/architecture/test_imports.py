"""Who may import whom, beyond the contracts in pyproject.toml.

The contracts there say what is forbidden; the table here says what is allowed and forbids the
rest, so that a module written tomorrow is outside until someone lets it in.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import (
    PACKAGES,
    PURE,
    ROOT,
    is_within,
    list_python,
    name_module,
    parse,
    read_project,
)

# Of our own code, these may import themselves and this, and nothing else.
ALLOWED = {
    "creditchain.ed25519": (),
    "creditchain.events": ("creditchain.ed25519",),
    "creditchain.tlog": ("creditchain.ed25519",),
    "regulator.audit": ("creditchain.events", "regulator.finding"),
}

# Calls that read a clock, chance, a file or a person, whatever they were imported from.
IMPURE_CALLS = {
    "breakpoint", "getrandom", "get_random_bytes", "input", "now", "open", "print", "randint",
    "read_bytes", "read_text", "time_ns", "today", "token_bytes", "token_hex", "token_urlsafe",
    "urandom", "utcnow", "uuid1", "uuid4", "uuid6", "uuid7", "write_bytes", "write_text",
}  # fmt: skip


def list_ours() -> list[Path]:
    """The Python files of the two packages."""
    return [path for path in list_python() if path.parts[0] in PACKAGES]


def read_imports(path: Path) -> Iterator[str]:
    """Every dotted name a file imports, wherever in the file it does so."""
    module = name_module(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("guarded", ALLOWED)
def test_a_guarded_package_imports_only_what_it_may(guarded: str):
    allowed = (guarded, *ALLOWED[guarded])
    strays = [
        f"{path} imports {name}"
        for path in list_ours()
        if is_within(name_module(path), (guarded,))
        for name in read_imports(path)
        if is_within(name, PACKAGES) and not is_within(name, allowed)
    ]
    assert strays == []


def test_the_pure_core_asks_no_clock_chance_or_file():
    calls = [
        f"{path}:{node.lineno} calls {name}"
        for path in list_ours()
        if is_within(name_module(path), PURE)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "id", None) or getattr(node.func, "attr", None)]
        if name in IMPURE_CALLS
    ]
    assert calls == []


def test_the_contracts_cover_the_pure_core():
    contracts = read_project()["tool"]["importlinter"]["contracts"]
    [pure] = [contract for contract in contracts if contract["id"] == "pure"]
    assert tuple(pure["source_modules"]) == PURE


def test_every_library_we_import_is_declared():
    project = read_project()["project"]
    # The observer's own libraries are an extra: a hub or a member installs none of them.
    extra = {"regulator": project["optional-dependencies"]["regulator"]}
    sources = importlib.metadata.packages_distributions()
    undeclared = set()
    for package in PACKAGES:
        wanted = [*project["dependencies"], *extra.get(package, [])]
        declared = {
            re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in wanted
        }
        used = {
            name.partition(".")[0]
            for path in list_ours()
            if path.parts[0] == package
            for name in read_imports(path)
        }
        undeclared |= {
            (package, top)
            for top in used
            if top not in {*PACKAGES, *sys.stdlib_module_names}
            and not {d.lower().replace("_", "-") for d in sources.get(top, [])} & declared
        }
    assert undeclared == set()


# A contract that cannot fail guards nothing: each is broken once, in a tree of its own.
LIES = {
    "pure": ("creditchain/events/order.py", "import os"),
    "pure, indirectly": ("creditchain/events/order.py", "import creditchain.config"),
    "hub without regulator": ("creditchain/client/watch.py", "import regulator.verify"),
    "regulator apart": ("regulator/replay.py", "from creditchain.ledger import publisher"),
    "layers": ("creditchain/rulebook/consent.py", "import creditchain.ledger.publisher"),
}
HONEST_TREE = {
    "creditchain/config.py": "import time",
    "creditchain/api/app.py": "import creditchain.ledger.publisher",
    "creditchain/client/watch.py": "",
    "creditchain/events/order.py": "import datetime",
    "creditchain/ledger/publisher.py": "import creditchain.rulebook.consent, sqlalchemy",
    "creditchain/rulebook/consent.py": "import creditchain.events.order",
    "regulator/replay.py": "import creditchain.rulebook.consent",
    "regulator/verify.py": "",
}


def check_contracts(root: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Writes a tree of modules and runs the contracts over it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    for path in root.rglob("*.py"):
        for folder in path.relative_to(root).parents:
            if folder != Path():
                (root / folder / "__init__.py").touch()
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "tools" / "lint_imports.py"), str(root)],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )


def test_an_honest_tree_keeps_the_contracts(tmp_path: Path):
    run = check_contracts(tmp_path, HONEST_TREE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


@pytest.mark.parametrize("lie", LIES)
def test_a_broken_contract_is_seen(lie: str, tmp_path: Path):
    name, text = LIES[lie]
    run = check_contracts(tmp_path, {**HONEST_TREE, name: text})
    assert run.returncode == 1, run.stdout + run.stderr
    assert " BROKEN" in run.stdout
