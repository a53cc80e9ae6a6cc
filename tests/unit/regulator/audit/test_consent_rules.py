"""Where the rules of consent draw their lines: the last moment that is in order, and the first that
is not."""

from creditchain.events import b64u
from regulator.audit.consent import LISTED_MAX
from tests.stories.audited import play
from tests.unit.regulator.audit.found import GRANTED, RULES, SERVED, blamed, found

SHAM = (
    "hana EnterpriseEnrolled enterprise=en_sham -> ok",
    "of_lin ConsentRequested c1 enterprise=en_sham -> ok",
    "en_sham ConsentGranted consent=c1 -> ok",
)


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
        f"of_pei OrderDeclined order=o{LISTED_MAX + 1} -> ok",
        "of_pei OrderDeclined order=o0 -> ok",
        "en_acme ConsentWithdrawn consent=c1 -> ok",
        "+5m regulator RulebookAdopted -> ok",
    )
    assert facts["orders"] == LISTED_MAX + more - 3
    assert entries[:4] == [30, 31, 33, 34]
    assert len(entries) == 32


def test_orders_beyond_those_listed_are_not_forgotten_when_the_listed_end():
    orders = [f"of_lin OrderPlaced o{n} consent=c1 -> ok" for n in range(LISTED_MAX + 1)]
    ended = [f"of_lin OrderCancelled order=o{n} -> ok" for n in range(LISTED_MAX)]
    withdrawn = "en_acme ConsentWithdrawn consent=c1 -> ok"
    late = "+5m regulator RulebookAdopted -> ok"
    [(_, facts)] = found("C13", GRANTED, *orders, *ended, withdrawn, late)
    assert facts["orders"] == 1
    last = f"of_lin OrderCancelled order=o{LISTED_MAX} -> ok"
    assert found("C13", GRANTED, *orders, *ended, last, withdrawn, late) == []


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


def test_a_stranger_gives_no_institution_a_month():
    orders = ["{} OrderPlaced purpose=OTHER -> ok"] * 3
    late = "+40d regulator RulebookAdopted -> ok"
    few = "limits floor=2"
    for by, members in (("of_ghost", []), ("of_lin", ["hana"])):
        placed = [order.format(by) for order in orders]
        assert [member for member, _ in blamed("C05", few, *placed, late)] == members


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


def test_a_consent_serves_from_its_first_moment_up_to_but_not_its_last():
    asked = "of_lin ConsentRequested c1 terms.validFrom=+10s terms.validUntil=+20s -> ok"
    granted = "en_acme ConsentGranted consent=c1 -> ok"

    def why(wait: int) -> list[str | int]:
        order = f"+{wait}s of_lin OrderPlaced consent=c1 -> ok"
        return [facts["why"] for _, facts in found("C01", asked, granted, order)]

    assert [why(wait) for wait in (8, 9, 18, 19)] == [
        ["OUTSIDE_ITS_WINDOW"],
        [],
        [],
        ["OUTSIDE_ITS_WINDOW"],
    ]


def test_a_consent_taken_back_is_no_consent_used_up():
    [(_, facts)] = found(
        "C01",
        GRANTED.replace("usesMax=100", "usesMax=1"),
        "of_lin OrderPlaced consent=c1 -> ok",
        "en_acme ConsentWithdrawn consent=c1 -> ok",
        "of_lin OrderPlaced consent=c1 -> ok",
    )
    assert facts["why"] == "WITHDRAWN"


def test_a_grant_repeated_is_not_told_as_late_again():
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    early = "of_lin OrderPlaced consent=c1 -> ok"
    told = found("C03", "of_lin ConsentRequested c1 -> ok", early, granted, granted)
    assert [facts["why"] for _, facts in told] == ["GRANTED_AFTERWARDS"]


def test_an_agency_is_named_even_where_its_offer_is_unknown():
    order = "of_lin OrderPlaced consent=c1 product={}/none -> ok"
    assert found("C11", GRANTED, order.format("pearl")) == []
    [(_, facts)] = found("C11", GRANTED, order.format("tide"))
    assert facts["agency"] == "tide"


def test_an_order_at_an_agency_that_is_not_named_is_told_once():
    placed = "of_lin OrderPlaced o1 consent=c1 product=tide/basic -> ok"
    delivered = "of_tan ReportDelivered order=o1 -> ok"
    assert len(found("C11", GRANTED, placed, delivered)) == 1
    both = "of_lin ConsentRequested c1 terms.agencies=pearl,tide -> ok"
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    elsewhere = placed.replace("tide/basic", "pearl/basic")
    assert found("C11", both, granted, elsewhere, delivered) == []


def test_for_other_purposes_another_subject_is_no_related_party():
    order = "of_lin OrderPlaced consent=c1 enterprise=en_lotus -> ok"
    assert found("C12", GRANTED, order) == []
    assert len(found("C01", GRANTED, order)) == 1


def test_only_orders_before_the_withdrawal_were_under_way():
    place = "of_lin OrderPlaced consent=c1 -> ok"
    withdrawn = "en_acme ConsentWithdrawn consent=c1 -> ok"
    late = "+6m regulator RulebookAdopted -> ok"
    [(_, facts)] = found("C13", GRANTED, place, withdrawn, place, late)
    assert facts["orders"] == 1
    assert found("C13", GRANTED, withdrawn, late) == []


def test_what_is_open_ended_begins_above_a_year_and_a_thousand_uses():
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    for terms, ceiling, open_end in (
        ("terms.validUntil=+366d", 1, 0),
        ("terms.validUntil=+367d", 0, 1),
        ("terms.usesMax=1000", 1, 0),
        ("terms.usesMax=1001", 0, 1),
        ("terms.usesMax=12", 0, 0),
    ):
        asked = f"of_lin ConsentRequested c1 {terms} -> ok"
        told = [len(found(code, asked, granted)) for code in ("C07", "C09")]
        assert told == [ceiling, open_end], terms


def test_parties_and_period_are_looked_at_closely():
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    for asked, missing in (
        ("of_cai ConsentRequested c1 terms.grantee=court -> ok", "PARTIES"),
        ("of_lin ConsentRequested c1 terms.validUntil=+0s -> ok", "PERIOD"),
        ("of_lin ConsentRequested c1 terms.validUntil=+1s -> ok", "PERIOD"),
        ("of_lin ConsentRequested c1 terms.validFrom=+9s terms.validUntil=+9s -> ok", "PERIOD"),
    ):
        [(_, facts)] = found("C08", asked, granted)
        assert facts["missing"] == missing, asked
    assert found("C08", "of_lin ConsentRequested c1 terms.validUntil=+2s -> ok", granted) == []


def test_a_member_cannot_sign_for_an_enterprise():
    [(_, facts)] = found(
        "C10", "of_lin ConsentRequested c1 -> ok", "hana ConsentGranted consent=c1 -> ok"
    )
    assert facts["why"] == "NOT_OF_THE_ENTERPRISE"


def test_a_key_that_a_member_signs_with_is_no_enterprises():
    [(entries, facts)] = found("C18", "hana MemberKeyAdded member=hana key=en_sham#0 -> ok", *SHAM)
    assert (facts["why"], facts["of"], entries[0]) == ("KEY_OF_A_MEMBER", "hana", 30)
    admitted = "regulator MemberAdmitted member=shell key=en_sham#0 -> ok"
    [(_, facts)] = found("C18", admitted, *SHAM)
    assert facts["of"] == "shell"
    founded = "regulator ConsortiumFounded operator.key=en_sham#0 -> ok"
    [(_, facts)] = found("C18", founded, *SHAM)
    assert facts["of"] == "operator"
    assert found("C18", *SHAM) == []


def test_who_registers_the_key_of_another_answers_for_that_alone():
    """Anybody who knows a public key can register it: that must accuse no bank of its consents."""
    story = (GRANTED[: GRANTED.index("en_acme ConsentGranted")],)
    granted = "en_acme ConsentGranted consent=c1 -> ok"
    framed = "pearl OfficerAppointed officer=of_sham key=en_acme#0 roles=FULFIL -> ok"
    assert found("C18", *story, granted) == []
    [(member, officer)] = blamed("C18", *story, framed, granted)
    assert (member, officer) == ("pearl", None)
    own = "hana OfficerAppointed officer=of_clerk key=en_acme#0 roles=ORDER -> ok"
    [(member, officer)] = blamed("C18", *story, framed, own, granted)
    assert member == "hana"
    assert officer is not None


def test_a_voucher_recovers_only_for_who_has_no_key_left():
    own = "en_acme AuthoriserKeyAdded enterprise=en_acme key=en_acme#2 -> ok"
    revoked = "en_acme#2 AuthoriserKeyRevoked enterprise=en_acme key=en_acme#0 -> ok"
    stolen = revoked.replace("-> ok", "reason=COMPROMISED compromisedSince=-1s -> ok")
    added = "of_ada AuthoriserKeyAdded enterprise=en_acme -> ok"
    asked = "of_lin ConsentRequested c1 -> ok"
    granted = "en_acme#1 ConsentGranted consent=c1 -> ok"
    assert len(found("C18", own, revoked, stolen, added, asked, granted)) == 1
    both = revoked.replace("key=en_acme#0", "key=en_acme#2")
    assert found("C18", own, revoked, both, added, asked, granted) == []
