"""Where the rules of consent, members and privacy draw their lines: the last moment that is in
order, and the first that is not."""

from collections.abc import Mapping

from creditchain.events import b64u
from regulator.audit import AUDIT_RULES
from regulator.audit.consent import LISTED_MAX
from tests.stories.audited import play

RULES = {rule.code: rule for rule in AUDIT_RULES}

GRANTED = """
of_lin ConsentRequested c1 terms.usesMax=100 -> ok
en_acme ConsentGranted consent=c1 -> ok
"""
SERVED = """
of_lin OrderPlaced o1 consent=c1 -> ok
of_pei OrderAccepted order=o1 -> ok
of_pei ReportDelivered order=o1 -> ok
"""


def found(code: str, *lines: str) -> list[tuple[list[int], Mapping[str, str | int]]]:
    """What a rule finds in a story that begins with the usual consortium (30 entries): the entries
    cited and the facts of each finding."""
    text = "\n".join(("include consortium", *lines))
    return [
        ([one.entry for one in finding.entries], finding.facts)
        for *_, findings in play(text, [RULES[code]])
        for finding in findings
    ]


def test_of_many_orders_under_way_the_first_are_cited_and_all_are_counted():
    more = 5
    place = "of_lin OrderPlaced o{} consent=c1 -> ok"
    orders = [place.format(n) for n in range(LISTED_MAX + more)]
    [(entries, facts)] = found(
        "C13",
        GRANTED,
        *orders,
        f"of_pei OrderDeclined order=o{LISTED_MAX} -> ok",
        f"of_pei OrderDeclined order=o{LISTED_MAX} -> ok",
        "of_pei OrderDeclined order=o0 -> ok",
        "en_acme ConsentWithdrawn consent=c1 -> ok",
        "+5m regulator RulebookAdopted -> ok",
    )
    assert facts["orders"] == LISTED_MAX + more - 2
    assert entries[:4] == [30, 31, 33, 34]
    assert len(entries) == 32


def test_five_minutes_after_a_withdrawal_are_up_when_they_are():
    story = (GRANTED, SERVED[: SERVED.index("of_pei OrderAccepted")])
    withdrawn = "en_acme ConsentWithdrawn consent=c1 -> ok"
    assert found("C13", *story, withdrawn, "+299s of_lin OrderCancelled order=o1 -> ok") == []
    assert found("C13", *story, withdrawn, "+300s of_lin OrderCancelled order=o1 -> ok")


def test_a_second_withdrawal_starts_no_second_limit():
    withdrawn = "en_acme ConsentWithdrawn consent=c1 -> ok"
    late = "+6m regulator RulebookAdopted -> ok"
    place = "of_lin OrderPlaced o1 consent=c1 -> ok"
    assert len(found("C13", GRANTED, place, withdrawn, withdrawn, late)) == 1
    assert found("C13", GRANTED, withdrawn, place, late) == []


def test_clocks_may_be_two_minutes_apart():
    order = "+1s of_lin OrderPlaced consent=c1 @signed=-{}s -> ok"
    assert found("C03", GRANTED, order.format(121)) == []
    assert len(found("C03", GRANTED, order.format(122))) == 1


def test_each_month_is_judged_for_itself():
    other = "of_lin OrderPlaced purpose=OTHER -> ok"
    usual = "of_lin OrderPlaced -> ok"
    months = found(
        "C05", *[other] * 10, f"+30d {usual}", *[usual] * 39, *[other] * 10, f"+31d {usual}"
    )
    assert [facts["month"] for _, facts in months] == ["2026-03"]
    months = found(
        "C05", *[other] * 10, f"+30d {usual}", *[usual] * 38, *[other] * 10, f"+31d {usual}"
    )
    assert [facts["month"] for _, facts in months] == ["2026-03", "2026-04"]
    assert [entries for entries, _ in months] == [[30, 39, 40], [79, 88, 89]]


def test_a_loan_counts_as_live_for_36_months():
    lent = "of_lin CreditDecided order=o1 -> ok"
    looked = "of_lin OrderPlaced purpose=POST_LOAN_MANAGEMENT -> ok"
    # From 2026-03 to 2029-03 and 2029-04.
    assert found("C15", GRANTED, SERVED, lent, f"+1110d {looked}") == []
    assert len(found("C15", GRANTED, SERVED, lent, f"+1130d {looked}")) == 1
    declined = "of_lin CreditDecided order=o1 decision=DECLINED -> ok"
    assert len(found("C15", GRANTED, SERVED, declined, f"+366d {looked}")) == 1
    assert found("C15", f"+364d {looked}") == []
    assert len(found("C15", f"+365d {looked}")) == 1


def test_a_court_lends_nothing_and_may_look():
    looked = "+400d of_cai OrderPlaced purpose=POST_LOAN_MANAGEMENT -> ok"
    assert found("C15", looked) == []


def test_an_authorisation_is_kept_five_years_from_the_end_of_its_consent():
    # Granted at entry 31; valid for thirty days from its request, one second before.
    placed = "of_lin OrderPlaced consent=c1 -> ok"
    erased = "operator BodyErased index=31 -> ok"
    assert len(found("C14", GRANTED, placed, f"+{1856 * 86_400 - 3}s {erased}")) == 1
    assert found("C14", GRANTED, placed, f"+{1856 * 86_400 - 2}s {erased}") == []
    withdrawn = "en_acme ConsentWithdrawn consent=c1 -> ok"
    assert found("C14", GRANTED, placed, withdrawn, f"+1826d {erased}") == []
    assert len(found("C14", GRANTED, placed, withdrawn, f"+{1826 * 86_400 - 1}s {erased}")) == 1
    assert found("C14", GRANTED, placed, "operator BodyErased index=30 -> ok") == []


def test_a_key_added_by_the_voucher_is_watched_for_a_year():
    added = "of_ada AuthoriserKeyAdded enterprise=en_acme -> ok"
    asked = "of_lin ConsentRequested c1 -> ok"
    granted = "en_acme#1 ConsentGranted consent=c1 -> ok"
    assert len(found("C18", added, f"+{365 * 86_400 - 2}s {asked}", granted)) == 1
    assert found("C18", added, f"+{365 * 86_400 - 1}s {asked}", granted) == []


def test_a_key_that_expires_or_was_stolen_at_this_very_moment_is_dead():
    added = "en_acme AuthoriserKeyAdded enterprise=en_acme expiresAt=+10s -> ok"
    asked = "of_lin ConsentRequested c1 -> ok"
    grant = "en_acme#1 ConsentGranted consent=c1 -> ok"
    assert found("C10", added, asked, f"+8s {grant}") == []
    assert [facts["why"] for _, facts in found("C10", added, asked, f"+9s {grant}")] == ["EXPIRED"]
    stolen = (
        "of_ada AuthoriserKeyRevoked enterprise=en_acme key=en_acme#0 reason=COMPROMISED "
        "compromisedSince=-{}s -> ok"
    )
    order = "of_lin OrderPlaced consent=c1 -> ok"
    assert len(found("C10", GRANTED, stolen.format(1), order)) == 1
    assert found("C10", GRANTED, stolen.format(0), order) == []


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


def test_an_answer_is_due_at_the_end_of_the_twentieth_day():
    # Raised on 2 March at nine in the morning, by the calendar of the pack.
    raised = "en_acme ObjectionRaised j1 -> ok"
    answered = "of_pei ObjectionAnswered objection=j1 -> ok"
    hours = 20 * 24 + 15
    assert found("P03", raised, f"+{hours * 3600 - 32}s {answered}") == []
    assert len(found("P03", raised, f"+{hours * 3600 - 31}s {answered}")) == 1


def test_reports_of_each_day_have_their_own_retention():
    again = SERVED.replace("o1", "o2").strip()
    erased = "operator ReportErased order=o1 -> ok"
    days = found(
        "P02",
        GRANTED,
        SERVED,
        f"+1d {again}",
        f"+95d {erased}",
        "+9d regulator RulebookAdopted -> ok",
    )
    assert [(entries, facts["deliveredOn"]) for entries, facts in days] == [
        ([37, 39], "2026-03-03")
    ]


def test_where_a_data_source_was_wrong_every_agency_has_recipients_to_tell():
    raised = "en_acme ObjectionRaised j1 holder=taxes -> ok"
    answered = "of_tao ObjectionAnswered objection=j1 -> ok"
    renewed = "of_tao RecordsCommitted -> ok"
    late = "+21d regulator RulebookAdopted -> ok"
    [(entries, facts)] = found("P04", GRANTED, SERVED, raised, answered, renewed, late)
    assert (entries[:3], facts["why"]) == ([34, 35, 36], "RECIPIENTS_NOT_TOLD")
    other = raised.replace("holder=taxes", "holder=tide")
    [(_, facts)] = found("P04", GRANTED, SERVED, other, answered, late)
    assert (facts["why"], facts["recipients"]) == ("NOT_CORRECTED", 0)
    section = raised.replace("-> ok", "section=GUARANTEES -> ok")
    [(_, facts)] = found("P04", GRANTED, SERVED, section, answered, late)
    assert facts["recipients"] == 0
    long_ago = found("P04", GRANTED, SERVED, f"+366d {raised}", answered, renewed, late)
    assert long_ago == []


def test_negative_data_about_a_person_may_be_five_years_old_to_the_day():
    def delivered(days: int) -> str:
        return f"""
pearl ProductOffered product=pearl/tax sections=TAX_ARREARS -> ok
hana EnterpriseEnrolled enterprise=en_stall form=SOLE_TRADER -> ok
of_tao RecordsCommitted b1 sections=TAX_ARREARS asOf=-{days}d -> ok
of_lin OrderPlaced o1 enterprise=en_stall product=pearl/tax sections=TAX_ARREARS -> ok
of_pei ReportDelivered order=o1 sections=TAX_ARREARS:b1 -> ok
"""

    assert found("P01", delivered(1827)) == []
    [(_, facts)] = found("P01", delivered(1828))
    assert facts["days"] == 1828


def test_names_of_a_member_that_left_are_told_together():
    left = "hana MemberWithdrawn member=hana -> ok"
    dismissed = "hana OfficerDismissed officer=of_wu -> ok"
    gone = "operator DirectoryErased subject=of_ada ground=RETENTION_ENDED -> ok"
    late = "+1859d regulator RulebookAdopted -> ok"
    told = found("P09", dismissed, gone, left, late)
    # Those of of_wu, and of of_lin with the bank; of_ada's is erased.
    assert told == [([17, 33], {"officers": 1}), ([18, 33], {"officers": 1})]


def test_a_register_needs_the_name_for_five_years_to_the_moment():
    person = "hana EnterpriseEnrolled enterprise=en_stall form=SOLE_TRADER -> ok"
    looked = "of_lin OrderPlaced enterprise=en_stall -> ok"
    erased = "hana DirectoryErased subject=of_lin -> ok"
    assert found("P10", person, looked, f"+1827d {erased}") == []
    assert len(found("P10", person, looked, f"+{1827 * 86_400 - 1}s {erased}")) == 1


def test_a_finding_cites_bodies_by_their_commitments():
    [(*_, said, [finding])] = [
        step
        for step in play(
            f"include consortium\n{GRANTED}of_min OrderPlaced consent=c1 -> ok", [RULES["C11"]]
        )
        if step[2]
    ]
    assert finding.entries[-1].commitment == said.commitment
    assert finding.id == b64u(finding.digest)
