"""High findings leave by webhook and mail, each once, in order, whatever happens on the way."""

import asyncio
import json
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from creditchain.client.jws import BadSignature, check
from creditchain.client.keys import private_key
from creditchain.events import b64u
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.config import BadConfig, load_config, load_mail_server, make_observer
from regulator.mail import LISTED_MAX, Mail
from regulator.office import Office, open_office
from regulator.outbox import (
    ASIDE_S,
    REFUSED_MAX,
    RETRY_S,
    START,
    Notice,
    Outbox,
    Place,
    read_outbox,
)
from regulator.setting import MailServer, parse_addresses, parse_mail_server
from regulator.warning import AuditFindings, Channel, IntegrityFindings, Warnings
from regulator.webhook import WARNING_TYPE, Webhook
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import skip_the_law
from tests.unit.regulator.observing import observing
from tests.unit.regulator.receivers import Hook, PostOffice

KEY = private_key("Ed25519", bytes(range(32)))
OBSERVER = "observer.example"
ORIGIN = "hub.example/log"
AT_MS = 1_795_536_000_000


def finding_id(number: int) -> bytes:
    return number.to_bytes(32)


def add_audit(folder: Path, numbers: Sequence[int], severity: str = "HIGH") -> None:
    """Findings as the auditor stores them."""
    AuditStore(folder / AUDIT_NAME).close()
    with closing(sqlite3.connect(folder / AUDIT_NAME)) as connection, connection:
        connection.executemany(
            "INSERT INTO finding (pack, digest, code, severity, at_index, at_ms, member, officer, "
            "certain, json) VALUES ('p@1', ?, ?, ?, ?, ?, 'bank-a', NULL, 1, '{}')",
            [
                (
                    finding_id(n),
                    f"C{n % 3:02d}",
                    severity,
                    n,
                    AT_MS + n,
                )
                for n in numbers
            ],
        )


def add_integrity(folder: Path, number: int, code: str = "FORK") -> None:
    """A finding as the mirror stores it."""
    with closing(sqlite3.connect(folder / "observer.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS finding (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "digest BLOB, code TEXT, idx INTEGER, detail TEXT, evidence TEXT, certain INTEGER, "
            "found_at INTEGER, size INTEGER)"
        )
        connection.execute(
            "INSERT INTO finding (digest, code, idx, detail, evidence, certain, found_at, size) "
            "VALUES (?, ?, NULL, 'more', '{}', 1, ?, 9)",
            (finding_id(number), code, AT_MS),
        )


def sources(folder: Path) -> tuple[IntegrityFindings, AuditFindings]:
    return IntegrityFindings(folder / "observer.db"), AuditFindings(folder / AUDIT_NAME)


def webhook(hook: Hook) -> Webhook:
    return Webhook(hook.url, OBSERVER, KEY, gap_s=0)


def mail_to(post: PostOffice, **options: object) -> Mail:
    server = MailServer("127.0.0.1", post.port, implicit=False, starttls=False)
    options = {"settle_s": 0, "gap_s": 0, **options}
    return Mail(
        options.pop("server", server),  # type: ignore[arg-type]
        "observer@regulator.example",
        ("duty@regulator.example", "boss@regulator.example"),
        OBSERVER,
        ORIGIN,
        KEY,
        **options,  # type: ignore[arg-type]
    )


async def announce(folder: Path, *channels: Channel) -> None:
    """Take in what there is, and send until nothing is due; a restart each time."""
    with open_office(folder) as office:
        warnings = Warnings(office, sources(folder), channels)
        await warnings.take_in()
        for channel in channels:
            while await warnings.send_next(channel):
                pass


class Time:
    """A clock that is put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = AT_MS
        monkeypatch.setattr("regulator.warning.now_ms", lambda: self.ms)

    def pass_s(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


async def test_each_high_finding_leaves_once_on_each_channel_over_restarts(tmp_path):
    add_audit(tmp_path, [1, 2])
    add_audit(tmp_path, [3], severity="LOW")
    add_integrity(tmp_path, 4)
    add_integrity(tmp_path, 6, code="OBSERVER_LAG")
    hook, post = Hook(), PostOffice()
    async with hook.open(), webhook(hook) as channel:
        with post.open():
            for _ in range(3):
                await announce(tmp_path, channel, mail_to(post))
            add_audit(tmp_path, [5])
            await announce(tmp_path, channel, mail_to(post))
    ids = [json.loads(body)["id"] for _, body in hook.requests]
    assert ids == [b64u(finding_id(n)) for n in (4, 1, 2, 5)]
    assert [mail["Subject"].split(" high")[0] for mail in post.mails] == [
        f"[{ORIGIN}] 3",
        f"[{ORIGIN}] 1",
    ]
    assert {name: said["waiting"] for name, said in read_outbox(tmp_path).items()} == {
        "mail": 0,
        "webhook": 0,
    }


async def test_a_webhook_gets_a_signed_cloud_event(tmp_path):
    add_audit(tmp_path, [7])
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
    ((headers, body),) = hook.requests
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    check(body, headers["creditchain-signature"], KEY.public, WARNING_TYPE)
    with pytest.raises(BadSignature):
        check(body + b" ", headers["creditchain-signature"], KEY.public, WARNING_TYPE)
    event = json.loads(body)
    assert event.pop("data")["member"] == "bank-a"
    assert event == {
        "specversion": "1.0",
        "id": b64u(finding_id(7)),
        "source": f"//{OBSERVER}/audit",
        "type": "creditchain.finding.high",
        "subject": "C01",
        "time": "2026-11-24T16:00:00.007Z",
        "datacontenttype": "application/json",
    }


@pytest.mark.parametrize("status", [500, 503, 301, 404, 429])
async def test_a_webhook_that_fails_gets_the_same_bytes_again_in_order(status, tmp_path, time):
    add_audit(tmp_path, [1, 2])
    hook = Hook()
    hook.status = status
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
        await announce(tmp_path, channel)
        assert len(hook.requests) == 1, "the second waits for the first, the first for its time"
        hook.status = 200
        time.pass_s(RETRY_S[0])
        await announce(tmp_path, channel)
    bodies = [body for _, body in hook.requests]
    assert bodies[0] == bodies[1]
    assert [json.loads(body)["id"] for body in bodies[1:]] == [b64u(finding_id(n)) for n in (1, 2)]


async def test_back_off_grows_is_bounded_and_is_remembered(tmp_path, time):
    add_audit(tmp_path, [1])
    hook = Hook()
    waits = []
    for _ in range(len(RETRY_S) + 2):
        async with webhook(hook) as channel:  # nobody listens
            await announce(tmp_path, channel)
        with closing(sqlite3.connect(tmp_path / "office.db")) as connection:
            ((next_at,),) = connection.execute("SELECT next_at FROM message").fetchall()
        waits.append((next_at - time.ms) / 1000)
        time.ms = next_at
    assert waits == [*RETRY_S, RETRY_S[-1], RETRY_S[-1]]


async def test_one_event_that_is_refused_again_and_again_holds_up_no_other(tmp_path, time):
    add_audit(tmp_path, [1, 2])
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        hook.status = 422
        for _ in range(REFUSED_MAX):
            await announce(tmp_path, channel)
            time.pass_s(RETRY_S[-1])
        assert {json.loads(body)["subject"] for _, body in hook.requests[:REFUSED_MAX]} == {"C01"}
        assert read_outbox(tmp_path)["webhook"]["aside"] == 1
        hook.status = 200
        await announce(tmp_path, channel)
        assert json.loads(hook.requests[-1][1])["subject"] == "C02"
        time.pass_s(ASIDE_S)
        await announce(tmp_path, channel)
        assert json.loads(hook.requests[-1][1])["subject"] == "C01"
    assert read_outbox(tmp_path)["webhook"] == {
        "sent": 2,
        "waiting": 0,
        "aside": 0,
        "problem": "",
    }


async def test_ten_thousand_findings_are_one_mail_that_has_them_all(tmp_path):
    add_audit(tmp_path, range(10_000))
    post = PostOffice(data_size_limit=33_554_432)
    with post.open():
        await announce(tmp_path, mail_to(post))
    (mail,) = post.mails
    assert "10,000 high findings" in mail["Subject"]
    text = mail.get_body().get_content()
    assert "   3,334  audit      C00" in text
    assert text.count("entry ") == LISTED_MAX
    attached = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    findings = json.loads(attached["findings.json"])["findings"]
    assert [one["id"] for one in findings] == [b64u(finding_id(n)) for n in range(10_000)]
    check(
        attached["findings.json"],
        attached["findings.jws"].decode().strip(),
        KEY.public,
        WARNING_TYPE,
    )


async def test_a_flood_reaches_the_webhook_in_order_without_a_gap_or_a_double(tmp_path):
    add_audit(tmp_path, range(600))
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
    assert [json.loads(body)["data"]["index"] for _, body in hook.requests] == list(range(600))


async def test_mail_waits_for_what_comes_together_and_while_the_server_is_down(tmp_path, time):
    post = PostOffice()
    channel = mail_to(post, settle_s=10)
    add_audit(tmp_path, [1])
    await announce(tmp_path, channel)
    time.pass_s(5)
    add_audit(tmp_path, [2])
    await announce(tmp_path, channel)
    time.pass_s(5)
    await announce(tmp_path, channel)  # nobody listens: hours of it
    for _ in range(20):
        time.pass_s(RETRY_S[-1])
        add_audit(tmp_path, [100 + round(time.ms / 1000) % 100_000])
        await announce(tmp_path, channel)
    with post.open():
        post.refusal = "451 later"
        time.pass_s(RETRY_S[-1])
        await announce(tmp_path, channel)
        assert post.mails == []
        post.refusal = ""
        time.pass_s(RETRY_S[-1])
        await announce(tmp_path, channel)
    subjects = [str(mail["Subject"]).split(" / ")[0] for mail in post.mails]
    assert subjects == [f"[{ORIGIN}] 2 high findings", f"[{ORIGIN}] 20 high findings"]


async def test_mail_says_who_wrote_and_in_two_languages(tmp_path):
    add_integrity(tmp_path, 1)
    post = PostOffice()
    with post.open():
        await announce(tmp_path, mail_to(post))
    (mail,) = post.mails
    assert mail["To"] == "duty@regulator.example, boss@regulator.example"
    assert mail["Message-ID"].endswith(f"@{OBSERVER}>")
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_body().get_content()
    assert "FORK  the tree" in text
    assert "FORK  The log has two histories / 账本出现分叉" in text
    assert "发现 1 项新的高风险问题" in text


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from regulator.outbox import Outbox
from tests.unit.regulator import test_warning as t
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import skip_the_law
from tests.unit.regulator.observing import observing
from tests.unit.regulator.receivers import Hook, PostOffice

Outbox.sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

async def main():
    hook, post = Hook(), PostOffice()
    hook.port, post.port = int(sys.argv[2]), int(sys.argv[3])
    async with t.webhook(hook) as channel:
        way = channel if sys.argv[4] == "webhook" else t.mail_to(post)
        await t.announce(Path(sys.argv[1]), way)

asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["webhook", "mail"])
async def test_killed_between_sending_and_noting_it_repeats_the_same_message(way, tmp_path):
    add_audit(tmp_path, [1])
    hook, post = Hook(), PostOffice()
    async with hook.open(), webhook(hook) as channel:
        with post.open():
            run = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", KILLED, tmp_path, str(hook.port), str(post.port), way],
                check=False,
                timeout=60,
            )
            assert run.returncode == -signal.SIGKILL
            for _ in range(2):
                await announce(tmp_path, channel if way == "webhook" else mail_to(post))
    if way == "webhook":
        bodies = [body for _, body in hook.requests]
        assert len(bodies) == 2
        assert bodies[0] == bodies[1]
    else:
        assert len(post.raw) == 2
        assert post.raw[0] == post.raw[1]
    assert read_outbox(tmp_path)[way]["sent"] == 1


async def test_an_audit_made_anew_repeats_and_misses_nothing(tmp_path):
    add_audit(tmp_path, [1, 2, 3])
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
        for path in tmp_path.glob("audit.db*"):
            path.unlink()
        add_audit(tmp_path, [1, 9])
        await announce(tmp_path, channel)
        add_audit(tmp_path, [2, 3, 4])
        await announce(tmp_path, channel)
    indexes = [json.loads(body)["data"]["index"] for _, body in hook.requests]
    assert indexes == [1, 2, 3, 9, 4]


async def test_whoever_is_named_later_hears_everything(tmp_path):
    add_audit(tmp_path, [1, 2])
    hook, post = Hook(), PostOffice()
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
    with post.open():
        await announce(tmp_path, mail_to(post))
    assert "2 high findings" in post.mails[0]["Subject"]


async def test_a_source_that_cannot_be_read_is_read_later(tmp_path):
    (tmp_path / AUDIT_NAME).write_bytes(b"no database" * 100)
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        await announce(tmp_path, channel)
        (tmp_path / AUDIT_NAME).unlink()
        add_audit(tmp_path, [1])
        await announce(tmp_path, channel)
    assert len(hook.requests) == 1


async def test_it_runs_by_itself_and_stops_when_told_to(tmp_path):
    add_audit(tmp_path, [1])
    hook = Hook()
    async with hook.open(), webhook(hook) as channel:
        with open_office(tmp_path) as office:
            task = asyncio.create_task(Warnings(office, sources(tmp_path), [channel]).run())
            await hook.came.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert read_outbox(tmp_path)["webhook"]["sent"] == 1


async def test_a_fault_in_one_channel_does_not_silence_the_other(tmp_path, time):
    add_audit(tmp_path, [1])
    hook, post = Hook(), PostOffice()
    broken = mail_to(post)
    broken.compose = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    async with hook.open(), webhook(hook) as channel:
        with open_office(tmp_path) as office:
            warnings = Warnings(office, sources(tmp_path), [broken, channel])
            await warnings.take_in()
            for one in (broken, channel):
                assert await warnings.send_next(one)
    assert read_outbox(tmp_path)["mail"]["problem"] == "ZeroDivisionError"
    assert read_outbox(tmp_path)["webhook"]["sent"] == 1


def test_an_office_closes_after_what_another_thread_is_writing(tmp_path):
    began, go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def write(office: Office) -> None:
        with office.writing() as connection:
            began.set()
            assert go_on.wait(10)
            connection.execute("SELECT count(*) FROM run").fetchone()
            ended.append("written")

    with open_office(tmp_path) as office:
        thread = threading.Thread(target=write, args=(office,))
        thread.start()
        assert began.wait(10)
        threading.Timer(0.1, go_on.set).start()
    assert ended == ["written"]
    thread.join()
    with pytest.raises(sqlite3.ProgrammingError), office.writing():
        pass


async def test_a_full_disk_repeats_nothing_and_ends_nothing(tmp_path, monkeypatch):
    """What was sent is noted when the disk is there again; until then nothing is sent twice."""
    monkeypatch.setattr("regulator.warning.POLL_S", 0.01)
    add_audit(tmp_path, [1, 2])
    hook = Hook()
    full = 6
    begin = Office.writing

    def writing(office: Office) -> object:
        nonlocal full
        if hook.requests and full:
            full -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return begin(office)

    monkeypatch.setattr(Office, "writing", writing)
    async with hook.open(), webhook(hook) as channel:
        with open_office(tmp_path) as office:
            task = asyncio.create_task(Warnings(office, sources(tmp_path), [channel]).run())
            while read_outbox(tmp_path).get("webhook", {}).get("sent") != 2:
                hook.came.clear()
                await asyncio.wait([task, asyncio.create_task(hook.came.wait())], timeout=0.05)
                assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert full == 0
    assert [json.loads(body)["data"]["index"] for _, body in hook.requests] == [1, 2]


async def test_what_following_finds_is_announced(tmp_path):
    from regulator.duty import on_duty

    hook = Hook()
    consortium = Consortium(31)
    consortium.play(20)
    skip_the_law(consortium)
    consortium.log.publish()
    make_observer(tmp_path, OBSERVER, webhook_url=hook.url)
    (tmp_path / "genesis.body").write_bytes(consortium.genesis)
    async with (
        hook.open(),
        on_duty(load_config(tmp_path / "observer.toml")),
        observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer,
    ):
        await observer.follower.once()
        await hook.came.wait()
    ((_, body),) = hook.requests
    event = json.loads(body)
    assert (event["subject"], event["source"]) == ("LAW_BROKEN", f"//{OBSERVER}/integrity")
    assert event["data"]["index"] < consortium.log.size


async def test_the_office_is_on_duty_beside_following(tmp_path):
    from regulator.duty import on_duty

    hook = Hook()
    make_observer(tmp_path, OBSERVER, webhook_url=hook.url)
    config = load_config(tmp_path / "observer.toml")
    add_audit(tmp_path, [1])
    async with hook.open(), on_duty(config):
        await hook.came.wait()
    (tmp_path / "keys" / "report.json").unlink()
    with pytest.raises(BadConfig, match="regulator init"):
        async with on_duty(config):
            pass


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for 127.0.0.1, and a client's that trusts it."""
    import ipaddress
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_mail_goes_over_tls_and_a_password_is_never_said(tmp_path, time):
    theirs, ours = make_certificate(tmp_path)
    add_audit(tmp_path, [1])
    post = PostOffice()
    post._options |= {
        "tls_context": theirs,
        "require_starttls": True,
        "authenticator": post.log_in,
        "auth_required": True,
    }
    url = f"smtp://duty:wrong-hush@127.0.0.1:{post.port}?starttls"
    with post.open(), capture_logs() as logs:
        await announce(tmp_path, mail_to(post, server=parse_mail_server(url), tls=ours))
        assert post.mails == []
        time.pass_s(RETRY_S[-1])
        right = parse_mail_server(url.replace("wrong-hush", "hush-hush"))
        # A server whose certificate nobody vouches for gets neither mail nor password.
        logins = len(post.logins)
        await announce(tmp_path, mail_to(post, server=right))
        assert len(post.logins) == logins
        time.pass_s(RETRY_S[-1])
        await announce(tmp_path, mail_to(post, server=right, tls=ours))
    assert len(post.mails) == 1
    assert post.logins[-1] == ("duty", "hush-hush")
    assert any("535" in str(line.get("problem")) for line in logs)
    assert "hush" not in repr(logs) + repr(right)
    assert b"hush" not in (tmp_path / "office.db").read_bytes()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 25, False, False)),
        ("smtps://mail.example", MailServer("mail.example", 465, True, False)),
        (
            "smtp://a%40b:p%3Aw@mail.example:587?starttls",
            MailServer("mail.example", 587, False, True, "a@b", "p:w"),
        ),
        ("smtp://u:p@127.0.0.1:2525", MailServer("127.0.0.1", 2525, False, False, "u", "p")),
    ],
)
def test_a_mail_server_is_an_address(url: str, server: MailServer):
    assert parse_mail_server(url) == server
    assert "p:w" not in repr(parse_mail_server(url))


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("smtp_url", "http://mail.example", "smtp_url: not smtp://"),
        ("smtp_url", "smtp://mail.example:99999", "smtp_url: not smtp://"),
        ("smtp_url", "smtp://mail.example?tls", "smtp_url: not smtp://"),
        ("smtp_url", "smtps://mail.example?starttls", "from the first byte"),
        ("smtp_url", "smtp://u:hush@mail.example", "in the clear"),
        ("smtp_url", "smtp://mail.example", "of no use without mail_from"),
        ("mail_to", "nobody", "not addresses"),
        ("mail_to", "a@b.example\r\nBcc: c@d.example", "not addresses"),
        ("mail_from", "a@b.example,c@d.example", "one sender"),
        ("webhook_url", "ftp://x", "webhook_url: no http"),
        ("webhook_url", "https://x/#hush", "webhook_url: no http"),
        ("reports_daily", "L1,L10", "reports_daily: not some of"),
        ("report_formats", "docx", "report_formats: not some of"),
        ("report_zone", "Mars/Olympus", "is no time zone"),
    ],
)
def test_an_unfit_setting_is_refused_without_its_value(tmp_path, setting, value, problem):
    make_observer(tmp_path, OBSERVER)
    with pytest.raises(BadConfig) as caught:
        load_config(tmp_path / "observer.toml", {f"REGULATOR_{setting.upper()}": value})
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_password_may_lie_in_a_file_of_its_own(tmp_path):
    make_observer(tmp_path, OBSERVER)
    settings = {
        "REGULATOR_SMTP_URL": "smtp://duty@mail.example?starttls",
        "REGULATOR_MAIL_FROM": "a@b.example",
        "REGULATOR_MAIL_TO": "c@d.example",
    }
    config = load_config(tmp_path / "observer.toml", settings)
    with pytest.raises(BadConfig, match=r"smtp\.password"):
        load_mail_server(config)
    path = tmp_path / "keys" / "smtp.password"
    path.write_text("hush-hush\n")
    path.chmod(0o600)
    server = load_mail_server(config)
    assert server is not None
    assert server.password == "hush-hush"
    assert "smtp_url" not in repr(config)


def test_a_finding_is_taken_in_once_from_wherever_it_comes(tmp_path):
    with open_office(tmp_path) as office:
        outbox = Outbox(office)
        notice = Notice("f", "audit", "{}")
        assert outbox.place("audit") == START
        assert outbox.take_in("audit", [notice, notice], Place(2, "f"), 1) == 1
        assert outbox.take_in("integrity", [notice], Place(1, "f"), 1) == 0
        assert outbox.place("audit") == Place(2, "f")
        assert outbox.form("mail", 10, 0, 5) == 0, "it came just now"
        assert outbox.form("mail", 10, 1, 5) == 1
        assert outbox.form("mail", 10, 1, 5) == 0
        message = outbox.next("mail", 5)
        assert message is not None
        outbox.sent(message, 6)
        with pytest.raises(AssertionError, match="once"):
            outbox.sent(message, 7)


def test_addresses_stand_between_commas():
    assert parse_addresses(" a@b.example, c@d.example ,") == ("a@b.example", "c@d.example")
