"""L9, the ledger integrity certificate: what the log is at this size, checked again on the bytes.

The root is computed from the copy's own tiles, and entries drawn by a printed seed are hashed again
up to it, with their bodies and signatures. Whoever holds any copy of the log can do the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from creditchain.tlog.wire import encode_base64
from regulator.report.contents.copy import Body, Rehashed, open_copy
from regulator.report.contents.material import Material, coded, col, opened, shaped
from regulator.report.contents.words import NO, YES
from regulator.report.model import (
    POINTS_MAX,
    BadReport,
    Both,
    Chart,
    ChartKind,
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

SAMPLE: Final = 1_024
"""Entries read again: a copy with one entry in two hundred altered passes once in 170 times."""

SAMPLE_MAX: Final = 100_000

SHOWN: Final = 64
"""Entries of the sample that are listed although nothing is wrong with them."""

KEYS_SHOWN: Final = 10_000


def integrity_certificate(folder: Path, scope: Scope) -> Report:
    """L9 at the scope's size; the parameter `sample` says how many entries are read again."""
    wanted = _wanted(scope)
    with opened(folder, scope) as material, open_copy(folder, material.session) as copy:
        root = encode_base64(copy.root)
        checked = [copy.rehash(index) for index in draw(scope.seed, scope.size, wanted)]
        return Report(
            ReportCode.INTEGRITY_CERTIFICATE,
            material.header(seed=scope.seed, sample=len(checked)),
            (
                _figures(material, scope, root, checked),
                _statement(scope, root, checked),
                _facts(material, root),
                _gaps(material),
                _held(material),
                _growth(material),
                _keys(material),
                _types(material),
                _sample(checked),
                _erased(material),
            ),
        )


def draw(seed: int, size: int, wanted: int) -> list[int]:
    """Indexes below `size`, `wanted` of them or all, each once, ascending: they follow from the
    seed by SHA-256 of `seed:n`, n counted from 0."""
    if wanted >= size:
        return list(range(size))
    drawn: set[int] = set()
    number = 0
    while len(drawn) < wanted:
        drawn.add(int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()) % size)
        number += 1
    return sorted(drawn)


def _wanted(scope: Scope) -> int:
    given = scope.parameter("sample")
    if given is None:
        return SAMPLE
    if not given.isdecimal() or not 1 <= int(given) <= SAMPLE_MAX:
        raise BadReport(f"sample is not from 1 to {SAMPLE_MAX}")
    return int(given)


def _figures(material: Material, scope: Scope, root: str, checked: Sequence[Rehashed]) -> Figures:
    unsound = sum(not one.sound for one in checked)
    integrity, ours = material.one(
        "SELECT count(*) FILTER (origin = 'INTEGRITY'), count(*) FILTER (origin = 'OBSERVER') "
        "FROM findings"
    )
    (missing,) = material.one("SELECT bodies_missing FROM log")
    return Figures(
        (
            Figure("size", Both("Entries", "条目数"), scope.size),
            Figure(
                "root_holds",
                Both("Root from our own tiles", "由自有数据块重算树根"),
                YES if root == scope.root else NO,
                Kind.TEXT,
                tone=Tone.GOOD if root == scope.root else Tone.BAD,
            ),
            Figure("read_again", Both("Entries read again", "复核条目"), len(checked)),
            Figure(
                "unsound",
                Both("of them not sound", "其中异常"),
                unsound,
                tone=Tone.BAD if unsound else Tone.GOOD,
            ),
            Figure("no_body", Both("Bodies erased or missing", "正文已删除或缺失"), missing),
            Figure(
                "findings",
                Both("Findings of integrity", "完整性问题"),
                integrity,
                tone=Tone.BAD if integrity else Tone.GOOD,
            ),
            Figure("about_us", Both("Findings about the observer", "观察节点自身问题"), ours),
        )
    )


def _statement(scope: Scope, root: str, checked: Sequence[Rehashed]) -> Text:
    sound = root == scope.root and all(one.sound for one in checked)
    if sound:
        return Text(
            Both(
                f"The observer's copy holds the first {scope.size} entries of {scope.origin}. "
                f"Their Merkle tree (RFC 6962, SHA-256) has the root {root}. "
                f"{len(checked)} entries drawn by the seed {scope.seed} were hashed again up to "
                "this root, with every body that is not erased, and every signature of those "
                "bodies verified again; all hold.",
                f"观察节点副本保存{scope.origin}的前{scope.size}条。其默克尔树（RFC 6962，SHA-256）"
                f"树根为{root}。按种子{scope.seed}抽取{len(checked)}条重新计算至树根，"
                "未删除的正文及其签名均重新验证，全部成立。",
            ),
            Both("Statement", "声明"),
        )
    return Text(
        Both(
            f"NOT SOUND. The copy of the first {scope.size} entries of {scope.origin} does not "
            f"hold: computed root {root}, expected {scope.root}; entries not sound are listed "
            "below. Run `regulator check`, and do not rely on this copy until it is made good.",
            f"不成立。{scope.origin}前{scope.size}条的副本未通过复核：重算树根{root}，应为{scope.root}；"
            "异常条目见下表。请运行regulator check，修复前不得依赖本副本。",
        ),
        Both("Statement", "声明"),
    )


def _facts(material: Material, root: str) -> Table:
    (founding,) = material.rows(
        "SELECT name, regulator, operator, log_key, refusal_key, version, commitment "
        "FROM entries WHERE type = 'ConsortiumFounded' ORDER BY idx LIMIT 1"
    ) or [(None,) * 7]
    law = material.rows(
        "SELECT max(version) FROM entries WHERE type IN ('ConsortiumFounded', 'RulebookAdopted')"
    )
    rows: list[tuple[Both, object]] = [
        (Both("Log", "账本"), material.scope.origin),
        (Both("Consortium", "联盟"), founding[0]),
        (Both("Regulator", "监管机构"), founding[1]),
        (Both("Operator", "运营机构"), founding[2]),
        (Both("Commitment of the founding", "创世事件承诺值"), founding[6]),
        (Both("Key of the log", "账本签名公钥"), founding[3]),
        (Both("Key of refusals", "拒绝签名公钥"), founding[4]),
        (Both("Rulebook in force", "现行规则版本"), law[0][0] and str(law[0][0])),
        (Both("Root", "树根"), root),
    ]
    return shaped(
        "facts",
        Both("The log", "账本信息"),
        (col("fact", "Fact", "项目"), col("value", "Value", "内容", Kind.DIGEST)),
        rows,
    )


def _gaps(material: Material) -> Table:
    """What must never be, counted over every entry."""
    entries, last, backwards, early, late, untold = material.one(
        "WITH timed AS (SELECT idx, at_ms, signed_at_ms, "
        "lag(at_ms) OVER (ORDER BY idx) AS before_ms FROM entries) "
        "SELECT count(*), coalesce(max(idx), -1), count(*) FILTER (at_ms < before_ms), "
        "max(signed_at_ms - at_ms), max(at_ms - signed_at_ms), count(*) FILTER (at_ms IS NULL) "
        "FROM timed"
    )
    (quiet,) = material.one(
        "SELECT max(gap) FROM (SELECT at_ms - lag(at_ms) OVER (ORDER BY idx) AS gap FROM entries)"
    )
    (again,) = material.one(
        "SELECT count(*) - count(DISTINCT event_id) FROM entries WHERE event_id IS NOT NULL"
    )
    return shaped(
        "gaps",
        Both("Sequence and time, over every entry", "全部条目的连续性与时间"),
        (
            col("what", "What", "项目"),
            col("count", "Count", "数量", Kind.INTEGER),
            col("length", "Length", "时长", Kind.DURATION),
            col("holds", "As it should be", "是否正常"),
        ),
        [
            (
                Both("Gaps in the sequence", "序号缺口"),
                last + 1 - entries,
                None,
                last + 1 == entries == material.scope.size,
            ),
            (Both("Entries that cannot be read", "无法读取的条目"), untold, None, untold == 0),
            (Both("Times that go back", "时间倒退"), backwards, None, backwards == 0),
            (Both("Event ids used twice", "事件编号重复"), again, None, again == 0),
            (Both("Signed after admission, at most", "签署晚于收录（最大）"), None, early, None),
            (Both("Admitted after signing, at most", "收录晚于签署（最大）"), None, late, None),
            (Both("Longest silence", "最长静默"), None, quiet, None),
        ],
        Both(
            "A signer's clock may differ from the log's within the bound of the rulebook.",
            "签署方时钟与账本时钟之差应在规则允许范围内。",
        ),
    )


def _held(material: Material) -> Table:
    return material.table(
        "findings",
        Both("Held against the log, and against ourselves", "对账本及观察节点自身的问题"),
        (
            coded("origin", "About", "对象"),
            col("code", "Code", "代码", Kind.CODE),
            coded("what", "What", "问题"),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("found_at", "At", "时间", Kind.TIME),
            col("detail", "Detail", "详情"),
            col("certain", "Certain", "确定"),
            coded("state", "State", "状态"),
            col("finding", "Finding", "问题编号", Kind.DIGEST),
        ),
        "SELECT origin, code, code, idx, found_at, detail, certain, state, finding FROM findings "
        "WHERE origin IN ('INTEGRITY', 'OBSERVER') ORDER BY idx NULLS FIRST, code, finding",
    )


def _growth(material: Material) -> Chart:
    rows = material.rows(
        "SELECT day_of(make_timestamp_ms(at_ms))::VARCHAR AS day, count(*), max(idx) + 1 "
        "FROM entries WHERE at_ms IS NOT NULL GROUP BY day ORDER BY day DESC LIMIT ?",
        POINTS_MAX,
    )[::-1]
    return Chart(
        "growth",
        Both("Entries by day", "每日条目"),
        tuple(row[0] for row in rows),
        (Series(Both("entries", "条目"), tuple(row[1] for row in rows)),),
        ChartKind.LINE if len(rows) > 1 else ChartKind.BAR,
    )


def _keys(material: Material) -> Table:
    return material.table(
        "keys",
        Both("Keys of the institutions", "机构公钥"),
        (
            col("owner", "Owner", "所属机构", Kind.CODE),
            col("kid", "Thumbprint", "指纹", Kind.DIGEST),
            col("alg", "Algorithm", "算法", Kind.CODE),
            col("added_at", "Added", "登记时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("expires_at", "Expires", "到期", Kind.TIME),
            col("revoked_at", "Revoked", "吊销时间", Kind.TIME),
            coded("reason", "Reason", "原因"),
            col("compromised_since", "Compromised since", "泄露起始", Kind.TIME),
        ),
        "SELECT k.owner, k.kid, k.alg, k.added_at, k.added_idx, k.expires_at, k.revoked_at, "
        "k.revoked_reason, k.compromised_since FROM keys k SEMI JOIN members m "
        "ON k.owner = m.member ORDER BY k.owner, k.added_idx, k.kid LIMIT ?",
        KEYS_SHOWN,
        note=Both(
            "NULL as algorithm: a founder's first key, see the founding.",
            "算法为NULL者为创世成员首个公钥，见创世事件。",
        ),
    )


def _types(material: Material) -> Table:
    return material.table(
        "types",
        Both("Entries by type", "按类型统计"),
        (
            col("type", "Type", "类型", Kind.CODE),
            col("entries", "Entries", "条目数", Kind.INTEGER),
            col("no_body", "Without a body", "无正文", Kind.INTEGER),
            col("first", "First entry", "首个条目", Kind.INTEGER),
            col("last", "Last entry", "末个条目", Kind.INTEGER),
        ),
        "SELECT type, count(*), count(*) FILTER (NOT has_body), min(idx), max(idx) FROM entries "
        "GROUP BY type ORDER BY min(idx)",
    )


def _sample(checked: Sequence[Rehashed]) -> Table:
    unsound = [one for one in checked if not one.sound]
    sound = [one for one in checked if one.sound][:SHOWN]
    says = {
        Body.HOLDS: Both("holds", "成立"),
        Body.ERASED: Both("erased by law", "依法删除"),
        Body.MISSING: Both("MISSING", "缺失"),
        Body.ALTERED: Both("ALTERED", "被篡改"),
    }
    return shaped(
        "sample",
        Both("Entries read again", "复核条目"),
        (
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("in_tree", "Leads to the root", "可推至树根"),
            col("body", "Body", "正文"),
            col("signed", "Signature holds", "签名成立"),
            col("commitment", "Commitment, hex", "承诺值（十六进制）", Kind.DIGEST),
        ),
        [
            (one.index, one.in_tree, says[one.body], one.signed, one.commitment or None)
            for one in (*unsound, *sound)
        ],
        Both(
            f"Every entry that is not sound, then the first {SHOWN} of the others. "
            "The signature of an erased body cannot be verified: NULL.",
            f"先列全部异常条目，再列其余前{SHOWN}条。正文已删除者无法验签，记为NULL。",
        ),
    )


def _erased(material: Material) -> Table:
    return material.table(
        "erased",
        Both("Bodies erased on the log", "账本记载的正文删除"),
        (
            col("entry", "Entry of the erasure", "删除条目", Kind.INTEGER),
            col("happened_at", "At", "时间", Kind.TIME),
            coded("ground", "Ground", "依据"),
            col("acting", "By", "操作机构", Kind.CODE),
            col("target", "Erased entry", "被删条目", Kind.INTEGER),
            col("target_type", "Its type", "事件类型", Kind.CODE),
            col("commitment", "Its commitment", "承诺值", Kind.DIGEST),
        ),
        "SELECT idx, happened_at, ground, acting, target_idx, target_type, target_commitment "
        "FROM erasures WHERE what = 'BODY' ORDER BY idx",
    )
