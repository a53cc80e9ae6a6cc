"""What codes are called in English and Chinese.

PURE. Every code that a report shows to people stands here once; another is shown as it is.
"""

from __future__ import annotations

from typing import Final

from regulator.audit import AUDIT_RULES
from regulator.finding import TITLES
from regulator.report.model import Both

YES: Final = Both("yes", "是")
NO: Final = Both("no", "否")
NONE: Final = Both("None in this report.", "本报告中无此类记录。")

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # purposes
    "PRE_LOAN_REVIEW": ("pre-loan review", "贷前审查"),
    "IN_LOAN_OPERATION": ("in-loan operation", "贷中操作"),
    "POST_LOAN_MANAGEMENT": ("post-loan management", "贷后管理"),
    "RELATED_PARTY_QUERY": ("related-party query", "关联查询"),
    "GUARANTEE_REVIEW": ("guarantee review", "担保审查"),
    "OTHER": ("other", "其他"),
    # outcomes and where an order stands
    "COMPLETE": ("complete", "完整"),
    "PARTIAL": ("partial", "部分"),
    "NOT_FOUND": ("not found", "未查得"),
    "AWAITING_APPROVAL": ("awaiting approval", "待复核"),
    "PLACED": ("placed", "已下单"),
    "ACCEPTED": ("accepted", "已受理"),
    "DECLINED": ("declined", "已拒绝"),
    "CANCELLED": ("cancelled", "已取消"),
    "LAPSED": ("lapsed", "已逾期失效"),
    "DELIVERED": ("delivered", "已交付"),
    "ACKNOWLEDGED": ("acknowledged", "已确认"),
    "DISPUTED": ("disputed", "有争议"),
    "GRANTED": ("granted", "已授予"),
    # why an agency declines, a delivery is disputed, a section is missing
    "SUBJECT_UNKNOWN": ("subject unknown", "查无此主体"),
    "NO_AGREEMENT": ("no agreement", "未签协议"),
    "CAPACITY": ("capacity", "处理能力不足"),
    "SOURCE_UNAVAILABLE": ("source unavailable", "数据源不可用"),
    "LEGAL_BAR": ("legal bar", "法律禁止"),
    "FINGERPRINT_MISMATCH": ("fingerprint mismatch", "指纹不符"),
    "UNREADABLE": ("unreadable", "无法读取"),
    "WRONG_SUBJECT": ("wrong subject", "主体错误"),
    "INCOMPLETE": ("incomplete", "内容不全"),
    "INACCURATE": ("inaccurate", "内容不实"),
    "NO_RECORDS": ("no records", "无记录"),
    "UNDER_OBJECTION": ("under objection", "异议处理中"),
    # objections
    "DATA_WRONG": ("data wrong", "数据有误"),
    "DATA_RIGHT": ("data right", "数据无误"),
    "OMITTED": ("omitted", "遗漏"),
    "DELETED": ("deleted", "已删除"),
    "OPEN": ("open", "未处理"),
    "ANSWERED": ("answered", "已答复"),
    "OBJECTION": ("objection of an enterprise", "企业异议"),
    "DELIVERY": ("disputed delivery", "交付争议"),
    # consents
    "REQUESTED": ("requested", "已申请"),
    "REFUSED": ("refused", "已拒绝"),
    "WITHDRAWN": ("withdrawn", "已撤回"),
    "EXPIRED": ("expired", "已到期"),
    "USED_UP": ("used up", "次数用尽"),
    "OUT_OF_WINDOW": ("window passed", "期限已过"),
    "NO_BUSINESS": ("no business", "无业务往来"),
    "TOO_BROAD": ("too broad", "范围过宽"),
    "NOT_NOW": ("not now", "暂不授权"),
    "UNSTATED": ("no reason given", "未说明"),
    "COURT": ("court", "司法机关"),
    "STATUTE": ("statute", "法律规定"),
    # members and officers
    "BANK": ("bank", "银行"),
    "AGENCY": ("credit agency", "征信机构"),
    "SOURCE": ("data source", "数据源单位"),
    "JUDICIAL": ("judicial body", "司法机构"),
    "REGULATOR": ("regulator", "监管机构"),
    "OPERATOR": ("operator", "运营机构"),
    "ACTIVE": ("active", "正常"),
    "SUSPENDED": ("suspended", "已暂停"),
    "ADMITTED": ("admitted", "准入"),
    "REINSTATED": ("reinstated", "恢复"),
    "BREACH": ("breach", "违规"),
    "SECURITY_INCIDENT": ("security incident", "安全事件"),
    "FILING_LAPSED": ("filing lapsed", "备案失效"),
    "OWN_REQUEST": ("own request", "自行申请"),
    "ORDER": ("order", "下单"),
    "APPROVE": ("approve", "复核"),
    "FULFIL": ("fulfil", "履约"),
    "ADMINISTER": ("administer", "管理"),
    "AUDIT": ("audit", "审计"),
    "ENTERPRISE": ("enterprise", "企业"),
    "SOLE_TRADER": ("sole trader", "个体工商户"),
    "COOPERATIVE": ("cooperative", "农民专业合作社"),
    # keys and erasures
    "SUPERSEDED": ("superseded", "已更换"),
    "CEASED": ("ceased", "停用"),
    "COMPROMISED": ("compromised", "已泄露"),
    "BODY": ("body", "事件正文"),
    "DIRECTORY": ("directory row", "名录记录"),
    "REPORT": ("sealed report", "密封报告"),
    "RETENTION_ENDED": ("retention ended", "保存期满"),
    "SUBJECT_REQUEST": ("request of the subject", "主体申请"),
    "COURT_ORDER": ("court order", "法院命令"),
    "UNLAWFUL_CONTENT": ("unlawful content", "违法内容"),
    "CORRECTED": ("corrected", "更正"),
    "UPDATED": ("updated", "更新"),
    "RETRACTED": ("retracted", "撤销"),
    # findings and inspections
    "LOW": ("low", "低"),
    "MEDIUM": ("medium", "中"),
    "HIGH": ("high", "高"),
    "ASKED": ("asked", "已质询"),
    "CLOSED": ("closed", "已结案"),
    "REMEDIED": ("remedied", "已整改"),
    "CONTESTED": ("contested", "有异议"),
    "UNFOUNDED": ("unfounded", "不成立"),
    "SANCTIONED": ("sanctioned", "已处罚"),
    "NOTED": ("noted", "已备查"),
    "INTEGRITY": ("integrity and replay", "完整性与重放"),
    "OBSERVER": ("the observer itself", "观察节点自身"),
    "LOG": ("asked on the log", "账本上已质询"),
    "ROUTINE": ("routine", "例行"),
    "FINDING": ("finding", "问题"),
    "COMPLAINT": ("complaint", "投诉"),
    "INCIDENT": ("incident", "事件"),
    "SAMPLE": ("sample", "抽样"),
    "SANCTION": ("sanction", "处罚"),
    # billing
    "NOT_ACKNOWLEDGED": ("not acknowledged", "未确认"),
    "NO_PRICE": ("no price in force", "无有效价格"),
    "DELIVERED_TWICE": ("delivered twice", "重复交付"),
    "FINGERPRINT_DIFFERS": ("other fingerprint opened", "打开内容指纹不同"),
    "BODY_ERASED": ("order erased", "订单正文已删除"),
    # what a check of an element says
    "PASS": ("pass", "通过"),
    "FAIL": ("FAIL", "不通过"),
    "UNKNOWN": ("cannot be told: body erased", "无法判断：正文已删除"),
    # sections of a report
    "IDENTITY": ("identity", "身份信息"),
    "CREDIT_SUMMARY": ("credit summary", "信用概要"),
    "CAPITAL_AND_INVESTORS": ("capital and investors", "注册资本与出资人"),
    "PRINCIPAL_OFFICERS": ("principal officers", "主要人员"),
    "ACTUAL_CONTROLLER": ("actual controller", "实际控制人"),
    "RELATED_ENTERPRISES": ("related enterprises", "关联企业"),
    "CREDIT_LINES": ("credit lines", "授信"),
    "LOANS": ("loans", "借贷"),
    "GUARANTEES": ("guarantees", "担保"),
    "INTEREST_ARREARS": ("interest arrears", "欠息"),
    "UTILITIES": ("utilities", "公用事业"),
    "TAX_ARREARS": ("tax arrears", "欠税"),
    "CIVIL_JUDGMENTS": ("civil judgments", "民事判决"),
    "ENFORCEMENT": ("enforcement", "强制执行"),
    "ADMINISTRATIVE_PENALTIES": ("administrative penalties", "行政处罚"),
    "PROVIDENT_FUND": ("provident fund", "住房公积金"),
    "PERMITS_AND_AWARDS": ("permits and awards", "许可与奖励"),
    "CUSTOMS": ("customs", "海关"),
    "RATINGS": ("ratings", "评级"),
    "FINANCIAL_STATEMENTS": ("financial statements", "财务报表"),
}

WORDS: Final = {
    **{code.value: Both(*said) for code, said in TITLES.items()},
    **{rule.code: Both(rule.title, rule.title_zh) for rule in AUDIT_RULES},
    **{code: Both(*said) for code, said in _WORDS.items()},
}


def word(code: str) -> Both | str:
    """What a code is called; an unknown one as it is."""
    return WORDS.get(code, code)


def words(codes: list[str]) -> Both:
    """A list of codes as one text."""
    named = [WORDS.get(code) or Both(code, code) for code in codes]
    return Both(", ".join(one.en for one in named), "、".join(one.zh for one in named))
