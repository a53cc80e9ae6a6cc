"""A report's files in one folder, with a signed manifest; and checking such a folder again.

    L1/2026-11-25/
      L1.en.pdf  L1.zh.pdf        on paper
      L1.json                     {"digest", "report"}: the report in canonical form
      L1.<table>.en.csv …zh.csv   each table for a spreadsheet
      L1.<table>.parquet          each table for analysis
      manifest.json               the header, the digest, and SHA-256 and length of each file
      manifest.jws                the observer's detached signature over manifest.json

A folder appears whole or not at all: it is written under another name, made durable and renamed.
What is checked needs no network and nothing of the observer but its public report key.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from creditchain.client.jws import BadSignature, check, sign
from creditchain.client.keys import PrivateKey
from creditchain.durable import sync
from creditchain.events import PublicKey, canonical_json
from regulator.report.data import list_tables
from regulator.report.model import LANGUAGES, Header, Report, value_json
from regulator.report.parquet import write_parquet
from regulator.report.sheet import write_sheet
from regulator.setting import FORMATS

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.jws"

REPORT_TYPE: Final = "creditchain-report+jws"
"""Of the signature over a manifest: the same key signs warnings."""

MANIFEST_FORMAT: Final = "creditchain-report/v1"

MANIFEST_BYTES_MAX: Final = 1_048_576
"""A manifest lists under 2,000 files of 200 bytes each."""

FILE_BYTES_MAX: Final = 2**31
"""A file of a report is smaller; what is larger is not hashed for a stranger."""

CHUNK_BYTES: Final = 1 << 20


class NotWritten(Exception):
    """A report's folder cannot be written; the message says why and what to do."""


class NotGenuine(ValueError):
    """A folder that is not, or no longer, what the observer signed; the message says where."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A report that lies in its folder."""

    folder: Path
    digest: str
    files: int


def write_folder(
    folder: Path,
    report: Report,
    key: PrivateKey,
    *,
    fonts: Path,
    languages: Sequence[str] = LANGUAGES,
    formats: Sequence[str] = FORMATS,
) -> Filed:
    """Writes the report into `folder`, which appears when everything in it is durable.

    If the folder is there already with the same digest, it stays as it is. Raises `NotWritten`, and
    `NoFonts` for a PDF without its fonts.
    """
    digest = report.digest
    if (there := _digest_there(folder)) is not None:
        if there["digest"] != digest:
            raise NotWritten(
                f"{folder} holds another report (digest {there['digest']}, log size "
                f"{there['header']['size']}); move it away, or name another folder"
            )
        return Filed(folder, digest, len(there["files"]))
    draft = folder.with_name(f".{folder.name}.draft")
    try:
        folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with _held(draft):
            try:
                files = _write_files(draft, report, digest, fonts, languages, formats)
                _write_manifest(draft, report, digest, languages, files, key)
                _make_durable(draft)
                draft.rename(folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        sync(folder.parent)
    except OSError as error:
        raise NotWritten(f"{folder}: {error.strerror or error}") from None
    return Filed(folder, digest, len(files))


def check_folder(folder: Path, key: PublicKey) -> dict[str, Any]:
    """The manifest of a folder that is as the holder of `key` signed it; raises `NotGenuine`.

    Every file is hashed, none may be missing or be there besides, and the digest is derived again
    from the JSON if the folder has it.
    """
    data = _read(folder / MANIFEST, MANIFEST_BYTES_MAX)
    signature = _read(folder / SIGNATURE, MANIFEST_BYTES_MAX).decode("ascii", "replace").strip()
    try:
        check(data, signature, key, REPORT_TYPE)
    except BadSignature as error:
        raise NotGenuine(f"{folder / SIGNATURE}: {error}") from None
    manifest = _parse_manifest(data)
    listed = {entry["name"] for entry in manifest["files"]}
    there = {path.name for path in folder.iterdir()} - {MANIFEST, SIGNATURE}
    for name in sorted(there ^ listed):
        problem = "is missing" if name in listed else "is not of this report"
        raise NotGenuine(f"{folder / name} {problem}")
    for entry in manifest["files"]:
        path = folder / entry["name"]
        if path.is_symlink() or not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise NotGenuine(f"{path} is not the file that was signed")
        if _hash(path) != entry["sha256"]:
            raise NotGenuine(f"{path} is not the file that was signed")
    _check_digest(folder, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, unchecked; raises `NotGenuine` if it is none."""
    return _parse_manifest(_read(folder / MANIFEST, MANIFEST_BYTES_MAX))


@contextmanager
def _held(draft: Path) -> Iterator[None]:
    """An empty folder that no other process writes to at the same time."""
    draft.mkdir(mode=0o750, exist_ok=True)
    descriptor = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotWritten(f"another process is writing {draft}; try again later") from None
        # What a run that was killed left here is of no use to anybody.
        for path in draft.iterdir():
            path.unlink()
        yield
    finally:
        os.close(descriptor)


def _write_files(
    draft: Path,
    report: Report,
    digest: str,
    fonts: Path,
    languages: Sequence[str],
    formats: Sequence[str],
) -> list[str]:
    code, zone = report.code.value, report.header.period.zone
    if "pdf" in formats:
        # typst is an extra of the regulator's: who wants no paper needs none of it.
        from regulator.report.pdf import render_pdf  # noqa: PLC0415

        for lang in languages:
            (draft / f"{code}.{lang}.pdf").write_bytes(render_pdf(report, digest, lang, fonts))
    if "json" in formats:
        with (draft / f"{code}.json").open("xb") as file:
            file.write(b'{"digest":"%s","report":' % digest.encode())
            file.writelines(report.canonical_parts())
            file.write(b"}\n")
    metadata = _metadata(report, digest)
    for table in list_tables(report, digest):
        if "csv" in formats:
            for lang in languages:
                with (draft / f"{code}.{table.id}.{lang}.csv").open("xb") as file:
                    write_sheet(file, table, lang, zone)
        if "parquet" in formats:
            write_parquet(draft / f"{code}.{table.id}.parquet", table, metadata)
    return sorted(path.name for path in draft.iterdir())


def _write_manifest(
    draft: Path,
    report: Report,
    digest: str,
    languages: Sequence[str],
    names: Iterable[str],
    key: PrivateKey,
) -> None:
    manifest = canonical_json(
        {
            "code": report.code.value,
            "digest": digest,
            "files": [
                {
                    "bytes": (draft / name).stat().st_size,
                    "name": name,
                    "sha256": _hash(draft / name),
                }
                for name in names
            ],
            "format": MANIFEST_FORMAT,
            "header": report.header_json(),
            "key": key.public.to_json(),
            "languages": sorted(languages),
            "title": value_json(report.title),
        }
    )
    (draft / MANIFEST).write_bytes(manifest)
    (draft / SIGNATURE).write_text(sign(manifest, key, REPORT_TYPE) + "\n", encoding="ascii")


def _metadata(report: Report, digest: str) -> dict[str, str]:
    header: Header = report.header
    return {
        "report": report.code.value,
        "digest": digest,
        "log": header.origin,
        "size": str(header.size),
        "root": header.root,
        "rule_pack": f"{header.rule_pack} {header.rule_pack_version}",
        "period": header.period.name,
    }


def _digest_there(folder: Path) -> dict[str, Any] | None:
    if not folder.exists():
        return None
    try:
        return read_manifest(folder)
    except NotGenuine:
        raise NotWritten(f"{folder} is there and holds no report; name another folder") from None


def _parse_manifest(data: bytes) -> dict[str, Any]:
    value: Any = None
    try:
        value = json.loads(data)
        fits = _is_manifest(value)
    except (ValueError, TypeError, KeyError, RecursionError):
        fits = False
    if not fits:
        raise NotGenuine("the manifest is none of a report")
    assert isinstance(value, dict)
    return value


def _is_manifest(value: Any) -> bool:
    PublicKey.from_json(value["key"])
    names = [entry["name"] for entry in value["files"]]
    return (
        value["format"] == MANIFEST_FORMAT
        and all(isinstance(value[name], str) for name in ("code", "digest"))
        and isinstance(value["header"]["size"], int)
        and all(Path(name).name == name for name in names)
        and len(set(names)) == len(names)
        and all(type(entry["bytes"]) is int for entry in value["files"])
        and all(type(entry["sha256"]) is str for entry in value["files"])
    )


def _check_digest(folder: Path, manifest: dict[str, Any]) -> None:
    path = folder / f"{manifest['code']}.json"
    if not path.exists():
        return
    try:
        value = json.loads(_read(path, FILE_BYTES_MAX))
        again = hashlib.sha256(canonical_json(value["report"])).hexdigest()
        same = again == value["digest"] == manifest["digest"]
        same = same and value["report"]["header"] == manifest["header"]
    except (ValueError, TypeError, KeyError, RecursionError):
        same = False
    if not same:
        raise NotGenuine(f"{path}: what it says has not the digest of the manifest")


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise NotGenuine(f"{path}: {error.strerror}") from None
    if len(data) > most:
        raise NotGenuine(f"{path}: larger than such a file is")
    return data


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_durable(folder: Path) -> None:
    for path in folder.iterdir():
        sync(path)
    sync(folder)
