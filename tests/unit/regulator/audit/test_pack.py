"""A rule pack says all that differs by place and year; a malformed one is refused with line and
reason."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.events.codes import Severity
from regulator.audit import AUDIT_RULES, BadPack, parse_pack
from regulator.audit.pack import PACK_BYTES_MAX
from regulator.auditing import read_pack

SHIPPED = read_pack(None)
TEXT = SHIPPED.decode()


# All that a pack says beside the rules, in three lines.
CALENDAR = (
    b"calendar = {utc_offset_minutes = 480, duty_from = '07:30', duty_until = '20:00', "
    b"duty_weekdays = [1], holidays = [], make_up_days = []}\nname = 'a'\nversion = '1'\n"
)


def changed(old: str, new: str) -> str:
    """The shipped pack with its one `old` line replaced."""
    assert TEXT.count(f"\n{old}\n") == 1, old
    return TEXT.replace(f"\n{old}\n", f"\n{new}\n")


def line_of(text: str, words: str) -> int:
    """The number of the first line that begins so."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(words))


def test_the_shipped_pack_names_every_rule():
    pack = parse_pack(SHIPPED, AUDIT_RULES)
    assert {*pack.limits} == {rule.code for rule in AUDIT_RULES}
    assert pack.label == "cn-enterprise@2026.1"
    assert pack.off == frozenset()


def test_a_pack_may_weigh_a_rule_otherwise_or_leave_it_out():
    text = changed("[enterprise.C06]", '[enterprise.C06]\nseverity = "LOW"')
    text = text.replace("[enterprise.C04]\n", "[enterprise.C04]\noff = true\n")
    pack = parse_pack(text.encode(), AUDIT_RULES)
    assert pack.severities == {"C06": Severity.LOW}
    assert not pack.runs("C04")
    assert pack.runs("C06")
    assert pack.digest != parse_pack(SHIPPED, AUDIT_RULES).digest


def test_a_date_may_stand_with_or_without_quotes():
    text = TEXT.replace('"2026-01-01"', "2026-01-01")
    plain, quoted = (parse_pack(one.encode(), AUDIT_RULES) for one in (text, TEXT))
    assert plain.almanac == quoted.almanac


FAULTS = [
    ('name = "cn-enterprise"', 'name = "CN enterprise"', "name", "name is no short name"),
    ('version = "2026.1"', "version = 2026", "version", "version is no short name"),
    ('version = "2026.1"', "revision = 1", "revision", "unknown name revision"),
    ("[calendar]", "[calender]", "[calender]", "unknown name calender"),
    ("utc_offset_minutes = 480", "utc_offset_minutes = 900", "utc_offset", "not from -720 to 840"),
    ("utc_offset_minutes = 480", "utc_offset_minutes = true", "utc_offset", "not from -720 to 840"),
    ("utc_offset_minutes = 480", "", "[calendar]", "utc_offset_minutes is missing"),
    ("utc_offset_minutes = 480", "utc_offset = 480", "utc_offset", "unknown name utc_offset"),
    ('duty_from = "07:30"', 'duty_from = "7:30"', "duty_from", "no time of day such as 08:30"),
    ('duty_from = "07:30"', "duty_from = 0730", "duty_from", "Expected newline"),
    ('duty_until = "20:00"', 'duty_until = "24:01"', "duty_until", "no time of day such as 08:30"),
    ('duty_until = "20:00"', 'duty_until = "07:30"', "duty_until", "not after duty_from"),
    ("duty_weekdays = [1, 2, 3, 4, 5]", "duty_weekdays = [0]", "duty_weekdays", "1 (Monday) to 7"),
    ("duty_weekdays = [1, 2, 3, 4, 5]", "duty_weekdays = [[1]]", "duty_weekdays", "1 (Monday) to"),
    ("duty_weekdays = [1, 2, 3, 4, 5]", "duty_weekdays = [true]", "duty_weekdays", "1 (Monday) to"),
    ("cap_percent = 20", "cap_percent = 0", "cap_percent", "no whole number from 1 to 100"),
    ("cap_percent = 20", "cap_percent = 20.0", "cap_percent", "no whole number from 1 to 100"),
    ("cap_percent = 20", "cap_percent = true", "cap_percent", "no whole number from 1 to 100"),
    ("cap_percent = 20", 'cap_percent = "20"', "cap_percent", "no whole number from 1 to 100"),
    ("cap_percent = 20", "", "[enterprise.C05]", "cap_percent is missing"),
    ("cap_percent = 20", "cap = 1\ncap_percent = 20", "cap = 1", "unknown name cap"),
    ('regions = ["71", "81", "82"]', 'regions = "71"', "regions", "no list of up to 10 short"),
    ('regions = ["71", "81", "82"]', "regions = [71]", "regions", "no list of up to 10 short"),
    ('regions = ["71", "81", "82"]', 'regions = [""]', "regions", "no list of up to 10 short"),
    ('regions = ["71", "81", "82"]', 'regions = ["HK"]', "regions", "no two digits of a region"),
    ("by_product = []", 'by_product = ["a-b/c=0"]', "by_product", "what is no product=minutes"),
    ("by_product = []", 'by_product = ["a-b/c=4h"]', "by_product", "what is no product=minutes"),
    ("by_product = []", f'by_product = ["a-b/c={"9" * 25}"]', "by_product", "no product=minutes"),
    ('own_sections = ["CREDIT_SUMMARY", "RATINGS"]', 'own_sections = ["X"]', "own_s", "no section"),
    ('grounds = ["COURT_ORDER"]', 'grounds = ["COURT"]', 'grounds = ["COURT"]', "no ground of"),
    ("[enterprise.C04]", "[enterprise.C99]", "[enterprise.C99]", "there is no rule C99"),
    ("[enterprise.C04]", "[person.C04]", "[person.C04]", "C04 stands under [enterprise.C04]"),
    ("[person.P11]", "[enterprise.P11]", "[enterprise.P11]", "P11 stands under [person.P11]"),
    ("[enterprise.C04]", "[country.C04]", "[country.C04]", "unknown name country"),
    ("[enterprise.C04]", '[enterprise.C04]\nseverity = "FATAL"', "severity", "LOW, MEDIUM, HIGH"),
    ("[enterprise.C04]", "[enterprise.C04]\noff = false", "off", "off is true or absent"),
    ("[enterprise.C04]", "[enterprise.C04", "[enterprise.C04", "Expected ']'"),
]


@pytest.mark.parametrize(("old", "new", "where", "why"), FAULTS)
def test_a_malformed_pack_is_refused_with_its_line_and_the_reason(
    old: str, new: str, where: str, why: str
):
    text = changed(old, new)
    with pytest.raises(BadPack) as refused:
        parse_pack(text.encode(), AUDIT_RULES)
    assert why in refused.value.problem
    assert refused.value.line == line_of(text, where)
    assert str(refused.value).startswith(f"line {refused.value.line}: ")


def test_what_is_wrong_is_told_in_a_line_whatever_the_pack_calls_things():
    text = changed("[enterprise.C04]", f"[enterprise.{'C' * 100_000}]")
    with pytest.raises(BadPack) as refused:
        parse_pack(text.encode(), AUDIT_RULES)
    assert len(str(refused.value)) < 400


def test_a_rule_that_is_not_mentioned_is_missing():
    text = changed("[enterprise.C04]", "")
    with pytest.raises(BadPack, match="the rule C04 is missing"):
        parse_pack(text.encode(), AUDIT_RULES)


@pytest.mark.parametrize(
    ("data", "line", "why"),
    [
        (b"", 1, "name is no short name"),
        (b"\n" * (PACK_BYTES_MAX + 1), 1, "more than"),
        (b"name = 'a'\nversion = '\xff'", 2, "not UTF-8"),
        (b"a = " + b"[" * 100_000, 1, "nested too deep"),
        (b"a = " + b"9" * 100_000, 1, "too long"),
        (b"name = 'a'\nname = 'b'", 2, "Cannot overwrite a value"),
        (b"name = 'a'\nversion = '1'\ncalendar = 1", 3, "not a table"),
        (CALENDAR + b"person = 1", 4, "not a table"),
        (CALENDAR + b"enterprise.C01 = 1", 4, "not a table"),
    ],
)
def test_what_is_no_table_of_tables_is_refused(data: bytes, line: int, why: str):
    with pytest.raises(BadPack) as refused:
        parse_pack(data, AUDIT_RULES)
    assert (refused.value.line, why in refused.value.problem) == (line, True), refused.value


def test_an_unusual_number_of_dates_is_refused():
    text = TEXT.replace("holidays = [", "holidays = [" + '"2026-01-01",' * 2_000)
    with pytest.raises(BadPack, match="holidays is no list of up to 2000 dates"):
        parse_pack(text.encode(), AUDIT_RULES)
    with pytest.raises(BadPack, match="make_up_days holds what is no date"):
        parse_pack(TEXT.replace('"2026-02-14"', '"2026-02-30"').encode(), AUDIT_RULES)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_mangled_bytes_are_a_pack_or_refused_as_none(seed: int):
    random = Random(seed)
    data = bytearray(SHIPPED)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                del data[at : at + random.randint(1, 40)]
            case 2:
                data[at:at] = random.choice(
                    (b"[", b"]", b"=", b'"', b"\n", b"{", b"1e9", b"-", b".")
                )
            case 3:
                start = random.randrange(len(data))
                data[at:at] = data[start : start + random.randint(1, 200)]
    line = 1
    try:
        pack = parse_pack(bytes(data), AUDIT_RULES)
    except BadPack as refused:
        line = refused.line
    else:
        assert {*pack.limits} == {rule.code for rule in AUDIT_RULES}
    assert 1 <= line <= data.count(b"\n") + 1
