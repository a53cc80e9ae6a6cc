"""The folder graphql/ lies beside graphql-core and must never be taken for it."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import graphql
import pytest

from tests.architecture.tree import PACKAGES, ROOT, list_files, read_project

DOCUMENTS = ROOT / "graphql"


def test_graphql_is_graphql_core():
    assert graphql.version == importlib.metadata.version("graphql-core")
    assert ROOT / "graphql" not in Path(graphql.__file__).parents


def test_graphql_is_graphql_core_with_the_root_first_on_the_path():
    shown = subprocess.run(
        [sys.executable, "-c", "import graphql; print(graphql.version)"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert shown.strip() == importlib.metadata.version("graphql-core")


def test_graphql_folder_holds_no_python():
    assert [p for p in DOCUMENTS.rglob("*") if p.suffix in {".py", ".pyi", ".pyc", ".so"}] == []
    assert not (ROOT / "graphql.py").exists()


def test_documents_are_found_through_the_package():
    link = ROOT / "creditchain" / "documents"
    assert link.is_symlink()
    assert link.resolve() == DOCUMENTS


def test_wheel_holds_both_packages_and_the_documents_and_no_graphql(built_wheel: set[str]):
    assert {name for name in built_wheel if name.startswith("graphql")} == set()
    tops = {name.partition("/")[0] for name in built_wheel}
    info = {top for top in tops if top.endswith(".dist-info")}
    present = {package for package in PACKAGES if (ROOT / package / "__init__.py").exists()}
    assert present <= tops - info <= set(PACKAGES)
    documents = {
        Path("creditchain/documents", path.relative_to("graphql")).as_posix()
        for path in list_files()
        if path.parts[0] == "graphql" and path.suffix == ".graphql"
    }
    assert documents <= built_wheel


def test_wheel_holds_every_file_of_the_packages(built_wheel: set[str]):
    ours = {path.as_posix() for path in list_files() if path.parts[0] in PACKAGES}
    assert ours - built_wheel == set()


def test_wheel_names_its_packages():
    wheel = read_project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == list(PACKAGES)


@pytest.fixture(scope="module")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names inside a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return set(archive.namelist())
