"""The rule pack: thresholds, duty hours, holidays and severities, as a versioned TOML file.

PURE. The law differs by place and year, so it is data. A pack names every rule there is, under
`[enterprise.CODE]` or `[person.CODE]` as the rule's regime is, and gives every one of its limits;
nothing is filled in, so the pack's name and version say all. `off = true` leaves a rule out.

    name = "cn-enterprise"
    version = "2026.1"

    [calendar]
    utc_offset_minutes = 480
    duty_from = "08:30"
    duty_until = "18:00"
    duty_weekdays = [1, 2, 3, 4, 5]
    holidays = ["2026-10-01"]
    make_up_days = ["2026-10-10"]

    [enterprise.C05]
    cap_percent = 20

What is wrong is told with its line.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, Final

from creditchain.events.codes import Severity
from regulator.audit.almanac import Almanac, day_number
from regulator.audit.rule import Regime, Rule

PACK_BYTES_MAX: Final = 262_144
"""A pack of some 60 rules and ten years of holidays has 20 KiB."""
DATES_MAX: Final = 2_000
"""Some 30 holidays a year."""
CODE_CHARS_MAX: Final = 110
"""The longest id of a product, and the minutes for it."""
PROBLEM_CHARS_MAX: Final = 300
"""What is wrong with a pack may quote it, and a pack may have names of any length."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")


class BadPack(ValueError):
    """These bytes are no rule pack; `line` is where (from 1), `problem` what is wrong there."""

    def __init__(self, line: int, problem: str) -> None:
        if len(problem) > PROBLEM_CHARS_MAX:
            problem = f"{problem[: PROBLEM_CHARS_MAX - 4]} ..."
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Pack:
    """A rule pack. `limits` and `severities` are by rule code; `digest` is the file's SHA-256."""

    name: str
    version: str
    almanac: Almanac
    limits: Mapping[str, Any]
    severities: Mapping[str, Severity]
    off: frozenset[str]
    digest: bytes

    @property
    def label(self) -> str:
        """Name and version, as findings and reports cite it."""
        return f"{self.name}@{self.version}"

    def runs(self, code: str) -> bool:
        """Whether a rule is on."""
        return code in self.limits and code not in self.off


def parse_pack(data: bytes, rules: Sequence[Rule[Any]]) -> Pack:
    """The pack for these rules in the bytes of its file; raises `BadPack`."""
    if len(data) > PACK_BYTES_MAX:
        raise BadPack(1, f"more than {PACK_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPack(data[: error.start].count(b"\n") + 1, "not UTF-8") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at is not None else text.count("\n") + 1
        raise BadPack(line, str(error)) from None
    except (RecursionError, ValueError):
        # Too deep, or a number of thousands of digits; the parser says no more.
        raise BadPack(1, "nested too deep, or a number that is too long") from None
    return _Reading(text, data).pack(table, rules)


class _Reading:
    """One reading of a pack: its tables, and the lines to blame."""

    def __init__(self, text: str, data: bytes) -> None:
        self._lines = text.splitlines()
        self._data = data

    def pack(self, table: dict[str, Any], rules: Sequence[Rule[Any]]) -> Pack:
        self._only(table, {"name", "version", "calendar", *(one.value for one in Regime)}, "")
        name, version = self._name(table, "name"), self._name(table, "version")
        almanac = self._almanac(self._table(table.get("calendar"), "calendar"))
        limits, severities, off = {}, {}, set()
        known = {rule.code: rule for rule in rules}
        for regime in Regime:
            section = self._table(table.get(regime.value, {}), regime.value)
            for code, value in section.items():
                where = f"{regime.value}.{code}"
                rule = known.get(code)
                if rule is None:
                    raise self._bad(where, f"there is no rule {code}")
                if rule.regime is not regime:
                    raise self._bad(where, f"{code} stands under [{rule.regime.value}.{code}]")
                given = self._table(value, where)
                if "severity" in given:
                    severities[code] = self._severity(given["severity"], where)
                if given.get("off", False) is True:
                    off.add(code)
                elif "off" in given:
                    raise self._bad(where, "off is true or absent", "off")
                limits[code] = self._limits(rule, given, where)
        missing = [code for code in known if code not in limits]
        if missing:
            raise BadPack(max(1, len(self._lines)), f"the rule {missing[0]} is missing")
        return Pack(
            name,
            version,
            almanac,
            limits,
            severities,
            frozenset(off),
            hashlib.sha256(self._data).digest(),
        )

    def _limits(self, rule: Rule[Any], given: dict[str, Any], where: str) -> Any:
        wanted = fields(rule.limits)
        self._only(given, {"severity", "off", *(one.name for one in wanted)}, where)
        return rule.limits(**{one.name: self._limit(one, given, where) for one in wanted})

    def _limit(self, wanted: Field[Any], given: dict[str, Any], where: str) -> Any:
        name, bounds = wanted.name, wanted.metadata
        if name not in given:
            raise self._bad(where, f"{name} is missing")
        value = given[name]
        if "most" in bounds:
            return self._codes(value, bounds, where, name)
        low, high = bounds["low"], bounds["high"]
        if type(value) is not int or not low <= value <= high:
            raise self._bad(where, f"{name} is no whole number from {low} to {high}", name)
        return value

    def _codes(
        self, value: Any, bounds: Mapping[str, Any], where: str, name: str
    ) -> tuple[str, ...]:
        most, form, what = bounds["most"], bounds["form"], bounds["what"]
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(one, str) and 0 < len(one) <= CODE_CHARS_MAX for one in value)
        ):
            raise self._bad(where, f"{name} is no list of up to {most} short texts", name)
        for one in value:
            # Taken without a word, it would quietly mean nothing, or something else.
            if form.fullmatch(one) is None:
                raise self._bad(where, f"{name} holds what is no {what}", name)
        return tuple(sorted(set(value)))

    def _severity(self, value: Any, where: str) -> Severity:
        try:
            return Severity(value)
        except ValueError:
            names = ", ".join(Severity)
            raise self._bad(where, f"severity is not one of {names}", "severity") from None

    def _almanac(self, given: dict[str, Any]) -> Almanac:
        where = "calendar"
        names = {"utc_offset_minutes", "duty_from", "duty_until", "duty_weekdays"}
        self._only(given, {*names, "holidays", "make_up_days"}, where)
        for name in sorted(names | {"holidays", "make_up_days"}):
            if name not in given:
                raise self._bad(where, f"{name} is missing")
        offset, weekdays = given["utc_offset_minutes"], given["duty_weekdays"]
        if type(offset) is not int or not -720 <= offset <= 840:
            raise self._bad(
                where, "utc_offset_minutes is not from -720 to 840", "utc_offset_minutes"
            )
        if not isinstance(weekdays, list) or not all(
            type(one) is int and 1 <= one <= 7 for one in weekdays
        ):
            raise self._bad(
                where, "duty_weekdays are numbers from 1 (Monday) to 7", "duty_weekdays"
            )
        duty_from, duty_until = self._clock(given, "duty_from"), self._clock(given, "duty_until")
        if duty_until <= duty_from:
            raise self._bad(where, "duty_until is not after duty_from", "duty_until")
        return Almanac(
            offset,
            duty_from,
            duty_until,
            frozenset(weekdays),
            self._days(given, "holidays"),
            self._days(given, "make_up_days"),
        )

    def _clock(self, given: dict[str, Any], name: str) -> int:
        match = _CLOCK.fullmatch(given[name]) if isinstance(given[name], str) else None
        minute = int(match[1]) * 60 + int(match[2]) if match is not None else 1_441
        if minute > 1_440:
            raise self._bad("calendar", f"{name} is no time of day such as 08:30", name)
        return minute

    def _days(self, given: dict[str, Any], name: str) -> frozenset[int]:
        value = given[name]
        if not isinstance(value, list) or len(value) > DATES_MAX:
            raise self._bad("calendar", f"{name} is no list of up to {DATES_MAX} dates", name)
        try:
            return frozenset(day_number(str(one)) for one in value)
        except ValueError:
            raise self._bad("calendar", f"{name} holds what is no date", name) from None

    def _name(self, table: dict[str, Any], name: str) -> str:
        value = table.get(name)
        if not isinstance(value, str) or _NAME.fullmatch(value) is None:
            raise self._bad("", f"{name} is no short name of a-z, 0-9, dots and dashes", name)
        return value

    def _table(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._bad(where, "not a table")
        return value

    def _only(self, given: dict[str, Any], allowed: set[str], where: str) -> None:
        for name in given:
            if name not in allowed:
                raise self._bad(where, f"unknown name {name}", name)

    def _bad(self, where: str, problem: str, name: str = "") -> BadPack:
        """The error, at the line of `name` in the table `where`, as well as lines tell."""
        start = 0
        if where:
            header = re.compile(rf"\[\s*{re.escape(where)}\s*\]|{re.escape(where)}\s*=")
            found = (n for n, one in enumerate(self._lines) if header.match(one.strip()))
            start = next(found, 0)
        if name:
            begins = re.compile(rf"\[?\s*\"?{re.escape(name)}\b")
            for number in range(start, len(self._lines)):
                if begins.match(self._lines[number].strip()):
                    return BadPack(number + 1, problem)
        return BadPack(start + 1, problem)
