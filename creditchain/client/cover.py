"""The cover page of an evidence bundle: what it shows, for people, in English and Chinese.

A pure function of what the bundle's events have shown, so the same bundle has the same page. It
answers the four questions a court asks of evidence kept on a chain (Supreme People's Court, Rules
of Online Litigation of People's Courts, 2021, article 17), tells the order's story, says where the
records come from before they were deposited (article 18), and says what is not proven.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Any, Final

from creditchain.client.cover_answers import four_answers
from creditchain.client.cover_words import both, code, heading, table, words_of
from creditchain.client.judged import Judged, JudgedEvent
from creditchain.client.order_events import OF_CONSENT, OF_ORDER
from creditchain.events import b64u, format_fields, format_time
from creditchain.events.erasure import BodyErased
from creditchain.events.objection import ObjectionAnswered
from creditchain.events.records import RecordsCommitted, RecordsSuperseded

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem;"
    "border-bottom:2px solid #1a1a1a}p,li{margin:.4rem 0}[lang=zh]{color:#333}"
    "code{overflow-wrap:anywhere;font-size:.85em}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.9rem;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid #bbb}"
    ".pin{background:#f4f4e8;padding:.6rem;border:1px solid #999}"
    "@media print{body{font-size:11px;max-width:none}h2{break-after:avoid}}"
)

_DETAIL_FIELDS: Final = (
    *("product", "purpose", "sections", "ground", "consent", "grantee", "agencies", "validFrom"),
    *("validUntil", "usesMax", "code", "reason", "outcome", "missing", "fingerprint", "opened"),
    *("size", "decision", "amount", "holder", "section", "batch", "replacement", "index"),
)
"""What is told of an event beside its name, where it has it; nested values are looked into."""


def render_cover(judged: Judged) -> str:
    """The page, HTML without scripts or anything from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    title = f"Evidence of order {judged.order} 订单证据"
    parts = [
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>",
        (
            "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
            f"'sha256-{digest}'; base-uri 'none'; form-action 'none'\">"
        ),
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_what_to_compare(judged),
        *_shown(judged),
        *_story(judged),
        *_before_deposit(judged),
        *four_answers(judged),
        *_not_proven(judged),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _what_to_compare(judged: Judged) -> list[str]:
    maker, policy = _who(judged, judged.maker), judged.policy_digest
    founding = b64u(judged.founding)
    vouched = ""
    if judged.by_regulator:
        vouched = both(
            "The regulator signed this file with a key that follows from the founding, and with "
            "it the policy that names the observer's keys.",
            "监管机构已用可追溯至创世的密钥签署本文件，从而确认策略文件所列观察方密钥。",
        )
    return [
        f"<p>Log 日志: {code(judged.log)}<br>Made by 制作方: {maker}</p>",
        "<div class=pin>",
        both(
            "Compare these two values with what the regulator publishes, or with what you were "
            "given when you joined. That this file names them is no reason to trust them, and "
            "everything else follows from them.",
            "请将以下两个值与监管机构公布的值或您加入时获得的值比对。不能因本文件列出而信任它们；"
            "其余一切均由它们推出。",
        ),
        f"<p>Founding 创世承诺: {code(founding)}<br>= {code(judged.founding.hex())}</p>",
        f"<p>Policy, SHA-256 策略文件: {code(policy)}</p>{vouched}</div>",
        both(
            "To verify everything again without a network and without our software, open "
            f"{code('verify.html')} in a browser and give it this zip, or run "
            f"{code('python3 ')}{code('verify.py FILE.zip --founding ' + founding)}. A careful "
            "reader takes the verifier from somewhere else than the file to be judged.",
            f"如需离线、不依赖我方软件重新验证，请用浏览器打开 {code('verify.html')} 并选择本压缩"
            f"包，或运行 {code('verify.py')}。审慎者应从本文件之外的渠道取得验证程序。",
        ),
    ]


def _shown(judged: Judged) -> list[str]:
    authors = Counter(e.author for e in judged.events)
    absent = ", ".join(f"{escape(a['what'])} {code(a['id'])}" for a in judged.absent)
    parts = [
        heading("What was verified when this was made", "制作时已验证的内容"),
        both(
            f"{len(judged.events)} entries are in the log, under {len(judged.checkpoints)} signed "
            f"checkpoint(s). For {authors['SHOWN']} of them the author's signature was verified "
            "with a key that leads, endorsement by endorsement, back to the founding.",
            f"{len(judged.events)} 条记录在日志中，对应 {len(judged.checkpoints)} 个已签名检查点；"
            f"其中 {authors['SHOWN']} 条的作者签名已用可逐级追溯至创世的密钥验证。",
        ),
    ]
    if authors["UNSHOWN"]:
        parts.append(
            both(
                f"<strong>Of {authors['UNSHOWN']} entries only that they are on the log is shown, "
                "not who said it</strong>: the event that introduced the signer's key may not be "
                "read by the maker of this bundle, or was erased. The regulator's own bundle "
                "shows it.",
                f"<strong>其中 {authors['UNSHOWN']} 条仅能证明已上链，未能证明作者</strong>：制作"
                "方无权读取引入该密钥的记录，或该记录已被删除。监管机构的证据包可补足。",
            )
        )
    if authors["ERASED"]:
        parts.append(
            both(
                f"The content of {authors['ERASED']} entries was lawfully erased; that they stood "
                "on the log, and by which event they were erased, is proven.",
                f"{authors['ERASED']} 条记录的内容已依法删除；其曾在链及删除依据均可证明。",
            )
        )
    if absent:
        parts.append(
            both(f"Cited, and not in this bundle: {absent}.", f"被引用但不在本包内：{absent}。")
        )
    return parts


def _story(judged: Judged) -> list[str]:
    told = (
        *OF_ORDER,
        *OF_CONSENT,
        ObjectionAnswered,
        RecordsCommitted,
        RecordsSuperseded,
        BodyErased,
    )
    rows = [
        _row(judged, e) for e in judged.events if e.event is None or isinstance(e.event.body, told)
    ]
    rest = [
        _row(judged, e)
        for e in judged.events
        if e.event is not None and not isinstance(e.event.body, told)
    ]
    head = (("Admitted", "上链时间"), ("What", "事件"), ("Who", "作者"), ("Entry", "条目"))
    return [
        heading("The order, step by step", "订单经过"),
        table(head, rows),
        heading("Who vouched for whom", "身份与密钥的逐级背书"),
        table(head, rest),
    ]


def _row(judged: Judged, e: JudgedEvent) -> tuple[str, str, str, str]:
    at, place = code(format_time(e.at)), str(e.index)
    if e.event is None:
        return at, "Content erased<br>内容已删除", "", place
    en, zh = words_of(e.event.type)
    details = "; ".join(_details(format_fields(e.event.body)))
    who = _who(judged, e.event.by)
    if e.author == "UNSHOWN":
        who += "<br><strong>not shown 未证明</strong>"
    else:
        place += f"<br><small>← {' ← '.join(map(str, e.trail))}</small>"
    signed = f"<br><small>signed 签名<br>{format_time(e.event.signed_at)}</small>"
    said = f"{escape(en)}<br>{escape(zh)}<br><small>{escape(details)}</small>"
    return at + signed, said, who, place


def _details(fields: Any) -> Iterable[str]:
    for name, value in fields.items():
        if name in {"terms", "report"}:
            yield from _details(value)
        elif name in _DETAIL_FIELDS:
            yield f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(_plain(item) for item in value.values())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _who(judged: Judged, id: str) -> str:
    """An actor with the institution behind it."""
    names = judged.names()
    actor = judged.chain.actors.get(id)
    if actor is None or actor.under == id:
        return f"{code(id)} {escape(names.get(id, ''))}".strip()
    house = f"{code(actor.under)} {escape(names.get(actor.under, ''))}"
    if actor.is_enterprise:
        return f"{code(id)}<br>enterprise, enrolled by 企业，登记方 {house}"
    return f"{code(id)}<br>officer of 经办人，所属 {house}"


def _before_deposit(judged: Judged) -> list[str]:
    rows = []
    for e in judged.events:
        if e.event is not None and isinstance(e.event.body, RecordsCommitted):
            body = e.event.body
            rows.append(
                (
                    _who(judged, e.event.by),
                    code(format_time(body.as_of)),
                    code(format_time(e.at)),
                    f"{body.count:,} · {escape(', '.join(body.sections))}",
                    f"{code(body.root)}<br>{code(e.event.id)}",
                )
            )
    head = (
        ("Source", "数据来源"),
        ("True as of", "数据截至"),
        ("Deposited", "上链存证"),
        ("Records, sections", "记录数与内容"),
        ("Root, batch", "默克尔根与批次"),
    )
    parts = [heading("Before deposit: where the records come from", "上链之前：数据的来源与生成")]
    if rows:
        parts.append(table(head, rows))
    else:
        parts.append(
            both("The delivery cites no batch of records.", "交付结果未引用任何数据批次。")
        )
    parts.append(
        both(
            "A root commits the source to every record of the batch, each with a secret salt; a "
            "line of the report leads to it by a path that comes with the report, not with this "
            "bundle. The source signed the root itself. How the source came by a record before "
            "it committed to it, and whether the record is true, the log does not show: that is "
            "for the source's own books, and for other proof.",
            "默克尔根使来源方对批次内每条（加盐的）记录作出承诺；报告中的每一行可凭报告所附路径与"
            "之核对。根由来源方自行签名。来源方在存证之前如何取得该记录、记录是否真实，日志不能证"
            "明，须由来源方的原始资料及其他证据印证。",
        )
    )
    return parts


def _not_proven(judged: Judged) -> list[str]:
    points = [
        (
            "That a record was true before it was deposited.",
            "数据在存证之前是否真实。",
        ),
        (
            (
                "Which person or enterprise stands behind an opaque id or holds a key: names are "
                "in the directory, of which the log holds salted fingerprints, and the member "
                "that appointed or enrolled them answers for it."
            ),
            (
                "匿名标识或密钥背后的自然人或企业：姓名在名录中，链上仅有加盐指纹，由任命或登记的"
                "成员负责。"
            ),
        ),
        (
            (
                "That nothing else was said about this order, or that no key was revoked in an "
                "event kept out of this bundle: a selection cannot show that. Whoever holds the "
                "whole log, as the observer does, can."
            ),
            (
                "未被选入本包的其他事件（例如密钥吊销）不存在：节选无法证明，持有全部日志的观察方"
                "可以证明。"
            ),
        ),
        (
            (
                "That each step was lawful: the verifiers check signatures, keys, roles and "
                "times. The rulebook is replayed by the observer before it cosigns as mirror."
            ),
            (
                "每一步是否合规：验证程序检查签名、密钥、角色与时间；规则手册由观察方在作为镜像会"
                "签前重放。"
            ),
        ),
    ]
    if judged.policy.quorum == "none":
        points.insert(
            0,
            (
                "That an observer has seen any of this: the policy asks for no cosignature.",
                "观察方是否见证：策略未要求任何会签。",
            ),
        )
    items = "".join(f"<li>{en}<br><span lang=zh>{zh}</span></li>" for en, zh in points)
    return [heading("What is not proven", "未能证明的内容"), f"<ul>{items}</ul>"]
