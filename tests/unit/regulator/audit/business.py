"""Honest business over months: what a consortium in good order logs, working days and all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from creditchain.client.keys import PrivateKey
from creditchain.events import Body, b64u
from creditchain.events.codes import (
    ErasureGround,
    LegalForm,
    ObjectionOutcome,
    RevocationReason,
    Role,
    SupersedeReason,
)
from creditchain.events.enterprise import AuthoriserKeyAdded, EnterpriseEnrolled
from creditchain.events.erasure import ReportErased
from creditchain.events.membership import MemberKeyAdded, MemberKeyRevoked
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import ReportDelivered
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from creditchain.seal import Sealed, parse_entry
from regulator.audit import Said
from regulator.auditor import read_said
from tests.lying_hub.honest import SECTIONS, Actor, Consortium
from tests.stories.audited import default_pack

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
RETENTION_MS: Final = 91 * DAY_MS


class Business(Consortium):
    """A `Consortium` that works on working days, renews its records, answers and erases in time."""

    def __init__(self, seed: int) -> None:
        self._batch = ""
        self._batch_at = 0
        self._kept: list[tuple[int, str]] = []
        self._asked_at: dict[str, int] = {}
        self._seen: dict[int, bytes] = {}
        super().__init__(seed)
        for _ in range(40):
            self.enrol()
        for _ in range(60):
            self.consent()

    def erasable(self) -> int:
        """Those that the observer has had a day to see."""
        yesterday = self.at - DAY_MS
        return max(1, bisect_right(self.log.entries, yesterday, key=lambda e: parse_entry(e).at))

    def admit(self, actor: Actor, body: Body) -> Sealed:
        """One lawful event; deliveries cite the records they rest on."""
        if isinstance(body, ReportDelivered):
            batches = (self._batch,)
            sections = tuple(replace(part, batches=batches) for part in body.sections or ())
            body = replace(body, sections=sections)
            self._kept.append((self.at, body.order))
        sealed = super().admit(actor, body)
        self._seen[self.log.size - 1] = sealed.body
        return sealed

    def body(self, index: int) -> bytes:
        """The body at an index as an observer saw it that was there before it was erased."""
        return self._seen.get(index) or self.log.bodies[index]

    def order(self) -> None:
        """An order in working hours, under records of the day; now and then something else."""
        self._wait()
        self.consents = [one for one in self.consents if one[2].valid_until > self.at]
        while not self.consents:
            self.consent()
        if not self._batch or self.at - self._batch_at > DAY_MS:
            self._commit_records()
        super().order()
        draw = self.random.random()
        if draw < 0.05:
            self._object()
        elif draw < 0.07:
            self._renew_key()
        elif draw < 0.09:
            self._replace_clerk()
        elif draw < 0.12:
            self._second_signatory()

    def consent(self) -> None:
        """A consent in working hours."""
        self._wait()
        super().consent()

    def take_consent(self) -> tuple[str, Actor]:
        """Some consent of an enterprise nobody asked about since yesterday, if there is one."""
        all_of_them = self.consents
        rested = [one for one in all_of_them if self._asked_at.get(one[1].id, 0) + DAY_MS < self.at]
        self.consents = list(rested) or all_of_them
        consent, enterprise = super().take_consent()
        if rested:
            self.consents += [one for one in all_of_them if one not in rested]
        self._asked_at[enterprise.id] = self.at
        return consent, enterprise

    def enrol(self) -> Actor:
        """An enterprise more; every third is a sole trader."""
        enterprise = self.actor("en_" + b64u(self._bytes(16)))
        form = LegalForm.SOLE_TRADER if len(self.enterprises) % 3 == 0 else None
        self.admit(
            self.bank,
            EnterpriseEnrolled(
                enterprise.id,
                self.digest(),
                "440100",
                enterprise.key.public,
                self.digest(),
                form,
            ),
        )
        self.enterprises.append(enterprise)
        return enterprise

    def _wait(self) -> None:
        self.at += self.random.randrange(1, 3 * HOUR_MS)
        while not default_pack().almanac.is_on_duty(self.at):
            self.at += HOUR_MS
            # The vault keeps no holidays.
            while self._kept and self._kept[0][0] + RETENTION_MS < self.at:
                _, order = self._kept.pop(0)
                self.admit(self.operator, ReportErased(order, ErasureGround.RETENTION_ENDED))

    def _commit_records(self) -> str:
        body = RecordsCommitted(self.digest(), 1_000, SECTIONS, self.at - HOUR_MS)
        old, self._batch = self._batch, self.admit(self.agency_officer, body).event.id
        self._batch_at = self.at
        return old

    def _object(self) -> None:
        enterprise = self.random.choice(self.enterprises)
        raised = ObjectionRaised("agency-lin", self.random.choice(SECTIONS), self.digest())
        objection = self.admit(enterprise, raised).event.id
        self._wait()
        is_wrong = self.random.random() < 0.5
        outcome = ObjectionOutcome.DATA_WRONG if is_wrong else ObjectionOutcome.DATA_RIGHT
        self.admit(self.agency_officer, ObjectionAnswered(objection, outcome, self.digest()))
        if is_wrong:
            old = self._commit_records()
            superseded = RecordsSuperseded(old, SupersedeReason.CORRECTED, self._batch)
            self.admit(self.agency_officer, superseded)

    def _renew_key(self) -> None:
        old, new = self.bank, self.actor("bank-hana")
        new = replace(new, key=self._new_key())
        self.admit(old, MemberKeyAdded("bank-hana", new.key.public))
        self.bank = new
        revoked = MemberKeyRevoked("bank-hana", old.key.public.kid, RevocationReason.SUPERSEDED)
        self.admit(new, revoked)

    def _replace_clerk(self) -> None:
        new = self.actor("of_" + b64u(self._bytes(16)))
        appointed = OfficerAppointed(new.id, (Role.ORDER,), new.key.public, self.digest())
        self.admit(self.bank, appointed)
        self.admit(self.bank, OfficerDismissed(self.bank_officer.id))
        self.bank_officer = new

    def _second_signatory(self) -> None:
        enterprise = self.random.choice(self.enterprises)
        added = AuthoriserKeyAdded(enterprise.id, self._new_key().public, self.digest())
        self.admit(enterprise, added)

    def _new_key(self) -> PrivateKey:
        return self.actor(b64u(self._bytes(16))).key


def read_log(business: Business) -> Iterator[tuple[int, int, str, Said]]:
    """The entries of a log as an auditor that is there steps through them."""
    for index, raw in enumerate(business.log.entries):
        entry = parse_entry(raw)
        commitment = b64u(entry.commitment)
        said = read_said(index, entry.at, commitment, business.body(index))
        yield index, entry.at, commitment, said
