"""The log as strangers and members read it, and sealed reports on their way."""

import asyncio
from pathlib import Path

import pytest

from creditchain.events.codes import SuspensionGround
from creditchain.events.membership import MemberSuspended
from creditchain.seal import parse_entry
from creditchain.tlog.checkpoint import open_checkpoint
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.tile import BundlePath, format_bundle_path, parse_bundle
from creditchain.vault import REPORT_BYTES_MAX, digest_of
from tests.unit.api.test_authority import ACME, ACTORS, MAY_READ, world
from tests.unit.api.town import Town, officer_id, open_town

OCTETS = {"content-type": "application/octet-stream"}


def last_bundle(town: Town, prefix: str = "tile/entries") -> tuple[str, int]:
    size = town.ledger.head().size
    assert size < 256
    return f"/log/{format_bundle_path(BundlePath(0, size), prefix)}", size


async def test_a_stranger_rebuilds_the_log_from_the_feed(town: Town):
    await town.consent()
    answer = await town.http.get("/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    path, size = last_bundle(town)
    bundle = await town.http.get(path)
    assert bundle.headers["content-type"] == "application/octet-stream"
    assert bundle.headers["cache-control"] == "max-age=604800, immutable"
    entries = parse_bundle(bundle.content, size)
    assert [parse_entry(entry).at for entry in entries]
    head = town.ledger.head()
    assert answer.text == head.note
    tile = await town.http.get(f"/log/tile/0/000.p/{size}")
    assert tile.content == b"".join(leaf_hashes_of(entries))
    assert (await town.http.get("/log/policy")).text == town.doors.policy
    assert "quorum none" in town.doors.policy


@pytest.mark.parametrize(
    "path",
    [
        "/log/", "/log/nothing", "/log/tile/0/000", "/log/tile/0/000.p/255", "/log/tile/0/0",
        "/log/tile/00/000", "/log/tile/1/000", "/log/tile/64/000", "/log/tile/0/x000/001",
        "/log/tile/0/000.p/0", "/log/tile/0/000.p/01", "/log/tile/0/000.p/256",
        "/log/tile/entries/001", "/log/tile/entries/000.p/200", "/log//checkpoint",
        "/log/checkpoint/", "/log/checkpoint?x=1", "/log/%63heckpoint", "/log/../log/x",
        "/log/tile/0/000.p/%31", "/log/tile/0/000.p/１",
    ],
)  # fmt: skip
async def test_what_the_log_does_not_have_is_404(town: Town, path: str):
    assert (await town.http.get(path)).status_code == 404


async def test_the_feed_is_read_only(town: Town):
    for method in ("POST", "PUT", "DELETE"):
        answer = await town.http.request(method, "/log/checkpoint")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = await town.http.head("/log/checkpoint")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(town.ledger.head().note.encode())


async def test_bodies_are_for_those_they_concern(town: Town):
    ids = await world(town)
    path, size = last_bundle(town, "bodies")
    assert (await town.http.get(path)).status_code == 401
    whole = await town.http.get(path, headers=await town.headers("regulator"))
    assert whole.headers["cache-control"] == "private, no-store"
    bodies = parse_bundle(whole.content, size)
    assert bodies == town.ledger.bodies(0, size)
    for actor in ACTORS:
        answer = await town.http.get(path, headers=await town.headers(actor))
        mine = parse_bundle(answer.content, size, allow_empty=True)
        assert all(body in (b"", bodies[index]) for index, body in enumerate(mine))
        for thing, readers in MAY_READ.items():
            body = mine[town.ledger.find(ids[thing])[0]]
            assert (body != b"") == (actor in readers), (thing, actor)
        # The founding and the members are everybody's.
        assert mine[0] == bodies[0]
        for index in range(size):
            event = (await town.ask(actor, "Event", index=index))["event"]
            assert (event is not None) == (mine[index] != b"")


async def test_reading_everything_is_recorded(town: Town):
    path, _ = last_bundle(town, "bodies")
    await town.http.get(path, headers=await town.headers("regulator"))
    looks = (await town.ask("regulator", "Accesses", first=100))["accesses"]["nodes"]
    assert (looks[-1]["what"], looks[-1]["subject"]) == ("body", path.removeprefix("/log/"))


async def test_bodies_beyond_the_head_are_404(town: Town):
    headers = await town.headers("regulator")
    for path in ("/log/bodies/000", "/log/bodies/001", "/log/bodies/000.p/250", "/log/bodies/0"):
        assert (await town.http.get(path, headers=headers)).status_code == 404


async def test_a_closed_feed_is_for_members(tmp_path: Path):
    async with open_town(tmp_path, feed_public=False) as town:
        path, _ = last_bundle(town)
        for place in ("/log/checkpoint", path):
            assert (await town.http.get(place)).status_code == 401
            answer = await town.http.get(place, headers=await town.headers("bank-ivy"))
            assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, no-store"
        bad = {"authorization": "Bearer x"}
        assert (await town.http.get("/log/checkpoint", headers=bad)).status_code == 401


def test_the_checkpoint_is_a_signed_note(tmp_path: Path):
    town = Town(tmp_path)
    try:
        head = town.ledger.head()
        key = town.hub.log.verifier
        checkpoint = open_checkpoint(head.note, key).checkpoint
        assert (checkpoint.size, checkpoint.root) == (head.size, head.root)
    finally:
        asyncio.run(town.close())


# Reports.


async def test_only_the_agency_uploads_and_only_once_accepted(town: Town):
    consent = await town.consent()
    order = await town.placed(consent)
    agent = officer_id("agency-pearl")
    assert (await town.upload(order, b"x", agent)).status_code == 403
    order = await town.accepted(consent)
    answer = await town.upload(order, b"sealed", agent)
    assert answer.json() == {"order": order, "ciphertext": digest_of(b"sealed"), "size": 6}
    assert (await town.upload(order, b"sealed", "agency-pearl")).status_code == 201
    for actor in ("agency-tide", "bank-ivy", "regulator", "operator", ACME):
        assert (await town.upload(order, b"x", actor)).status_code == 404, actor
    assert (await town.upload(order, b"x", "bank-hana")).status_code == 403
    post = town.http.post
    assert (await post(f"/reports/{order}", content=b"x", headers=OCTETS)).status_code == 401
    headers = await town.headers(agent)
    answer = await post(f"/reports/{order}", content=b"x", headers=headers)
    assert answer.status_code == 400


async def test_only_the_orderer_fetches(town: Town):
    order = await town.delivered(await town.consent(), b"sealed bytes")
    for actor in (officer_id("bank-hana"), "bank-hana"):
        answer = await town.http.get(f"/reports/{order}", headers=await town.headers(actor))
        assert answer.content == b"sealed bytes"
        assert answer.headers["cache-control"] == "private, no-store"
    for actor in ("bank-ivy", "regulator", "operator", "agency-tide", ACME):
        answer = await town.http.get(f"/reports/{order}", headers=await town.headers(actor))
        assert answer.status_code == 404, actor
    agency = await town.headers("agency-pearl")
    assert (await town.http.get(f"/reports/{order}", headers=agency)).status_code == 403


async def test_a_report_that_was_not_delivered_is_not_there(town: Town):
    order = await town.accepted(await town.consent())
    await town.upload(order, b"staged", officer_id("agency-pearl"))
    headers = await town.headers("bank-hana")
    assert (await town.http.get(f"/reports/{order}", headers=headers)).status_code == 404
    for path in ("/reports/", "/reports/x", f"/reports/{order}/", f"/reports/{order.upper()}"):
        assert (await town.http.get(path, headers=headers)).status_code == 404


async def test_a_report_has_a_size(town: Town):
    order = await town.accepted(await town.consent())
    agent = officer_id("agency-pearl")
    assert (await town.upload(order, b"", agent)).status_code == 413
    headers = await town.headers(agent) | OCTETS
    headers["content-length"] = str(REPORT_BYTES_MAX + 1)

    async def lies():
        yield b"x"

    answer = await town.http.post(f"/reports/{order}", content=lies(), headers=headers)
    assert answer.status_code == 413


async def test_a_delivery_names_the_bytes_that_were_uploaded(town: Town):
    order = await town.accepted(await town.consent())
    agent = officer_id("agency-pearl")
    await town.upload(order, b"one", agent)
    from tests.unit.api.town import mutation_of, proof_of

    sealed = town.delivery(order, b"two")
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    [error] = await town.errors(agent, name, **variables)
    assert error["extensions"]["code"] == "REPORT_NOT_UPLOADED"
    await town.upload(order, b"two", agent)
    assert (await town.done(sealed))["order"]["status"] == "DELIVERED"
    # The answer was lost and the agency says it all again: the same receipt.
    await town.upload(order, b"two", agent)
    assert (await town.done(sealed))["order"]["status"] == "DELIVERED"


async def test_a_suspended_member_exchanges_no_reports(town: Town):
    order = await town.delivered(await town.consent())
    await town.done(
        town.signer("regulator").seal(MemberSuspended("bank-hana", SuspensionGround.BREACH))
    )
    headers = await town.headers("bank-hana")
    assert (await town.http.get(f"/reports/{order}", headers=headers)).status_code == 403
