"""Where the rules of privacy draw their lines."""

from tests.unit.regulator.audit.found import GRANTED, SERVED, found


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


def test_an_update_is_no_correction():
    told = found(
        "P04",
        "of_pei RecordsCommitted b1 -> ok",
        GRANTED,
        SERVED,
        "en_acme ObjectionRaised j1 -> ok",
        "of_pei ObjectionAnswered objection=j1 -> ok",
        "of_pei RecordsCommitted b2 -> ok",
        "of_pei RecordsSuperseded batch=b1 replacement=b2 reason=UPDATED -> ok",
        "+21d regulator RulebookAdopted -> ok",
    )
    assert [facts["why"] for _, facts in told] == ["RECIPIENTS_NOT_TOLD"]


def test_an_officer_id_used_twice_makes_no_ring():
    again = "minh OfficerAppointed officer=of_min roles=ORDER -> ok"
    more = [f"minh OfficerAppointed officer=of_m{n} roles=ORDER -> ok" for n in range(40)]
    left = "minh MemberWithdrawn member=minh -> ok"
    late = "+1859d regulator RulebookAdopted -> ok"
    [(entries, facts)] = found("P09", again, *more, again, left, late)
    assert (facts["officers"], len(entries)) == (41, 32)
