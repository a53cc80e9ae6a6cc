"""The vault: sealed reports that are staged, bound to a delivery, and really gone in the end."""

import hashlib
import os
from pathlib import Path

import pytest
from sqlalchemy import select, text

from creditchain.events import b64u
from creditchain.private_store import StoreFull, open_private_store, reading
from creditchain.private_store.tables import ROW_KEY
from creditchain.vault import (
    REPORT_BYTES_MAX,
    STAGED_PER_ORDER_MAX,
    ReportTooLarge,
    Vault,
    digest_of,
)
from tests.unit.private_store.test_private_store import limit, read_folder

AT = 1_800_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def engine(tmp_path: Path):
    engine = open_private_store(tmp_path / "private.db")
    yield engine
    engine.dispose()


@pytest.fixture
def vault(engine):
    return Vault(engine, retention_days=30)


def test_a_staged_report_is_opened_only_once_delivered(vault: Vault):
    digest = vault.stage("o1", b"sealed", AT)
    assert digest == digest_of(b"sealed") == b64u(hashlib.sha256(b"sealed").digest())
    assert vault.open("o1") is None
    assert vault.size_of("o1", digest) == 6
    assert vault.bind("o1", digest, AT)
    assert vault.open("o1") == b"sealed"
    assert vault.staged(0) == []


def test_what_the_log_names_as_delivered_opens_before_it_is_bound(vault: Vault):
    digest = vault.stage("o1", b"sealed", 1)
    vault.stage("o1", b"another try", 2)
    assert vault.open("o1") is None
    assert vault.open("o1", digest) == b"sealed"


def test_a_delivery_of_other_bytes_finds_nothing(vault: Vault):
    vault.stage("o1", b"sealed", AT)
    assert vault.size_of("o1", digest_of(b"other")) is None
    assert not vault.bind("o1", digest_of(b"other"), AT)
    assert not vault.bind("o2", digest_of(b"sealed"), AT)
    assert vault.open("o1") is None


def test_staging_again_changes_nothing(vault: Vault):
    assert vault.stage("o1", b"sealed", AT) == vault.stage("o1", b"sealed", AT + 1)
    assert vault.count() == 1
    vault.bind("o1", digest_of(b"sealed"), AT)
    vault.stage("o1", b"sealed", AT + 2)
    assert vault.count() == 1


def test_binding_again_does_not_start_the_time_again(vault: Vault):
    digest = vault.stage("o1", b"sealed", AT)
    vault.bind("o1", digest, AT)
    assert vault.bind("o1", digest, AT + 10 * DAY_MS)
    assert vault.expired(AT + 30 * DAY_MS) == ["o1"]


def test_binding_drops_the_other_uploads(vault: Vault):
    vault.stage("o1", b"first try", AT)
    digest = vault.stage("o1", b"second try", AT)
    vault.stage("o2", b"other order", AT)
    vault.bind("o1", digest, AT)
    assert vault.open("o1") == b"second try"
    assert vault.count() == 2


def test_of_many_uploads_the_oldest_goes(vault: Vault):
    for number in range(STAGED_PER_ORDER_MAX + 3):
        vault.stage("o1", b"%d" % number, AT)
    assert [s.digest for s in vault.staged(0)] == [
        digest_of(b"%d" % number) for number in range(3, STAGED_PER_ORDER_MAX + 3)
    ]


def test_the_largest_report_fits_and_one_byte_more_does_not(vault: Vault):
    largest = os.urandom(1024) * (REPORT_BYTES_MAX // 1024)
    vault.bind("o1", vault.stage("o1", largest, AT), AT)
    assert vault.open("o1") == largest
    for wrong in (largest + b"x", b""):
        with pytest.raises(ReportTooLarge, match=str(REPORT_BYTES_MAX)):
            vault.stage("o2", wrong, AT)


def test_reports_expire_oldest_first_and_within_the_limit(vault: Vault):
    for number in (2, 0, 1):
        digest = vault.stage(f"o{number}", b"sealed", AT)
        vault.bind(f"o{number}", digest, AT + number)
    end = AT + 30 * DAY_MS
    assert vault.expired(end - 1) == []
    assert vault.expired(end) == ["o0"]
    assert vault.expired(end + 2) == ["o0", "o1", "o2"]
    assert vault.expired(end + 2, limit=2) == ["o0", "o1"]
    assert vault.erase_many(["o0", "o1"]) == 2
    assert vault.expired(end + 2) == ["o2"]


def test_orphans_are_listed_with_their_age_and_purged(vault: Vault):
    vault.stage("o1", b"orphan", AT)
    vault.bind("o2", vault.stage("o2", b"delivered", AT), AT)
    [orphan] = vault.staged(0)
    assert (orphan.order, orphan.size, orphan.staged_at) == ("o1", 6, AT)
    assert vault.staged(orphan.seq) == []
    assert vault.purge_staged([orphan.seq, orphan.seq + 1]) == 1
    assert vault.open("o2") == b"delivered"


def test_erasing_leaves_no_byte_in_any_file(engine, vault: Vault, tmp_path: Path):
    reports = {f"o{number}": os.urandom(100_000) for number in range(8)}
    for order, sealed in reports.items():
        vault.bind(order, vault.stage(order, sealed, AT), AT)
    with reading(engine) as connection:
        keys = connection.execute(select(ROW_KEY.c.key).order_by(ROW_KEY.c.slot)).scalars().all()
    for order in ("o1", "o4", "o7"):
        assert vault.erase(order)
        assert not vault.erase(order)
    left = read_folder(tmp_path)
    for number, (order, sealed) in enumerate(reports.items()):
        gone = order in {"o1", "o4", "o7"}
        assert (vault.open(order) is None) is gone
        assert (keys[number] not in left) is gone
        # What stands in the file is encrypted once more, under that key.
        assert sealed[:64] not in left


def test_a_full_disk_is_said_and_passes(engine, vault: Vault):
    vault.stage("o1", b"before", AT)
    with reading(engine) as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    limit(engine, pages + 5)
    with pytest.raises(StoreFull):
        vault.stage("o2", os.urandom(1_000_000), AT)
    assert vault.count() == 1
    limit(engine, 100_000)
    vault.stage("o2", os.urandom(1_000_000), AT)
