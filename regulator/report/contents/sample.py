"""L3, the consent sample sheet: consents relied upon, drawn at random, each element checked.

The seed is printed, and whoever has the log and the seed draws the same consents: of each stratum
(institution and purpose) those whose SHA-256 of `seed:consent` is least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from regulator.report.contents.copy import Copy, open_copy
from regulator.report.contents.material import DAY_MS, Material, coded, col, opened, shaped
from regulator.report.model import (
    BadReport,
    Both,
    Chart,
    Figure,
    Figures,
    Kind,
    Report,
    ReportCode,
    Scope,
    Series,
    Table,
    Text,
    Tone,
)

PER_STRATUM: Final = 5
PER_STRATUM_MAX: Final = 200

ORDERS_EXAMINED_MAX: Final = 500
"""Orders looked at under one consent: the first ones; their number is told."""

WINDOW_MAX_MS: Final = 366 * DAY_MS
"""The longest window a consent may have: one year, a leap year included."""

HOLDS: Final = "PASS"
FAIL: Final = "FAIL"
UNKNOWN: Final = "UNKNOWN"

ELEMENTS: Final = (
    ("parties", Both("Parties", "当事方")),
    ("purpose", Both("Purpose", "用途")),
    ("content", Both("Content", "内容")),
    ("source", Both("Agencies", "征信机构")),
    ("period", Both("Period", "期限")),
    ("use", Both("Uses", "使用次数")),
    ("standing", Both("Standing", "有效状态")),
    ("signature", Both("Signature", "签名")),
    ("authority", Both("Authority", "签署权限")),
)


class Consent(NamedTuple):
    """A consent as the views have it; times are TIMESTAMPs, ids as they come."""

    consent_id: Any
    enterprise: str | None
    grantee: str | None
    purpose: str | None
    agencies: list[str] | None
    sections: list[str] | None
    valid_from: Any
    valid_until: Any
    uses_max: int | None
    uses: int
    granted_idx: int | None
    granted_at: Any
    withdrawn_at: Any
    expired_at: Any
    grant_commitment: str | None


class Order(NamedTuple):
    """An order under it."""

    consent_id: Any
    orderer: str | None
    enterprise: str | None
    purpose: str | None
    sections: list[str] | None
    agency: str | None
    placed_at: Any
    delivered_at: Any


def consent_sample(folder: Path, scope: Scope) -> Report:
    """L3 of consents that orders of the period rely on; `per_stratum` says how many of each."""
    with opened(folder, scope) as material, open_copy(folder, material.session) as copy:
        wanted = _wanted(scope)
        strata, drawn = _draw(material, scope.seed, wanted)
        consents = _consents(material, drawn)
        orders = _orders(material, drawn)
        enrolled = _authorities(material, [c.enterprise for c in consents])
        rows = []
        for consent in consents:
            under = orders.get(consent.consent_id, [])
            verdicts = check(consent, under, copy, enrolled.get(consent.enterprise or ""))
            rows.append((consent, under, verdicts))
        return Report(
            ReportCode.CONSENT_SAMPLE,
            material.header(seed=scope.seed, per_stratum=wanted),
            (
                _figures(rows, sum(row[2] for row in strata)),
                _chart(rows),
                _strata(strata, wanted),
                _sheet(rows),
                _terms(rows),
                Text(
                    Both(
                        "Drawn without choice: of each stratum the consents whose SHA-256 of "
                        "“seed:consent” is least. Parties: every order is by the grantee, on the "
                        "grantor. Purpose, content, agencies: no order goes beyond the terms. "
                        "Period: at most 366 days, and every order within it. Uses: not more than "
                        "granted. Standing: granted before each order and neither withdrawn nor "
                        "expired at placing and delivery. Signature: the grant's signature, "
                        "verified again over its bytes under the enterprise's key on the log. "
                        "Authority: the paper's fingerprint is on the log before the grant. The "
                        "evidence hash is the commitment of the grant's body in its entry.",
                        "抽样不含人为选择：每层取“种子:授权编号”的SHA-256最小者。"
                        "当事方：订单均由被授权机构对授权企业提出。用途、内容、征信机构：订单均未超出授权。"
                        "期限：不超过366日且订单均在期内。使用次数：未超过授权次数。"
                        "有效状态：下单与交付时已授权且未撤回、未到期。"
                        "签名：以账本所载企业公钥对授权正文字节重新验签。"
                        "签署权限：授权前账本已载授权文件指纹。证据哈希为授权正文在条目中的承诺值。",
                    ),
                    Both("How it was drawn and checked", "抽样与检查方法"),
                ),
            ),
        )


def check(
    consent: Consent, orders: Sequence[Order], copy: Copy, enrolled_idx: int | None
) -> tuple[str, ...]:
    """PASS, FAIL or UNKNOWN for each of `ELEMENTS`."""
    told = None not in (consent.grantee, consent.sections, consent.valid_until) and all(
        None not in (o.orderer, o.purpose, o.sections) for o in orders
    )
    holds = _terms_hold(consent, orders) if told else (None,) * 7
    signed: bool | None = None
    if consent.granted_idx is None:
        signed = False
    elif (body := copy.body(consent.granted_idx)) is not None:
        signed = copy.is_signed(body)
    authorised = None
    if consent.enterprise is not None:
        authorised = enrolled_idx is not None and enrolled_idx < (consent.granted_idx or 0)
    return tuple(
        UNKNOWN if one is None else HOLDS if one else FAIL for one in (*holds, signed, authorised)
    )


def _terms_hold(consent: Consent, orders: Sequence[Order]) -> tuple[bool, ...]:
    """The elements that follow from the terms, in the order of `ELEMENTS`."""
    ends = [end for end in (consent.withdrawn_at, consent.expired_at) if end is not None]
    relied = [at for o in orders for at in (o.placed_at, o.delivered_at) if at is not None]
    window_ms = (consent.valid_until - consent.valid_from).total_seconds() * 1000
    return (
        all((o.orderer, o.enterprise) == (consent.grantee, consent.enterprise) for o in orders),
        all(o.purpose == consent.purpose for o in orders),
        all(set(o.sections or ()) <= set(consent.sections or ()) for o in orders),
        all(o.agency in (consent.agencies or ()) for o in orders),
        window_ms <= WINDOW_MAX_MS
        and all(consent.valid_from <= o.placed_at < consent.valid_until for o in orders),
        consent.uses <= (consent.uses_max or 0),
        consent.granted_at is not None
        and all(consent.granted_at <= at and all(at < end for end in ends) for at in relied),
    )


def _wanted(scope: Scope) -> int:
    given = scope.parameter("per_stratum")
    if given is None:
        return PER_STRATUM
    if not given.isdecimal() or not 1 <= int(given) <= PER_STRATUM_MAX:
        raise BadReport(f"per_stratum is not from 1 to {PER_STRATUM_MAX}")
    return int(given)


def _draw(
    material: Material, seed: int, wanted: int
) -> tuple[list[tuple[Any, Any, int, int]], list[Any]]:
    """Each stratum with how many it has and how many were drawn; the consents drawn."""
    material.session.base.execute(
        "CREATE TEMP TABLE relied AS SELECT o.consent_id, c.grantee, c.purpose, "
        "row_number() OVER (PARTITION BY c.grantee, c.purpose "
        "ORDER BY sha256(?::VARCHAR || ':' || o.consent_id::VARCHAR)) AS place "
        "FROM (SELECT DISTINCT consent_id FROM orders WHERE in_period(placed_at) "
        "AND consent_id IS NOT NULL AND asked_for(orderer)) o "
        "LEFT JOIN (SELECT consent_id, grantee, purpose FROM consents) c USING (consent_id)",
        [str(seed)],
    )
    strata = material.rows(
        "SELECT grantee, purpose, count(*), count(*) FILTER (place <= ?) FROM relied "
        "GROUP BY grantee, purpose ORDER BY grantee, purpose",
        wanted,
    )
    drawn = material.rows(
        "SELECT consent_id FROM relied WHERE place <= ? ORDER BY grantee, purpose, place", wanted
    )
    return [(row[0], row[1], row[2], row[3]) for row in strata], [row[0] for row in drawn]


def _consents(material: Material, drawn: Sequence[Any]) -> list[Consent]:
    rows = material.rows(
        "SELECT consent_id, enterprise, grantee, purpose, agencies, sections, valid_from, "
        "valid_until, uses_max, uses, granted_idx, granted_at, withdrawn_at, expired_at, "
        "grant_commitment FROM consents WHERE list_contains(?::UUID[], consent_id)",
        list(drawn),
    )
    found = {row[0]: Consent(*row) for row in rows}
    return [found[one] for one in drawn if one in found]


def _orders(material: Material, drawn: Sequence[Any]) -> dict[Any, list[Order]]:
    rows = material.rows(
        "SELECT consent_id, orderer, enterprise, purpose, sections, agency, placed_at, "
        "delivered_at FROM orders WHERE list_contains(?::UUID[], consent_id) "
        "QUALIFY row_number() OVER (PARTITION BY consent_id ORDER BY placed_idx) <= ? "
        "ORDER BY placed_idx",
        list(drawn),
        ORDERS_EXAMINED_MAX,
    )
    found: dict[Any, list[Order]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Order(*row))
    return found


def _authorities(material: Material, enterprises: Iterable[str | None]) -> dict[str, int]:
    """The entry at which each enterprise's first key and its authority were put on the log."""
    wanted = sorted({one for one in enterprises if one is not None})
    return dict(
        material.rows(
            "SELECT enterprise, enrolled_idx FROM enterprises "
            "WHERE authority IS NOT NULL AND list_contains(?::VARCHAR[], enterprise)",
            wanted,
        )
    )


Checked = tuple[Consent, Sequence[Order], tuple[str, ...]]


def _figures(rows: Sequence[Checked], population: int) -> Figures:
    failed = sum(FAIL in verdicts for _, _, verdicts in rows)
    unknown = sum(UNKNOWN in verdicts and FAIL not in verdicts for _, _, verdicts in rows)
    return Figures(
        (
            Figure("population", Both("Consents relied upon", "被使用的授权"), population),
            Figure("drawn", Both("drawn", "抽取"), len(rows)),
            Figure("passed", Both("pass every element", "全部通过"), len(rows) - failed - unknown),
            Figure(
                "failed",
                Both("fail an element", "存在不通过"),
                failed,
                tone=Tone.BAD if failed else Tone.GOOD,
            ),
            Figure("unknown", Both("cannot be told", "无法判断"), unknown),
        )
    )


def _chart(rows: Sequence[Checked]) -> Chart:
    def count(at: int, verdict: str) -> int:
        return sum(verdicts[at] == verdict for _, _, verdicts in rows)

    places = range(len(ELEMENTS))
    return Chart(
        "elements",
        Both("Elements", "各要素检查结果"),
        tuple(label for _, label in ELEMENTS),
        (
            Series(Both("pass", "通过"), tuple(count(at, HOLDS) for at in places)),
            Series(Both("fail", "不通过"), tuple(count(at, FAIL) for at in places)),
            Series(Both("cannot be told", "无法判断"), tuple(count(at, UNKNOWN) for at in places)),
        ),
    )


def _strata(strata: Sequence[Sequence[Any]], wanted: int) -> Table:
    return shaped(
        "strata",
        Both("Strata", "分层"),
        (
            col("institution", "Institution", "机构", Kind.CODE),
            coded("purpose", "Purpose", "用途"),
            col("relied_upon", "Relied upon", "被使用授权数", Kind.INTEGER),
            col("drawn", "Drawn", "抽取数", Kind.INTEGER),
        ),
        strata,
        Both(f"{wanted} of each, or all.", f"每层{wanted}件，不足者全取。"),
    )


def _sheet(rows: Sequence[Checked]) -> Table:
    return shaped(
        "sheet",
        Both("Sample sheet", "检查表"),
        (
            col("consent", "Consent", "授权编号", Kind.CODE),
            col("institution", "Institution", "机构", Kind.CODE),
            coded("for_purpose", "For", "授权用途"),
            col("orders", "Orders examined", "检查订单数", Kind.INTEGER),
            *(coded(id_, label.en, label.zh) for id_, label in ELEMENTS),
            coded("result", "Result", "结论"),
            col("entry", "Entry of the grant", "授权条目", Kind.INTEGER),
            col("evidence", "Evidence hash", "证据哈希", Kind.DIGEST),
        ),
        [
            (
                consent.consent_id,
                consent.grantee,
                consent.purpose,
                len(orders),
                *verdicts,
                FAIL if FAIL in verdicts else UNKNOWN if UNKNOWN in verdicts else HOLDS,
                consent.granted_idx,
                consent.grant_commitment,
            )
            for consent, orders, verdicts in rows
        ],
        Both(
            f"At most {ORDERS_EXAMINED_MAX} orders are examined under one consent.",
            f"每件授权最多检查{ORDERS_EXAMINED_MAX}笔订单。",
        ),
    )


def _terms(rows: Sequence[Checked]) -> Table:
    return shaped(
        "terms",
        Both("Terms of the consents drawn", "所抽授权条款"),
        (
            col("consent", "Consent", "授权编号", Kind.CODE),
            col("enterprise", "Enterprise", "企业", Kind.CODE),
            col("agencies", "Agencies", "征信机构", Kind.CODE),
            coded("sections", "Sections", "内容"),
            col("valid_from", "From", "起", Kind.TIME),
            col("valid_until", "Until", "止", Kind.TIME),
            col("uses_max", "Uses granted", "授权次数", Kind.INTEGER),
            col("uses", "Uses taken", "已用次数", Kind.INTEGER),
            col("granted_at", "Granted", "授权时间", Kind.TIME),
            col("withdrawn_at", "Withdrawn", "撤回时间", Kind.TIME),
        ),
        [
            (
                c.consent_id,
                c.enterprise,
                c.agencies,
                c.sections,
                c.valid_from,
                c.valid_until,
                c.uses_max,
                c.uses,
                c.granted_at,
                c.withdrawn_at,
            )
            for c, _, _ in rows
        ],
    )
