"""The four questions of a court, answered with what the bundle's own events show.

Rules of Online Litigation of People's Courts (2021), article 17: (1) whether the platform complies
with the rules for such services; (2) whether it has a stake in the case or interfered by technical
means; (3) whether its systems are clean, secure, reliable, available and up to standard; (4)
whether technology and process are up to standard. Each answer names what is not in the bundle and
who would have to be asked.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Final

from creditchain.client.cover_words import both, heading, statement_of
from creditchain.client.judged import Judged
from creditchain.events import format_time
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.events.membership import MemberAdmitted

_STANDARDS: Final = (
    ("SHA-256 (FIPS 180-4)", "every hash"),
    ("Ed25519 (RFC 8032), ES256 (FIPS 186-5, RFC 7518)", "signatures of authors"),
    ("RFC 6962 / RFC 9162", "the Merkle tree and its inclusion proofs"),
    ("RFC 8785", "canonical JSON: one spelling of what was signed"),
    ("RFC 7515, RFC 7638; W3C Web Authentication", "proof of authorship, names of keys; passkeys"),
    (
        "C2SP tlog-tiles, signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof",
        "log, checkpoints, observers, receipts",
    ),
)


def four_answers(judged: Judged) -> list[str]:
    """The section with the four answers, HTML."""
    names = judged.names()
    return [
        "<h2>The court's four questions <span lang=zh>法院审查的四个问题</span></h2>",
        *_compliance(judged, names),
        *_independence(judged, names),
        *_soundness(judged),
        *_standards(judged),
    ]


def _named(id: str, names: dict[str, str]) -> str:
    return f"{escape(names.get(id, ''))} (<code>{escape(id)}</code>)"


def _compliance(judged: Judged, names: dict[str, str]) -> list[str]:
    founding = judged.events[0]
    assert founding.event is not None, "the founding is never erased"
    body = founding.event.body
    assert isinstance(body, ConsortiumFounded), "a bundle begins with the founding"
    regulator, operator = (
        _named(judged.chain.regulator, names),
        _named(judged.chain.operator, names),
    )
    laws = [body.rulebook]
    admitted = []
    for e in judged.events:
        said = None if e.event is None else e.event.body
        if isinstance(said, RulebookAdopted):
            laws.append(said.version)
        if isinstance(said, MemberAdmitted):
            filing = (
                f", filing {escape(said.filing)}" if said.filing else ", no filing number stated"
            )
            admitted.append(
                f"<li>{_named(said.member, names)}: {said.kind.value}{filing}; entry {e.index}</li>"
            )
    at, rulebook = format_time(founding.at), ", ".join(map(str, laws))
    return [
        heading(
            "1. Does the platform comply with the rules for such services?",
            "一、存证平台是否符合国家有关规定",
            3,
        ),
        both(
            f"The consortium {escape(body.name)} was founded on {at} by a statement that the "
            f"regulator {regulator} signed with its own key. The hub is operated by {operator}. "
            "Every member below was admitted by the regulator's signature. Rulebook versions in "
            f"force up to here: {rulebook}.",
            f"联盟“{escape(body.name)}”由监管机构 {regulator} 于 {at} 以自有密钥签名成立；平台由 "
            f"{operator} 运营。以下成员均经监管机构签名准入。截至目前生效的规则手册版本："
            f"{rulebook}。",
        ),
        f"<ul>{''.join(admitted)}</ul>",
        both(
            "Licences and filings themselves are not in the bundle; the regulator holds them.",
            "许可证与备案文件本身不在本包内，由监管机构保存。",
        ),
    ]


def _independence(judged: Judged, names: dict[str, str]) -> list[str]:
    parties = judged.parties()
    operator, regulator = judged.chain.operator, judged.chain.regulator
    by_operator = Counter(
        e.event.type
        for e in judged.events
        if e.event is not None and judged.house_of(e.event.by) == operator
    )
    said = ", ".join(f"{count} {name}" for name, count in sorted(by_operator.items())) or "none 无"
    stake = sorted({operator, regulator} & set(parties.values()))
    listed = "; ".join(f"{what} {_named(party, names)}" for what, party in parties.items()) or "?"
    if stake:
        verdict = (
            (
                "<strong>A party of this order is also the operator or the regulator: "
                f"{escape(', '.join(stake))}.</strong>"
            ),
            f"<strong>本订单一方同时为运营方或监管机构：{escape(', '.join(stake))}。</strong>",
        )
    else:
        verdict = (
            "Neither the operator nor the regulator is a party of this order.",
            "运营方与监管机构均非本订单当事方。",
        )
    return [
        heading(
            "2. Is the platform independent of the parties, and did nobody interfere by "
            "technical means?",
            "二、平台与当事人是否存在利害关系，是否利用技术手段不当干预",
            3,
        ),
        both(
            f"Parties: {listed}. {verdict[0]} Shareholdings and contracts between them are not in "
            "the bundle.",
            f"当事方：{listed}。{verdict[1]}彼此间的股权与合同关系不在本包内。",
        ),
        both(
            "Every event is signed by the key of whoever said it, and what was signed is what "
            "the log commits to. The operator can delay or refuse an event; without another's "
            "key it cannot make one in that other's name, nor change one unseen. Signed by the "
            f"operator in this bundle: {said}.",
            "每一事件均由作者以自有密钥签名，链上承诺的即为其所签内容。运营方可以延迟或拒绝；未持"
            "有他人密钥，即不能以他人名义制作事件，改动亦会被发现。本包内由运营方签名的事件："
            f"{said}。",
        ),
    ]


def _soundness(judged: Judged) -> list[str]:
    rows = []
    for proof in judged.checkpoints:
        size = proof.checkpoint.size
        if not proof.cosignatures:
            rows.append(f"<li>size {size}: the log's signature alone 仅日志签名</li>")
        for c in proof.cosignatures:
            en, zh = statement_of(c.name)
            rows.append(
                f"<li>size {size}: <code>{escape(c.name)}</code>, {format_time(c.time_s * 1000)}: "
                f"{escape(en)}<br><span lang=zh>{escape(zh)}</span></li>"
            )
    signed = [e for e in judged.events if e.event is not None]
    skew = max(abs(e.event.signed_at - e.at) for e in signed if e.event is not None)
    policy = (
        "The policy asks for no cosignature"
        if judged.policy.quorum == "none"
        else "Every receipt carries the cosignatures that the policy asks for"
    )
    return [
        heading(
            "3. Are the systems clean, secure, reliable, available and up to standard?",
            "三、信息系统是否符合清洁性、安全性、可靠性、可用性的国家或行业标准",
            3,
        ),
        both(
            f"{policy}. The times at which entries were admitted never go back, the signers' "
            f"clocks and the log's lie at most {skew} ms apart, and no two checkpoints of one "
            "size have two roots. Checkpoints and cosignatures:",
            "各凭证均带有策略所要求的会签（若策略有要求）；上链时间从不倒退；签名者与日志的时钟相"
            f"差不超过 {skew} 毫秒；同一规模的检查点不存在两个根。检查点与会签如下：",
        ),
        f"<ul>{''.join(rows)}</ul>",
        both(
            "A change to any entry, by anyone, changes the root that log and observer have "
            "signed. That the machines were otherwise clean and secure is not shown by any "
            "signature: ask for the operator's security assessments and the regulator's "
            "inspections.",
            "任何人改动任何条目都会改变日志与观察方已签名的根。机器在其他方面是否清洁、安全，任何"
            "签名都无法证明，须调取运营方的等级保护测评与监管检查材料。",
        ),
    ]


def _standards(judged: Judged) -> list[str]:
    kinds = Counter(
        known.key.alg
        for e in judged.events
        if e.event is not None and (known := judged.chain.keys.get((e.event.by, e.kid))) is not None
    )
    used = ", ".join(f"{count} {alg}" for alg, count in sorted(kinds.items()))
    items = "".join(f"<li>{escape(name)}: {escape(what)}</li>" for name, what in _STANDARDS)
    return [
        heading(
            "4. Are technology and process up to standard?",
            "四、存证技术和过程是否符合系统环境、技术安全、加密方式、数据传输、信息验证等标准",
            3,
        ),
        both(
            f"Only published formats and algorithms are used (signatures here: {used}); whoever "
            "doubts the verifiers in this file can write another from the specifications:",
            f"仅使用公开的格式与算法（本包内签名：{used}）；对包内验证程序存疑者可依据规范另行编"
            "写：",
        ),
        f"<ul>{items}</ul>",
    ]
