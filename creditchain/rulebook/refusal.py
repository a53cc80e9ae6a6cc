"""Refusal codes, in order of precedence, each with a sentence for people in two languages.

PURE. A code is stable: never renamed, never reused. The order is law too: of several faults the
first in this list is the one a member is told, so two implementations agree not only that but why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why an event is not admitted."""

    # The bytes and the seal (before any rule reads the book).
    EVENT_MALFORMED = "EVENT_MALFORMED"
    WRONG_LOG = "WRONG_LOG"
    PROOF_MALFORMED = "PROOF_MALFORMED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    ID_REUSED = "ID_REUSED"
    # Time and law.
    NOT_FOUNDED = "NOT_FOUNDED"
    ALREADY_FOUNDED = "ALREADY_FOUNDED"
    CLOCK_SKEW = "CLOCK_SKEW"
    RULEBOOK_UNKNOWN = "RULEBOOK_UNKNOWN"
    # Who acts.
    KEY_EXPIRED = "KEY_EXPIRED"
    KEY_REVOKED = "KEY_REVOKED"
    ACTOR_UNKNOWN = "ACTOR_UNKNOWN"
    OFFICER_DISMISSED = "OFFICER_DISMISSED"
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    MEMBER_WITHDRAWN = "MEMBER_WITHDRAWN"
    ROLE_MISSING = "ROLE_MISSING"
    NOT_YOURS = "NOT_YOURS"
    # Members, keys, officers, enterprises.
    MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
    MEMBER_EXISTS = "MEMBER_EXISTS"
    MEMBER_STANDING = "MEMBER_STANDING"
    KEY_EXISTS = "KEY_EXISTS"
    KEY_USE = "KEY_USE"
    KEY_NOT_HELD = "KEY_NOT_HELD"
    KEY_LAST = "KEY_LAST"
    KEY_LIMIT = "KEY_LIMIT"
    EXPIRY_PAST = "EXPIRY_PAST"
    OFFICER_UNKNOWN = "OFFICER_UNKNOWN"
    OFFICER_EXISTS = "OFFICER_EXISTS"
    ROLES_EXCLUSIVE = "ROLES_EXCLUSIVE"
    ROLE_KIND = "ROLE_KIND"
    ENTERPRISE_UNKNOWN = "ENTERPRISE_UNKNOWN"
    ENTERPRISE_EXISTS = "ENTERPRISE_EXISTS"
    # Products.
    PRODUCT_UNKNOWN = "PRODUCT_UNKNOWN"
    PRODUCT_EXISTS = "PRODUCT_EXISTS"
    PRODUCT_WITHDRAWN = "PRODUCT_WITHDRAWN"
    # Consent.
    CONSENT_UNKNOWN = "CONSENT_UNKNOWN"
    CONSENT_NOT_FOR_ORDERER = "CONSENT_NOT_FOR_ORDERER"
    CONSENT_NOT_FOR_SUBJECT = "CONSENT_NOT_FOR_SUBJECT"
    CONSENT_NOT_GRANTED = "CONSENT_NOT_GRANTED"
    CONSENT_ANSWERED = "CONSENT_ANSWERED"
    CONSENT_REFUSED = "CONSENT_REFUSED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_NOT_YET_VALID = "CONSENT_NOT_YET_VALID"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_NOT_EXPIRED = "CONSENT_NOT_EXPIRED"
    CONSENT_EXHAUSTED = "CONSENT_EXHAUSTED"
    CONSENT_PURPOSE = "CONSENT_PURPOSE"
    CONSENT_AGENCY = "CONSENT_AGENCY"
    CONSENT_SECTION = "CONSENT_SECTION"
    TERMS_WINDOW = "TERMS_WINDOW"
    TERMS_TOO_LONG = "TERMS_TOO_LONG"
    TERMS_WIDENED = "TERMS_WIDENED"
    AGENCY_UNKNOWN = "AGENCY_UNKNOWN"
    # Orders and deliveries.
    BASIS_MISSING = "BASIS_MISSING"
    BASIS_DOUBLE = "BASIS_DOUBLE"
    PRODUCT_SECTION = "PRODUCT_SECTION"
    PRODUCT_PURPOSE = "PRODUCT_PURPOSE"
    SEAL_KEY_UNKNOWN = "SEAL_KEY_UNKNOWN"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    ORDER_STATUS = "ORDER_STATUS"
    ORDER_OVERDUE = "ORDER_OVERDUE"
    ORDER_NOT_DUE = "ORDER_NOT_DUE"
    APPROVER_SAME = "APPROVER_SAME"
    DELIVERY_SHAPE = "DELIVERY_SHAPE"
    DELIVERY_SECTIONS = "DELIVERY_SECTIONS"
    DELIVERY_WRONG_KEY = "DELIVERY_WRONG_KEY"
    DELIVERY_SCHEMA = "DELIVERY_SCHEMA"
    DELIVERY_BATCH = "DELIVERY_BATCH"
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    DECISION_AMOUNT = "DECISION_AMOUNT"
    DECISION_MADE = "DECISION_MADE"
    # Records, objections, erasure.
    BATCH_UNKNOWN = "BATCH_UNKNOWN"
    BATCH_SUPERSEDED = "BATCH_SUPERSEDED"
    AS_OF_FUTURE = "AS_OF_FUTURE"
    OBJECTION_UNKNOWN = "OBJECTION_UNKNOWN"
    OBJECTION_ANSWERED = "OBJECTION_ANSWERED"
    ERASURE_SUBJECT = "ERASURE_SUBJECT"
    ERASURE_DONE = "ERASURE_DONE"
    # Findings and inspections.
    FINDING_UNKNOWN = "FINDING_UNKNOWN"
    FINDING_OPEN = "FINDING_OPEN"
    FINDING_ANSWERED = "FINDING_ANSWERED"
    FINDING_CLOSED = "FINDING_CLOSED"
    ANSWER_BY_PAST = "ANSWER_BY_PAST"
    CASE_UNKNOWN = "CASE_UNKNOWN"
    CASE_STATUS = "CASE_STATUS"
    CASE_OFFICERS = "CASE_OFFICERS"
    LOOK_SUBJECT = "LOOK_SUBJECT"


@dataclass(frozen=True, slots=True)
class Violation:
    """The rulebook's answer to an event that must not stand.

    `code` is why, `path` the JSON path of the field at fault (empty: the event as a whole).
    """

    code: Refusal
    path: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person reads for a code."""

    en: str
    zh: str


SENTENCES: Final[dict[Refusal, Sentence]] = {
    Refusal.EVENT_MALFORMED: Sentence(
        "The event is not written as the format demands.", "事件的写法不符合格式要求。"
    ),
    Refusal.WRONG_LOG: Sentence(
        "The event is meant for another log.", "该事件是写给另一本日志的。"
    ),
    Refusal.PROOF_MALFORMED: Sentence(
        "The proof of authorship is not written as the format demands.",
        "签名证明的写法不符合格式要求。",
    ),
    Refusal.KEY_UNKNOWN: Sentence("The signer has no such key.", "签名者没有登记这把密钥。"),
    Refusal.SIGNATURE_INVALID: Sentence(
        "The signature does not fit the event.", "签名与事件不符。"
    ),
    Refusal.ID_REUSED: Sentence("Another event already has this id.", "该编号已被另一事件占用。"),
    Refusal.NOT_FOUNDED: Sentence("The consortium is not founded yet.", "联盟尚未创立。"),
    Refusal.ALREADY_FOUNDED: Sentence("The consortium is founded already.", "联盟已经创立。"),
    Refusal.CLOCK_SKEW: Sentence(
        "The signing time is too far from the hub's clock.", "签名时间与枢纽时钟相差过大。"
    ),
    Refusal.RULEBOOK_UNKNOWN: Sentence(
        "There is no rulebook of this version.", "没有这一版本的规则。"
    ),
    Refusal.KEY_EXPIRED: Sentence("The signing key has expired.", "签名密钥已过期。"),
    Refusal.KEY_REVOKED: Sentence("The signing key has been revoked.", "签名密钥已被吊销。"),
    Refusal.ACTOR_UNKNOWN: Sentence(
        "Nobody of this id is known to the consortium.", "联盟中没有这个编号的签名者。"
    ),
    Refusal.OFFICER_DISMISSED: Sentence(
        "The officer no longer acts for the member.", "该经办人已被解除授权。"
    ),
    Refusal.MEMBER_SUSPENDED: Sentence(
        "The signer's institution is suspended and may not do this.",
        "签名者所属机构已被暂停，不得进行此操作。",
    ),
    Refusal.MEMBER_WITHDRAWN: Sentence(
        "The signer's institution has left the consortium.", "签名者所属机构已退出联盟。"
    ),
    Refusal.ROLE_MISSING: Sentence(
        "The signer has no role that allows this.", "签名者没有可进行此操作的角色。"
    ),
    Refusal.NOT_YOURS: Sentence("This belongs to somebody else.", "此事项不属于签名者。"),
    Refusal.MEMBER_UNKNOWN: Sentence("There is no such member.", "没有这个成员机构。"),
    Refusal.MEMBER_EXISTS: Sentence("There is such a member already.", "该成员机构已存在。"),
    Refusal.MEMBER_STANDING: Sentence(
        "The member's standing does not allow this.", "该成员机构目前的状态不允许此操作。"
    ),
    Refusal.KEY_EXISTS: Sentence("The owner has registered this key before.", "该密钥此前已登记。"),
    Refusal.KEY_USE: Sentence("The key is not one to sign with.", "该密钥不是签名密钥。"),
    Refusal.KEY_NOT_HELD: Sentence(
        "The owner has no such key, or it is revoked already.",
        "所有者没有这把密钥，或该密钥已被吊销。",
    ),
    Refusal.KEY_LAST: Sentence(
        "A member may not revoke its own last signing key.", "成员不得自行吊销其最后一把签名密钥。"
    ),
    Refusal.KEY_LIMIT: Sentence(
        "The member has as many signing keys as it may have.", "该成员的签名密钥数量已达上限。"
    ),
    Refusal.EXPIRY_PAST: Sentence("The expiry lies in the past.", "有效期截止时间已过。"),
    Refusal.OFFICER_UNKNOWN: Sentence(
        "No officer of this id acts for a member.", "没有这个编号的在任经办人。"
    ),
    Refusal.OFFICER_EXISTS: Sentence("There is such an officer already.", "该经办人已存在。"),
    Refusal.ROLES_EXCLUSIVE: Sentence(
        "One person may not hold these roles together.", "这些角色不得由同一人兼任。"
    ),
    Refusal.ROLE_KIND: Sentence(
        "Officers of this kind of member may not have this role.",
        "此类成员机构的经办人不得担任该角色。",
    ),
    Refusal.ENTERPRISE_UNKNOWN: Sentence("There is no such enterprise.", "没有这家企业。"),
    Refusal.ENTERPRISE_EXISTS: Sentence("There is such an enterprise already.", "该企业已存在。"),
    Refusal.PRODUCT_UNKNOWN: Sentence("There is no such product.", "没有这个产品。"),
    Refusal.PRODUCT_EXISTS: Sentence(
        "A product of this id was offered before.", "该编号的产品此前已发布。"
    ),
    Refusal.PRODUCT_WITHDRAWN: Sentence("The product is no longer offered.", "该产品已下架。"),
    Refusal.CONSENT_UNKNOWN: Sentence("There is no such consent.", "没有这项授权。"),
    Refusal.CONSENT_NOT_FOR_ORDERER: Sentence(
        "The consent was given to another institution.", "该授权给予的是另一家机构。"
    ),
    Refusal.CONSENT_NOT_FOR_SUBJECT: Sentence(
        "The consent was given by another enterprise.", "该授权由另一家企业给予。"
    ),
    Refusal.CONSENT_NOT_GRANTED: Sentence(
        "The enterprise has not granted the consent yet.", "企业尚未同意该授权。"
    ),
    Refusal.CONSENT_ANSWERED: Sentence(
        "The request for consent has been answered already.", "该授权请求已有答复。"
    ),
    Refusal.CONSENT_REFUSED: Sentence("The enterprise refused the consent.", "企业已拒绝该授权。"),
    Refusal.CONSENT_WITHDRAWN: Sentence(
        "The enterprise has withdrawn the consent.", "企业已撤回该授权。"
    ),
    Refusal.CONSENT_NOT_YET_VALID: Sentence("The consent is not valid yet.", "该授权尚未生效。"),
    Refusal.CONSENT_EXPIRED: Sentence("The consent has expired.", "该授权已过期。"),
    Refusal.CONSENT_NOT_EXPIRED: Sentence(
        "The consent's window has not passed yet.", "该授权的有效期尚未结束。"
    ),
    Refusal.CONSENT_EXHAUSTED: Sentence(
        "The consent has been used as often as it allows.", "该授权的使用次数已用完。"
    ),
    Refusal.CONSENT_PURPOSE: Sentence(
        "The consent is for another purpose.", "该授权不适用于此查询目的。"
    ),
    Refusal.CONSENT_AGENCY: Sentence(
        "The consent does not name this agency.", "该授权未列明这家征信机构。"
    ),
    Refusal.CONSENT_SECTION: Sentence(
        "The consent does not cover a section asked for.", "该授权未涵盖所需的报告章节。"
    ),
    Refusal.TERMS_WINDOW: Sentence(
        "The window is empty or has passed.", "有效期区间为空或已经过去。"
    ),
    Refusal.TERMS_TOO_LONG: Sentence(
        "The time is longer than the law allows.", "期限超过规则允许的最长时间。"
    ),
    Refusal.TERMS_WIDENED: Sentence(
        "A grant may narrow what was requested, never widen it.",
        "同意的条款只能收窄请求，不能放宽。",
    ),
    Refusal.AGENCY_UNKNOWN: Sentence("There is no such agency.", "没有这家征信机构。"),
    Refusal.BASIS_MISSING: Sentence(
        "An order needs a consent or a ground of law.", "查询须有授权或法定依据。"
    ),
    Refusal.BASIS_DOUBLE: Sentence(
        "An order stands on a consent or on a ground of law, not on both.",
        "查询只能依据授权或法定依据之一，不能两者并用。",
    ),
    Refusal.PRODUCT_SECTION: Sentence(
        "The product does not have a section asked for.", "该产品不包含所需的报告章节。"
    ),
    Refusal.PRODUCT_PURPOSE: Sentence(
        "The product is not offered for this purpose.", "该产品不适用于此查询目的。"
    ),
    Refusal.SEAL_KEY_UNKNOWN: Sentence(
        "The orderer has no such live key to seal to.", "查询机构没有这把有效的加密密钥。"
    ),
    Refusal.ORDER_UNKNOWN: Sentence("There is no such order.", "没有这笔查询订单。"),
    Refusal.ORDER_STATUS: Sentence(
        "The order's status does not allow this.", "订单目前的状态不允许此操作。"
    ),
    Refusal.ORDER_OVERDUE: Sentence("The order's due time has passed.", "订单已超过办理时限。"),
    Refusal.ORDER_NOT_DUE: Sentence(
        "The order's due time has not passed yet.", "订单的办理时限尚未届满。"
    ),
    Refusal.APPROVER_SAME: Sentence(
        "An order must be approved by another officer than the one who placed it.",
        "订单须由下单人以外的另一名经办人审批。",
    ),
    Refusal.DELIVERY_SHAPE: Sentence(
        "The parts of the delivery do not fit its outcome.", "交付内容与交付结果不符。"
    ),
    Refusal.DELIVERY_SECTIONS: Sentence(
        "The sections delivered and missing are not those ordered.",
        "已交付与缺失的章节与订单不符。",
    ),
    Refusal.DELIVERY_WRONG_KEY: Sentence(
        "The report is sealed to another key than the order names.", "报告未加密给订单指定的密钥。"
    ),
    Refusal.DELIVERY_SCHEMA: Sentence(
        "The report is not in the product's schema.", "报告不符合该产品的数据格式。"
    ),
    Refusal.DELIVERY_BATCH: Sentence(
        "A cited record batch is unknown, superseded or of other sections.",
        "所引用的记录批次不存在、已被取代或不属于该章节。",
    ),
    Refusal.FINGERPRINT_MISMATCH: Sentence(
        "The fingerprint does not bear out what is said about the delivery.",
        "指纹与对交付的说法不符。",
    ),
    Refusal.DECISION_AMOUNT: Sentence(
        "An amount belongs to granted credit and to nothing else.", "金额须且仅须在授信通过时填写。"
    ),
    Refusal.DECISION_MADE: Sentence(
        "The credit decision has been recorded already.", "信贷决定已记录。"
    ),
    Refusal.BATCH_UNKNOWN: Sentence("There is no such record batch.", "没有这个记录批次。"),
    Refusal.BATCH_SUPERSEDED: Sentence(
        "The record batch has been superseded already.", "该记录批次已被取代。"
    ),
    Refusal.AS_OF_FUTURE: Sentence(
        "Records cannot be true as of a time to come.", "记录的截至时间不能在未来。"
    ),
    Refusal.OBJECTION_UNKNOWN: Sentence("There is no such objection.", "没有这项异议。"),
    Refusal.OBJECTION_ANSWERED: Sentence(
        "The objection has been answered already.", "该异议已有答复。"
    ),
    Refusal.ERASURE_SUBJECT: Sentence(
        "There is nothing here that may be erased.", "此处没有可删除的内容。"
    ),
    Refusal.ERASURE_DONE: Sentence("This has been erased already.", "该内容已被删除。"),
    Refusal.FINDING_UNKNOWN: Sentence(
        "No finding was asked under this id.", "没有以该编号提出的问询。"
    ),
    Refusal.FINDING_OPEN: Sentence(
        "The member has this question before it already.", "该成员机构已有同一问询尚未结案。"
    ),
    Refusal.FINDING_ANSWERED: Sentence(
        "The finding has been answered already.", "该问询已有答复。"
    ),
    Refusal.FINDING_CLOSED: Sentence("The finding is closed.", "该问询已结案。"),
    Refusal.ANSWER_BY_PAST: Sentence(
        "The time to answer by lies in the past.", "答复期限已经过去。"
    ),
    Refusal.CASE_UNKNOWN: Sentence("There is no such inspection case.", "没有这个检查案件。"),
    Refusal.CASE_STATUS: Sentence(
        "The case's status does not allow this.", "检查案件目前的状态不允许此操作。"
    ),
    Refusal.CASE_OFFICERS: Sentence(
        "A case needs two different officers who act for the regulator.",
        "检查案件须由监管机构的两名不同的在任人员办理。",
    ),
    Refusal.LOOK_SUBJECT: Sentence(
        "Only known officers and enterprises, and objections of these, can be looked at.",
        "只能查看已登记的经办人、企业及这些企业所提异议。",
    ),
}
"""One line per code, in the order of the codes."""
