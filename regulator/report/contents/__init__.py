"""What each report says: one function for each code, from the observer's copy to a `Report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from regulator.report.asking import Contents
from regulator.report.contents.answering import service_levels
from regulator.report.contents.billing import billing
from regulator.report.contents.certificate import integrity_certificate
from regulator.report.contents.daily import daily_summary
from regulator.report.contents.disputes import dispute_ledger
from regulator.report.contents.dossier import inspection_dossier
from regulator.report.contents.findings import finding_register
from regulator.report.contents.register import query_register
from regulator.report.contents.sample import consent_sample
from regulator.report.contents.scorecard import member_scorecard
from regulator.report.model import ReportCode

REPORTS: Final[Mapping[ReportCode, Contents]] = {
    ReportCode.DAILY_SUMMARY: daily_summary,
    ReportCode.QUERY_REGISTER: query_register,
    ReportCode.CONSENT_SAMPLE: consent_sample,
    ReportCode.SERVICE_LEVELS: service_levels,
    ReportCode.FINDING_REGISTER: finding_register,
    ReportCode.MEMBER_SCORECARD: member_scorecard,
    ReportCode.DISPUTE_LEDGER: dispute_ledger,
    ReportCode.BILLING: billing,
    ReportCode.INTEGRITY_CERTIFICATE: integrity_certificate,
    ReportCode.INSPECTION_DOSSIER: inspection_dossier,
}
"""Every report that can be made, by its code."""
