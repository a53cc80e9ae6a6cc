"""What was announced is remembered under every name, also by who has no key for it today."""

import shutil

import pytest

from creditchain.tlog.cosignature import CosignatureSigner
from regulator.cosign import MIRROR, WITNESS, Behind
from regulator.observer import REGISTER_NAME, open_observer, read_genesis
from regulator.register import Register
from tests.lying_hub.honest import Consortium, HonestFeed, seed_bytes
from tests.unit.regulator.observing import SIGNERS, observing

AUDIT = "audit"
THREE = SIGNERS | {AUDIT: CosignatureSigner("observer.example/audit", seed_bytes(AUDIT))}


def announcing(folder, consortium, feed, signers=THREE):
    return open_observer(folder, read_genesis(consortium.genesis), signers, feed, processes=0)


def restore(folder, copy):
    for leftover in folder.glob("observer.db*"):
        leftover.unlink()
    shutil.copy(copy, folder / "observer.db")


@pytest.mark.parametrize("name", [WITNESS, MIRROR, AUDIT])
async def test_an_older_database_signs_under_no_name_until_it_has_grown_again(name, tmp_path):
    consortium = Consortium(41)
    consortium.play(60)
    feed = HonestFeed(consortium.log)
    async with announcing(tmp_path, consortium, feed) as observer:
        await observer.follower.once()
    shutil.copy(tmp_path / "observer.db", tmp_path / "backup.db")
    consortium.play(60)
    async with announcing(tmp_path, consortium, feed) as observer:
        head = await observer.follower.once()
        for one in (WITNESS, MIRROR, AUDIT):
            await observer.follower.write(observer.follower.cosigner.announce, one, head)
    # The register remembers this name alone: each is enough by itself.
    register = Register(tmp_path / REGISTER_NAME)
    register.write({name: register.read()[name]})
    restore(tmp_path, tmp_path / "backup.db")
    async with announcing(tmp_path, consortium, feed) as observer:
        cosigner = observer.follower.cosigner
        assert cosigner.restored_to == head
        for one in (WITNESS, MIRROR, AUDIT):
            with pytest.raises(Behind):
                await observer.follower.write(cosigner.announce, one, head)
        await observer.follower.once()
        assert cosigner.restored_to is None
        signed = await observer.follower.write(cosigner.announce, AUDIT, head)
        assert signed.head == head


async def test_a_name_without_a_key_today_is_not_forgotten(tmp_path):
    consortium = Consortium(42)
    consortium.play(60)
    feed = HonestFeed(consortium.log)
    async with announcing(tmp_path, consortium, feed) as observer:
        head = await observer.follower.once()
        await observer.follower.write(observer.follower.cosigner.announce, AUDIT, head)
    consortium.play(60)
    async with observing(tmp_path, consortium, feed) as observer:
        newer = await observer.follower.once()
    kept = Register(tmp_path / REGISTER_NAME).read()
    assert kept == {WITNESS: newer, MIRROR: newer, AUDIT: head}
    async with announcing(tmp_path, consortium, feed) as observer:
        assert observer.follower.cosigner.head(AUDIT) == head
