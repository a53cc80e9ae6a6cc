"""The words of a cover page in English and Chinese, and how they are set in HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

EVENT_WORDS: Final[dict[str, tuple[str, str]]] = {
    "ConsortiumFounded": ("The consortium was founded", "联盟成立"),
    "RulebookAdopted": ("A version of the rulebook came into force", "规则手册新版本生效"),
    "MemberAdmitted": ("The regulator admitted a member", "监管机构准入成员"),
    "MemberSuspended": ("The regulator suspended a member", "监管机构暂停成员"),
    "MemberReinstated": ("The regulator reinstated a member", "监管机构恢复成员"),
    "MemberWithdrawn": ("A member left", "成员退出"),
    "MemberKeyAdded": ("A member added a key", "成员新增密钥"),
    "MemberKeyRevoked": ("A member's key was revoked", "成员密钥被吊销"),
    "OfficerAppointed": ("A member appointed an officer", "成员任命经办人"),
    "OfficerDismissed": ("A member dismissed an officer", "成员解除经办人职务"),
    "EnterpriseEnrolled": ("A member enrolled the enterprise", "成员登记企业"),
    "AuthoriserKeyAdded": ("The enterprise got another key", "企业新增授权密钥"),
    "AuthoriserKeyRevoked": ("A key of the enterprise was revoked", "企业授权密钥被吊销"),
    "ProductOffered": ("The agency offered the product", "征信机构发布产品"),
    "ProductWithdrawn": ("The agency withdrew the product", "征信机构撤回产品"),
    "ConsentRequested": ("Consent was requested of the enterprise", "向企业请求授权"),
    "ConsentGranted": ("The enterprise granted consent", "企业授予授权"),
    "ConsentRefused": ("The enterprise refused consent", "企业拒绝授权"),
    "ConsentWithdrawn": ("The enterprise withdrew its consent", "企业撤回授权"),
    "ConsentExpired": ("The consent expired", "授权到期"),
    "OrderPlaced": ("The order was placed", "下达订单"),
    "OrderApproved": ("A second officer approved the order", "第二经办人批准订单"),
    "OrderAccepted": ("The agency accepted the order", "征信机构接受订单"),
    "OrderDeclined": ("The agency declined the order", "征信机构拒绝订单"),
    "OrderCancelled": ("The orderer cancelled the order", "下单方取消订单"),
    "OrderLapsed": ("The order lapsed", "订单逾期失效"),
    "ReportDelivered": ("The agency answered the order", "征信机构交付结果"),
    "DeliveryAcknowledged": ("The orderer acknowledged the delivery", "下单方确认收悉"),
    "DeliveryDisputed": ("The orderer disputed the delivery", "下单方提出争议"),
    "CreditDecided": ("The credit decision was recorded", "记录授信决定"),
    "RecordsCommitted": ("A batch of records was committed", "固定一批数据记录"),
    "RecordsSuperseded": ("A batch of records was superseded", "数据记录批次被替代"),
    "ObjectionRaised": ("The enterprise raised an objection", "企业提出异议"),
    "ObjectionAnswered": ("The objection was answered", "异议得到答复"),
    "BodyErased": ("The content of an entry was lawfully erased", "依法删除一条记录的内容"),
    "DirectoryErased": ("A name was lawfully erased", "依法删除名录信息"),
    "ReportErased": ("The sealed report was lawfully erased", "依法删除密封报告"),
}
"""A type that is not here goes by its own name."""

STATEMENTS: Final[dict[str, tuple[str, str]]] = {
    "witness": (
        "this tree extends every tree of this log cosigned before it",
        "本树是此前已会签的各树的延续",
    ),
    "mirror": (
        "and the observer holds every entry and every body not erased, and has replayed the law",
        "并且观察方持有全部条目及其内容（或其删除记录），并已逐条重放规则手册",
    ),
    "audit": (
        "and the observer's independent audit rules were run over all of it",
        "并且观察方的独立审计规则已对全部内容运行",
    ),
}
"""What a cosignature says, by the end of its key's name; each includes the ones before."""


def words_of(type_: str) -> tuple[str, str]:
    """What an event type is called in English and Chinese."""
    return EVENT_WORDS.get(type_, (type_, type_))


def statement_of(name: str) -> tuple[str, str]:
    """What a cosigner's key states, by its name."""
    return STATEMENTS.get(name.rpartition("/")[2], ("", ""))


def both(en: str, zh: str) -> str:
    """A sentence in both languages; both are HTML already."""
    return f"<p>{en}</p><p lang=zh>{zh}</p>"


def code(text: object) -> str:
    """A value as it stands on the log."""
    return f"<code>{escape(str(text))}</code>"


def heading(en: str, zh: str, level: int = 2) -> str:
    """A heading in both languages."""
    return f"<h{level}>{escape(en)} <span lang=zh>{escape(zh)}</span></h{level}>"


def table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are HTML already."""
    top = "".join(f"<th>{escape(en)}<br>{escape(zh)}</th>" for en, zh in head)
    lines = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    body = f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody>"
    return f"<div class=wide><table>{body}</table></div>"
