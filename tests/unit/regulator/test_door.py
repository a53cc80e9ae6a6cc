"""The observer's door: tlog-witness status by status, and its copy as anybody may read it."""

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager

import httpx2
import pytest

from creditchain.events import parse_time
from creditchain.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from creditchain.tlog.cosignature import open_cosignatures
from creditchain.tlog.edge import VerifiedTiles
from creditchain.tlog.note import Signer, sign_note
from creditchain.tlog.tile import (
    Tile,
    format_bundle_path,
    format_tile_path,
    new_bundles,
    parse_tile_path,
    tiles_of,
)
from creditchain.tlog.wire import encode_base64
from creditchain.tlog.witness import REQUEST_BYTES_MAX, format_add_checkpoint
from regulator.api import Limits, create_app
from regulator.feed import Fault, FeedFault
from tests.lying_hub.honest import ORIGIN, Consortium, HonestFeed
from tests.lying_hub.lies import another_history
from tests.unit.regulator.observing import SIGNERS, found, observing

HASHED = hashlib.sha256(ORIGIN.encode()).hexdigest()


@asynccontextmanager
async def door(folder, consortium, feed=None, *, following=True, **limits):
    """The observer, and a client at its door."""
    limits.setdefault("mirror_wait_s", 5)
    async with observing(folder, consortium, feed or HonestFeed(consortium.log)) as observer:
        app = create_app(observer, Limits(**limits))
        task = asyncio.create_task(observer.follower.run()) if following else None
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://observer") as client:
            try:
                yield observer, client
            finally:
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)


def request(consortium, old, note=None):
    """The honest request to move from `old` to the log's newest checkpoint."""
    return format_add_checkpoint(old, consortium.log.prove(old), note or consortium.log.note)


class PinnedFeed(HonestFeed):
    """A hub that always shows its first checkpoint: heads move by what is pushed alone."""

    def __init__(self, log):
        super().__init__(log)
        self._note = log.note

    async def checkpoint(self):
        return self._note.encode()


@pytest.mark.parametrize("name", ["witness", "mirror"])
async def test_every_status_of_tlog_witness(name, tmp_path):
    consortium = Consortium(2)
    consortium.play(90)
    async with door(tmp_path, consortium, PinnedFeed(consortium.log)) as (observer, client):
        url = f"/{name}/add-checkpoint"
        log = consortium.log

        async def answer(content):
            return await client.post(url, content=content)

        first = log.size
        done = await answer(request(consortium, 0))
        assert done.status_code == 200
        [cosignature] = open_cosignatures(
            done.text, log.note.partition("\n\n")[0] + "\n", [SIGNERS[name].verifier]
        )
        assert cosignature.name == f"observer.example/{name}"

        # 200 again, for the same size and root.
        assert (await answer(request(consortium, first))).status_code == 200
        consortium.play(30)
        good = request(consortium, first)

        # 400: malformed; old size above the checkpoint's.
        for bad in (b"", b"old x\n\n", b"\xff", good[4:], good.replace(b"\n\n", b"\n", 1)):
            assert (await answer(bad)).status_code == 400, bad
        above = f"old {log.size + 1}\n\n{log.note}".encode()
        assert (await answer(above)).status_code == 400
        text = "\n".join([ORIGIN, str(log.size), encode_base64(log.edge.root()), "extension", ""])
        extended = sign_note(text, [log.signer])
        assert (await answer(f"old {first}\n\n{extended}".encode())).status_code == 400

        # 403: no signature by the log; a wrong one by its key.
        stranger = Signer(ORIGIN, b"\7" * 32)
        checkpoint = Checkpoint(ORIGIN, log.size, log.edge.root())
        forged = sign_checkpoint(checkpoint, stranger)
        assert (await answer(f"old {first}\n\n{forged}".encode())).status_code == 403
        head, _, line = log.note.rpartition(" ")
        wrong = f"{head} {line[:20]}{'A' if line[20] != 'A' else 'B'}{line[21:]}"
        assert (await answer(f"old {first}\n\n{wrong}".encode())).status_code == 403

        # 404: another log.
        other = Signer("other.example", bytes(32))
        foreign = sign_checkpoint(Checkpoint("other.example", 0, hashlib.sha256().digest()), other)
        assert (await answer(f"old 0\n\n{foreign}".encode())).status_code == 404

        # 409: not from where we are; the answer says where that is.
        conflict = await answer(request(consortium, 1))
        assert conflict.status_code == 409
        assert conflict.text == f"{observer.follower.cosigner.head(name).size}\n"
        assert conflict.headers["content-type"] == "text/x.tlog.size"

        # 422: the proof does not hold.
        lines = good.split(b"\n")
        lines[1] = encode_base64(bytes(32)).encode()
        assert (await answer(b"\n".join(lines))).status_code == 422
        size = observer.follower.cosigner.head(name).size
        assert size == first
        forked = another_history(consortium, 10)
        del forked.log.entries[size:]
        log_of_same_size = type(forked.log)(log.signer)
        for entry in forked.log.entries:
            log_of_same_size.append_raw(entry, b"")
        same = f"old {size}\n\n{log_of_same_size.publish()}".encode()
        assert (await answer(same)).status_code == 422
        assert [f[0] for f in found(observer.reader_engine)] == ["FORK"]

        # 413: more than any request has.
        assert (await answer(bytes(REQUEST_BYTES_MAX + 1))).status_code == 413
        assert (await client.get(url)).status_code == 405

        assert (await answer(request(consortium, size))).status_code == 200


async def test_a_proof_from_nothing_is_empty(tmp_path):
    consortium = Consortium(2)
    async with door(tmp_path, consortium, following=False) as (_, client):
        consortium.log.publish()
        with_proof = f"old 0\n{encode_base64(bytes(32))}\n\n{consortium.log.note}".encode()
        assert (await client.post("/witness/add-checkpoint", content=with_proof)).status_code == 422


async def test_only_one_of_two_racing_requests_moves_the_head(tmp_path):
    consortium = Consortium(2)
    consortium.play(20)
    async with door(tmp_path, consortium, following=False) as (observer, client):
        asked = []
        for _ in range(6):
            consortium.play(5)
            asked.append(request(consortium, 0))
        answers = await asyncio.gather(
            *(client.post("/witness/add-checkpoint", content=body) for body in reversed(asked))
        )
        assert [a.status_code for a in answers].count(200) == 1
        assert {a.status_code for a in answers} == {200, 409}
        assert observer.follower.cosigner.head("witness").size == next(
            int(a.text) for a in answers if a.status_code == 409
        )


async def test_the_mirror_answers_when_it_has_everything_and_not_before(tmp_path):
    consortium = Consortium(2)
    consortium.play(700)
    gate = asyncio.Event()

    class Slow(HonestFeed):
        async def bodies(self, path):
            await gate.wait()
            return await super().bodies(path)

    feed = Slow(consortium.log)
    async with door(tmp_path, consortium, feed, mirror_wait_s=0.3) as (observer, client):
        consortium.log.publish()
        late = await client.post("/mirror/add-checkpoint", content=request(consortium, 0))
        assert late.status_code == 503
        assert int(late.headers["retry-after"]) >= 1
        # The witness does not wait for the copy.
        seen = observer.follower.cosigner.head("witness").size
        now = await client.post("/witness/add-checkpoint", content=request(consortium, seen))
        assert now.status_code == 200
        gate.set()
        for _ in range(100):
            head = observer.follower.cosigner.head("mirror").size
            done = await client.post("/mirror/add-checkpoint", content=request(consortium, head))
            if done.status_code == 200:
                break
            await asyncio.sleep(0.05)
        assert done.status_code == 200
        assert observer.follower.progress().size == consortium.log.size


async def test_a_fresh_checkpoint_is_cosigned_by_both_at_once(tmp_path):
    consortium = Consortium(2)
    consortium.play(300)
    async with door(tmp_path, consortium) as (_, client):
        old = {"witness": 0, "mirror": 0}
        for _ in range(5):
            for name in ("witness", "mirror"):
                done = await client.post(
                    f"/{name}/add-checkpoint", content=request(consortium, old[name])
                )
                if done.status_code == 409:
                    done = await client.post(
                        f"/{name}/add-checkpoint", content=request(consortium, int(done.text))
                    )
                assert done.status_code == 200
                old[name] = consortium.log.size
            consortium.play(7)


async def test_anyone_can_verify_our_copy(tmp_path):
    consortium = Consortium(2)
    consortium.play(640)
    async with door(tmp_path, consortium, following=False) as (observer, client):
        for path in (f"/{HASHED}/checkpoint", f"/mirror/{HASHED}/checkpoint"):
            assert (await client.get(path)).status_code == 404
        await observer.follower.once()
        verifier = consortium.log.signer.verifier
        for name, path in (("witness", ""), ("mirror", "/mirror")):
            note = (await client.get(f"{path}/{HASHED}/checkpoint")).text
            opened = open_checkpoint(note, verifier, [SIGNERS[name].verifier])
            assert len(opened.cosignatures) == 1
            assert opened.checkpoint.size == consortium.log.size
        size = opened.checkpoint.size
        base = f"/mirror/{HASHED}"
        served = {}
        for tile in tiles_of(size):
            got = await client.get(f"{base}/{format_tile_path(tile)}")
            assert got.status_code == 200
            assert "immutable" in got.headers["cache-control"]
            served[tile] = got.content
        tiles = VerifiedTiles(
            size, opened.checkpoint.root, lambda level, n, width: served[Tile(level, n, width)]
        )
        entries = []
        for bundle in new_bundles(0, size):
            got = await client.get(f"{base}/{format_bundle_path(bundle)}")
            entries += tiles.read_entries(bundle.n, bundle.width, got.content)
        assert entries == consortium.log.entries
        for absent in ("tile/0/003", "tile/0/002.p/255", "tile/00/000", "tile/entries/009", "x",
                       "tile/9/000", "bodies/000"):  # fmt: skip
            assert (await client.get(f"{base}/{absent}")).status_code == 404, absent
        assert parse_tile_path("tile/0/000").width == 256


async def test_status_tells_sizes_and_findings(tmp_path):
    consortium = Consortium(2)
    consortium.play(40)
    async with door(tmp_path, consortium, following=False) as (observer, client):
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        assert "faultAt" not in (await client.get("/status")).json()
        await observer.follower.once()
        assert (await client.get("/readyz")).json() == {"ready": True, "reasons": []}
        status = (await client.get("/status")).json()
        assert status["size"] == status["trusted"] == consortium.log.size
        assert status["lag"] == status["violations"] == 0
        assert status["cosigned"]["mirror"]["size"] == consortium.log.size


class AwayFeed(HonestFeed):
    """A hub that does not answer."""

    async def checkpoint(self):
        raise FeedFault(Fault.UNREACHABLE, "checkpoint")


async def test_a_fault_has_its_time(tmp_path):
    consortium = Consortium(2)
    async with door(tmp_path, consortium, AwayFeed(consortium.log)) as (_, client):
        status = {}
        while status.get("fault") is None:
            await asyncio.sleep(0.02)
            status = (await client.get("/status")).json()
        assert "UNREACHABLE" in status["fault"]
        assert abs(parse_time(status["faultAt"]) / 1000 - time.time()) < 60
