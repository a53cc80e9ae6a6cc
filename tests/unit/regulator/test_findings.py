"""The register: every finding once, with what the log says became of it."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from creditchain.events.codes import FindingOutcome, FindingReply, Role, Severity
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.officer import OfficerAppointed
from regulator.audit import AUDIT_RULES, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import read_pack
from regulator.auditor import Auditor
from regulator.cli import app
from regulator.config import GENESIS_NAME, make_observer
from regulator.database import OBSERVER_NAME
from regulator.finding import TITLES, FindingCode
from regulator.findings import FindingRegister, State, Wanted, title_of
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import TOLD
from tests.unit.regulator.observing import observing

DAY_MS = 86_400_000


class Watched:
    """A consortium whose observer follows and audits whenever it is asked to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.consortium = Consortium(13)
        self.auditor = self.consortium.actor("of_" + "A" * 21 + "A")
        appointed = OfficerAppointed(
            self.auditor.id, (Role.AUDIT,), self.auditor.key.public, self.consortium.digest()
        )
        self.consortium.admit(self.consortium.regulator, appointed)
        [lie] = [lie for lie in TOLD if lie.tell.__name__ == "skip_the_law"]
        lie.tell(self.consortium)
        make_observer(folder, "observer.example")
        (folder / GENESIS_NAME).write_bytes(self.consortium.genesis)

    def follow(self) -> FindingRegister:
        """Follow and audit to the newest checkpoint; the register."""
        self.consortium.log.publish()

        async def run() -> None:
            feed = HonestFeed(self.consortium.log)
            async with observing(self.folder, self.consortium, feed) as observer:
                await observer.follower.once()

        asyncio.run(run())
        file = read_pack(None)
        store = AuditStore(self.folder / AUDIT_NAME)
        auditor = Auditor(self.folder / OBSERVER_NAME, store, parse_pack(file, AUDIT_RULES), file)
        while auditor.progress.size < auditor.copied():
            auditor.advance()
        auditor.close()
        store.close()
        return FindingRegister(self.folder)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_broken_law_stands_twice_as_two_checks_have_it(watched: Watched):
    found = watched.follow().read(Wanted())
    assert next(one.code for one in found) == "LAW_BROKEN"
    assert "C01" in {one.code for one in found}
    assert {one.state for one in found} == {State.OPEN}
    assert len({one.id for one in found}) == len(found)


def test_a_finding_is_asked_answered_and_closed_on_the_log(watched: Watched):
    register = watched.follow()
    [one] = register.read(Wanted(code="C01"))
    asking = FindingAsked(
        one.id, "C01", "bank-hana", Severity.HIGH, watched.consortium.at + 20 * DAY_MS
    )
    asked = watched.consortium.admit(watched.auditor, asking)
    assert "next: regulator findings ask" in shown(watched, one.id)
    [one] = watched.follow().read(Wanted(code="C01"))
    assert (one.state, one.asked) == (State.ASKED, asked.event.id)
    assert f"creditchain finding answer {one.asked}" in shown(watched, one.id)
    answer = FindingAnswered(one.asked, FindingReply.ACCEPTED, watched.consortium.digest())
    watched.consortium.admit(watched.consortium.bank, answer)
    [one] = watched.follow().read(Wanted(code="C01", state=State.ANSWERED))
    assert one.reply == "ACCEPTED"
    assert f"creditchain finding show {one.asked}" in shown(watched, one.id)
    closing = FindingClosed(asked.event.id, FindingOutcome.REMEDIED)
    watched.consortium.admit(watched.auditor, closing)
    register = watched.follow()
    [one] = register.read(Wanted(member="bank-hana", severity="HIGH", code="C01"))
    assert (one.state, one.outcome) == (State.CLOSED, "REMEDIED")
    assert register.read(Wanted(code="C01", state=State.OPEN)) == []
    assert "next:" not in shown(watched, one.id)


def shown(watched: Watched, finding: str) -> str:
    command = ["findings", "show", finding, "--data", str(watched.folder)]
    return CliRunner().invoke(app, command).stdout


def test_what_nobody_was_asked_about_is_not_closed(watched: Watched):
    [one] = watched.follow().read(Wanted(code="C01"))
    command = ["findings", "close", one.id, "--outcome", "noted", "--data", str(watched.folder)]
    run = CliRunner().invoke(app, command)
    assert (run.exit_code, "comes first" in run.stderr) == (2, True)


def test_the_register_is_read_page_by_page_and_by_id(watched: Watched):
    watched.consortium.play(200)
    register = watched.follow()
    whole = register.read(Wanted())
    assert len(whole) > 2
    paged, after = [], (-1, -1)
    while page := register.read(Wanted(after=after), 2):
        paged += page
        after = page[-1].place
    assert paged == whole
    assert register.find(whole[1].id) == whole[1]
    assert register.find("nonsense") is None
    assert register.find("A" * 43) is None
    assert sum(register.counts().values()) == sum(one.pack is not None for one in whole)


def test_without_an_audit_there_is_what_integrity_found(watched: Watched):
    watched.follow()
    for path in watched.folder.glob(f"{AUDIT_NAME}*"):
        path.unlink()
    register = FindingRegister(watched.folder)
    assert [one.code for one in register.read(Wanted())] == ["LAW_BROKEN"]
    assert register.counts() == {}


def test_every_code_has_words(watched: Watched):
    assert title_of("C01") == ("Order without a valid consent", "未经有效授权查询")
    assert title_of("FORK") == ("The log has two histories", "账本出现分叉")
    assert title_of("Z99") == ("Z99", "Z99")
    assert TITLES.keys() == set(FindingCode)


def test_the_commands_list_and_show_it(watched: Watched):
    watched.follow()
    runner = CliRunner()
    data = ["--data", str(watched.folder)]
    run = runner.invoke(app, ["findings", "list", *data, "--json", "--code", "C01"])
    [told] = [json.loads(line) for line in run.stdout.splitlines()]
    assert (run.exit_code, told["member"], told["state"]) == (0, "bank-hana", "OPEN")
    run = runner.invoke(app, ["findings", "list", *data])
    assert "Order without a valid consent" in run.stdout
    run = runner.invoke(app, ["findings", "show", told["id"], *data])
    assert f"regulator audit --json --from {told['index']}" in run.stdout
    run = runner.invoke(app, ["findings", "list", *data, "--severity", "high", "--state", "open"])
    assert told["id"] in run.stdout
    for option, nonsense in (("--state", "LOST"), ("--severity", "DIRE")):
        run = runner.invoke(app, ["findings", "list", *data, option, nonsense])
        assert (run.exit_code, f"{nonsense!r} is not one of" in run.stderr) == (2, True)
    run = runner.invoke(app, ["findings", "list", *data, "--code", "c99"])
    assert (run.exit_code, run.stderr) == (2, "C99 is no code of a rule or of a finding\n")
    run = runner.invoke(app, ["findings", "show", "A" * 43, *data])
    assert run.exit_code == 2
    assert "there is no finding" in run.stderr
