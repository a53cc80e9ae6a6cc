"""Where the rules of members and their keys draw their lines."""

from tests.unit.regulator.audit.found import GRANTED, found

STOLEN = "of_ada OfficerDismissed officer=of_lin compromisedSince=-{}d -> ok"


def test_a_stolen_key_opens_its_days_of_use_with_first_and_last():
    asks = ["of_lin ConsentRequested -> ok"] * 3
    days = [line for _ in range(4) for line in (f"+1d {asks[0]}", *asks)]
    [(entries, facts)] = found("M03", *days, STOLEN.format(2))
    # Four a day from entry 30 on; the days before yesterday stay closed.
    assert entries == [34, 37, 38, 41, 42, 45, 46]
    assert facts["uses"] == 12
    assert facts["by"].startswith("of_")


def test_uses_longer_ago_than_a_year_stay_closed():
    ask = "of_lin ConsentRequested -> ok"
    [(entries, facts)] = found("M03", ask, f"+1d {ask}", f"+365d {ask}", STOLEN.format(400))
    assert (entries, facts["uses"]) == ([31, 32, 33], 2)


def test_a_theft_is_told_again_only_where_it_began_earlier():
    revoked = (
        "hana MemberKeyRevoked member=hana key=hana#0 reason=COMPROMISED compromisedSince={} -> ok"
    )
    told = found("M03", revoked.format("-1d"), revoked.format("-1h"), revoked.format("-2d"))
    assert [facts["why"] for _, facts in told].count("COMPROMISED") == 2
    assert found("M03", "hana MemberKeyRevoked member=hana key=hana#0:seal -> ok") == []


def test_a_data_source_has_93_days():
    adopted = "regulator RulebookAdopted -> ok"
    # Admitted at entry 12, of 30, one second each.
    assert found("M06", f"+{93 * 86_400 - 18}s {adopted}") == []
    [(_, facts)] = found("M06", f"+{93 * 86_400 - 17}s {adopted}")
    assert facts["days"] == 93
    suspended = "regulator MemberSuspended member=taxes -> ok"
    assert found("M06", suspended, f"+94d {adopted}", f"+94d {adopted}") == []


def test_one_agency_admitted_twice_keeps_its_filing():
    admitted = "regulator MemberAdmitted member=pearl kind=AGENCY filing=F-2026-1 -> ok"
    assert [facts["why"] for _, facts in found("M02", admitted)] == ["NO_FILING"]


def test_officers_after_their_end_and_grants_of_consent_are_told_elsewhere():
    appointed = "hana OfficerAppointed officer=of_new roles=ORDER expiresAt=+9s -> ok"
    acting = "+9s of_new ConsentRequested -> ok"
    assert found("M03", appointed, acting) == []
    revoked = "of_ada AuthoriserKeyRevoked enterprise=en_acme key=en_acme#0 -> ok"
    asked = "of_lin ConsentRequested c1 -> ok"
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    assert found("M03", revoked, asked, granted) == []


def test_a_member_key_is_dead_at_the_moment_it_expires():
    added = "hana MemberKeyAdded member=hana key=hana#1 expiresAt=+9s -> ok"
    signed = "+{}s hana#1 OfficerAppointed officer=of_new roles=ORDER -> ok"
    assert found("M03", added, signed.format(8)) == []
    assert len(found("M03", added, signed.format(9))) == 1


def test_consents_signed_with_a_stolen_key_are_opened_and_told_once():
    stolen = (
        "of_ada AuthoriserKeyRevoked enterprise=en_acme key=en_acme#0 reason=COMPROMISED "
        "compromisedSince=-{}s -> ok"
    )
    told = found("M03", GRANTED, stolen.format(60), stolen.format(61), stolen.format(62))
    [(entries, facts)] = told
    assert (entries, facts["uses"]) == ([31, 32], 1)


def test_a_member_without_a_key_is_told_when_it_happens_and_once():
    operator = "regulator MemberKeyRevoked member=operator key=operator#0 -> ok"
    [(_, facts)] = found("M08", operator)
    assert facts["why"] == "REVOKED"
    told = found(
        "M08",
        "hana MemberKeyAdded member=hana key=hana#1 expiresAt=+9s -> ok",
        "hana MemberKeyRevoked member=hana key=hana#1 -> ok",
        "regulator MemberKeyRevoked member=hana key=hana#0 -> ok",
        "regulator MemberKeyRevoked member=hana key=hana#0:seal -> ok",
        "+9s regulator RulebookAdopted -> ok",
    )
    assert [facts["why"] for _, facts in told] == ["REVOKED"]
    expiring = (
        "hana MemberKeyAdded member=hana key=hana#1 expiresAt=+10s -> ok",
        "hana MemberKeyRevoked member=hana key=hana#0 -> ok",
    )
    assert found("M08", *expiring, "+8s regulator RulebookAdopted -> ok") == []
    assert len(found("M08", *expiring, "+9s regulator RulebookAdopted -> ok")) == 1
