"""The flat form of an entry: one typed column for each thing that an event can say.

PURE. `COLUMNS` is the table; each column's SQL reads the parsed line that `export` writes:
`i` index, `a` time, `c` commitment, `t` type, `e` event id, `b` the body, where `ev` is `b.event`
and `v` is `b.event.body`. A field that two types use for different things (`key`, `ground`,
`sections`) is read as text and taken apart here.

Left out on purpose: salts, proofs, key material, fingerprints of single sections. They prove things
and count nothing; `regulator evidence` has them.

A change of what this module says changes `LAYOUT`, and every partition of another layout is written
anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

_TERMS: Final = (
    "STRUCT(grantee VARCHAR, purpose VARCHAR, agencies VARCHAR[], sections VARCHAR[], "
    '"validFrom" TIMESTAMP, "validUntil" TIMESTAMP, "usesMax" BIGINT)'
)
_FOUNDER: Final = 'STRUCT(member VARCHAR, name VARCHAR, region VARCHAR, "key" VARCHAR)'
_MONEY: Final = "STRUCT(amount BIGINT, currency VARCHAR)"
_REPORT: Final = (
    'STRUCT(fingerprint VARCHAR, ciphertext VARCHAR, size BIGINT, "mediaType" VARCHAR, '
    '"schema" VARCHAR, "sealedTo" VARCHAR)'
)

FIELDS: Final[dict[str, str]] = {
    "amount": _MONEY,
    "answerBy": "TIMESTAMP",
    "asOf": "TIMESTAMP",
    "authority": "VARCHAR",
    "batch": "UUID",
    "case": "UUID",
    "code": "VARCHAR",
    "commitment": "VARCHAR",
    "compromisedSince": "TIMESTAMP",
    "consent": "UUID",
    "count": "BIGINT",
    "decision": "VARCHAR",
    "dueWithinMs": "BIGINT",
    "enterprise": "VARCHAR",
    "entries": "BIGINT[]",
    "expiresAt": "TIMESTAMP",
    "filing": "VARCHAR",
    "finding": "VARCHAR",
    "findings": "VARCHAR[]",
    "fingerprint": "VARCHAR",
    "form": "VARCHAR",
    "ground": "VARCHAR",
    "holder": "VARCHAR",
    "identity": "VARCHAR",
    "index": "BIGINT",
    "key": "VARCHAR",
    "kind": "VARCHAR",
    "logKey": "VARCHAR",
    "matter": "VARCHAR",
    "member": "VARCHAR",
    "missing": "STRUCT(section VARCHAR, code VARCHAR)[]",
    "name": "VARCHAR",
    "notice": "VARCHAR",
    "objection": "UUID",
    "objections": "UUID[]",
    "officer": "VARCHAR",
    "opened": "VARCHAR",
    "operator": _FOUNDER,
    "order": "UUID",
    "outcome": "VARCHAR",
    "pack": "VARCHAR",
    "price": _MONEY,
    "product": "VARCHAR",
    "purpose": "VARCHAR",
    "purposes": "VARCHAR[]",
    "reason": "VARCHAR",
    "refusalKey": "VARCHAR",
    "region": "VARCHAR",
    "regulator": _FOUNDER,
    "replacement": "UUID",
    "reply": "VARCHAR",
    "report": _REPORT,
    "roles": "VARCHAR[]",
    "root": "VARCHAR",
    "rulebook": "BIGINT",
    "schema": "VARCHAR",
    "sealTo": "VARCHAR",
    "section": "VARCHAR",
    "sections": "VARCHAR[]",
    "severity": "VARCHAR",
    "statement": "VARCHAR",
    "subject": "VARCHAR",
    "subjects": "VARCHAR[]",
    "terms": _TERMS,
    "version": "BIGINT",
}
"""The fields of all events' bodies by their JSON names, each with the type it is read as."""


@dataclass(frozen=True, slots=True)
class Flat:
    """One column of a partition: its name, its SQL type, how it is read, what it means."""

    name: str
    type: str
    sql: str
    says: str


def _key_kid(key: str) -> str:
    # RFC 7638: the thumbprint of a JWK is over its canonical JSON without `alg`, which stands
    # first. A revocation names the thumbprint itself.
    jwk = f"'{{' || substr({key}, instr({key}, ',') + 1)"
    digest = f"to_base64(unhex(sha256({jwk})))"
    return (
        f"CASE WHEN {key} LIKE '{{%' THEN rtrim(translate({digest}, '+/', '-_'), '=') "
        f"ELSE {key} END"
    )


def _ms(time: str) -> str:
    return f"epoch_ms({time})"


# An id of what an event creates or concerns: the event's own id where it creates it.
def _id(creates: str, field: str) -> str:
    return f"CASE WHEN t = '{creates}' THEN try_cast(e AS UUID) ELSE {field} END"


_DELIVERED: Final = "t = 'ReportDelivered'"

COLUMNS: Final = (
    Flat("idx", "BIGINT", "i", "index of the entry"),
    Flat("at_ms", "BIGINT", _ms("a"), "when the log admitted it, ms since 1970"),
    Flat("commitment", "VARCHAR", "c", "SHA-256 of the body, base64url"),
    Flat("type", "VARCHAR", "t", "the event's type; NULL when the body was never read"),
    Flat("event_id", "UUID", "try_cast(e AS UUID)", "the event's id"),
    Flat("has_body", "BOOLEAN", "b IS NOT NULL", "false when the body is erased or missing"),
    Flat("signer", "VARCHAR", 'ev."by"', "who signed: a member, an officer or an enterprise"),
    Flat("signed_at_ms", "BIGINT", _ms('ev."signedAt"'), "the signer's clock, ms since 1970"),
    Flat("member", "VARCHAR", "v.member", "the member concerned"),
    Flat("kind", "VARCHAR", "v.kind", "what the admitted member does"),
    Flat("name", "VARCHAR", "v.name", "name of a consortium, an institution or a product"),
    Flat("region", "VARCHAR", "v.region", "GB/T 2260 code of a member or an enterprise"),
    Flat("filing", "VARCHAR", "v.filing", "the admitted agency's filing"),
    Flat("reason", "VARCHAR", "v.reason", "why refused, revoked or superseded"),
    Flat("officer", "VARCHAR", "v.officer", "the officer concerned"),
    Flat("roles", "VARCHAR[]", "v.roles", "what the appointed officer may do"),
    Flat("enterprise", "VARCHAR", "v.enterprise", "the enterprise concerned"),
    Flat("identity", "VARCHAR", "v.identity", "salted fingerprint of the directory row"),
    Flat("authority", "VARCHAR", "v.authority", "fingerprint of the paper that authorises"),
    Flat("key_alg", "VARCHAR", "json_extract_string(CASE WHEN v.\"key\" LIKE '{%' "
         "THEN v.\"key\" END, '$.alg')", "algorithm of the key that is added"),
    Flat("key_kid", "VARCHAR", _key_kid('v."key"'), "thumbprint of the key concerned"),
    Flat("expires_at_ms", "BIGINT", _ms('v."expiresAt"'), "when the key or officer expires"),
    Flat("compromised_since_ms", "BIGINT", _ms('v."compromisedSince"'),
         "from when on a revoked key is not to be trusted"),
    Flat("version", "BIGINT", "coalesce(v.version, v.rulebook)", "version of the rulebook"),
    Flat("regulator", "VARCHAR", "v.regulator.member", "the regulator of the founding"),
    Flat("regulator_name", "VARCHAR", "v.regulator.name", "its name"),
    Flat("regulator_region", "VARCHAR", "v.regulator.region", "its region"),
    Flat("regulator_kid", "VARCHAR", _key_kid('v.regulator."key"'), "thumbprint of its key"),
    Flat("operator", "VARCHAR", "v.operator.member", "the operator of the founding"),
    Flat("operator_name", "VARCHAR", "v.operator.name", "its name"),
    Flat("operator_region", "VARCHAR", "v.operator.region", "its region"),
    Flat("operator_kid", "VARCHAR", _key_kid('v.operator."key"'), "thumbprint of its key"),
    Flat("log_key", "VARCHAR", 'v."logKey"', "the log's verifier key"),
    Flat("refusal_key", "VARCHAR", 'v."refusalKey"', "the verifier key of refusals"),
    Flat("product", "VARCHAR", "v.product", "the product concerned"),
    Flat("price", "BIGINT", "v.price.amount", "price of the offered product, minor units"),
    Flat("price_currency", "VARCHAR", "v.price.currency", "currency of the price"),
    Flat("due_within_ms", "BIGINT", 'v."dueWithinMs"', "how fast the product is delivered"),
    Flat("report_schema", "VARCHAR", 'coalesce(v."schema", v.report."schema")',
         "schema of the report"),
    Flat("purposes", "VARCHAR[]", "v.purposes", "for which purposes the product is sold"),
    Flat("sections", "VARCHAR[]",
         f"CASE WHEN {_DELIVERED} THEN "
         "list_transform(v.sections, lambda s: json_extract_string(s, '$.section')) "
         "ELSE coalesce(v.sections, v.terms.sections) END",
         "sections offered, permitted, ordered, delivered or committed"),
    Flat("batches", "UUID[]",
         f"CASE WHEN {_DELIVERED} THEN list_sort(list_distinct(flatten(list_transform(v.sections, "
         "lambda s: coalesce(json_extract(s, '$.batches')::VARCHAR[], []))))) ::UUID[] END",
         "record batches that the delivery cites"),
    Flat("missing_sections", "VARCHAR[]", "list_transform(v.missing, lambda m: m.section)",
         "sections ordered and not delivered"),
    Flat("missing_codes", "VARCHAR[]", "list_transform(v.missing, lambda m: m.code)",
         "why, one for each of them"),
    Flat("consent_id", "UUID", _id("ConsentRequested", "v.consent"),
         "the consent created, answered, ended or ordered under"),
    Flat("grantee", "VARCHAR", "v.terms.grantee", "who may order"),
    Flat("purpose", "VARCHAR", "coalesce(v.purpose, v.terms.purpose)",
         "purpose permitted or ordered for"),
    Flat("agencies", "VARCHAR[]", "v.terms.agencies", "from whom may be ordered"),
    Flat("valid_from_ms", "BIGINT", _ms('v.terms."validFrom"'), "from when on"),
    Flat("valid_until_ms", "BIGINT", _ms('v.terms."validUntil"'), "up to but not including"),
    Flat("uses_max", "BIGINT", 'v.terms."usesMax"', "how often"),
    Flat("order_id", "UUID", _id("OrderPlaced", 'v."order"'), "the order created or concerned"),
    Flat("ground", "VARCHAR", "CASE WHEN v.ground LIKE '{%' "
         "THEN json_extract_string(v.ground, '$.code') ELSE v.ground END",
         "ground of a suspension, an erasure or an order without consent"),
    Flat("document", "VARCHAR", "CASE WHEN v.ground LIKE '{%' "
         "THEN json_extract_string(v.ground, '$.document') END",
         "fingerprint of the paper behind it"),
    Flat("seal_to", "VARCHAR", 'coalesce(v."sealTo", v.report."sealedTo")',
         "thumbprint of the key to seal to"),
    Flat("code", "VARCHAR", "v.code", "why declined or disputed"),
    Flat("outcome", "VARCHAR", "v.outcome", "of a delivery, an objection or a finding"),
    Flat("report_fingerprint", "VARCHAR", "v.report.fingerprint", "of the report's plaintext"),
    Flat("report_ciphertext", "VARCHAR", "v.report.ciphertext", "SHA-256 of the sealed report"),
    Flat("report_size", "BIGINT", "v.report.size", "bytes of the sealed report"),
    Flat("report_media_type", "VARCHAR", 'v.report."mediaType"', "its media type"),
    Flat("opened_fingerprint", "VARCHAR", "coalesce(v.fingerprint, v.opened)",
         "what the orderer found when it opened the report"),
    Flat("decision", "VARCHAR", "v.decision", "how the lending decision went"),
    Flat("amount", "BIGINT", "v.amount.amount", "credit granted, minor units"),
    Flat("currency", "VARCHAR", "v.amount.currency", "its currency"),
    Flat("batch_id", "UUID", _id("RecordsCommitted", "v.batch"),
         "the record batch committed or superseded"),
    Flat("replacement_id", "UUID", "v.replacement", "the batch in its place"),
    Flat("as_of_ms", "BIGINT", _ms('v."asOf"'), "as of when the records are true"),
    Flat("record_count", "BIGINT", 'v."count"', "records in the batch"),
    Flat("record_root", "VARCHAR", "v.root", "their root"),
    Flat("objection_id", "UUID", _id("ObjectionRaised", "v.objection"),
         "the objection raised or answered"),
    Flat("holder", "VARCHAR", "v.holder", "whose data is objected to"),
    Flat("section", "VARCHAR", "v.section", "the section objected to"),
    Flat("statement", "VARCHAR", "v.statement", "salted fingerprint of the words"),
    Flat("target_idx", "BIGINT", 'v."index"', "the entry whose body is erased"),
    Flat("target_commitment", "VARCHAR", "v.commitment", "its commitment"),
    Flat("subject", "VARCHAR", "v.subject", "whose directory row is erased"),
    Flat("form", "VARCHAR", "v.form", "what the enrolled enterprise is in law"),
    Flat("finding", "VARCHAR", "CASE WHEN t = 'FindingAsked' THEN v.finding END",
         "digest of the finding asked about"),
    Flat("asked_id", "UUID", _id("FindingAsked", "try_cast(v.finding AS UUID)"),
         "the asking created, answered or closed"),
    Flat("severity", "VARCHAR", "v.severity", "how heavy the finding weighs"),
    Flat("pack", "VARCHAR", "v.pack", "the rule pack it was found under"),
    Flat("answer_by_ms", "BIGINT", _ms('v."answerBy"'), "until when to answer"),
    Flat("entries", "BIGINT[]", "v.entries", "entries the finding concerns"),
    Flat("reply", "VARCHAR", "v.reply", "what the member says to it"),
    Flat("case_id", "UUID", _id("CaseOpened", 'v."case"'),
         "the inspection opened, approved, looked in or closed"),
    Flat("notice", "VARCHAR", "v.notice", "number of the inspection's notice"),
    Flat("matter", "VARCHAR", "v.matter", "what the inspection is about"),
    Flat("findings", "VARCHAR[]", "v.findings", "digests of the findings it follows up"),
    Flat("subjects", "VARCHAR[]", "v.subjects", "whom the inspector looked up"),
    Flat("objections", "UUID[]", "v.objections", "objections whose words were read along"),
)  # fmt: skip

_BODY: Final = ", ".join(f'"{name}" {type_}' for name, type_ in FIELDS.items())
LINE: Final[dict[str, str]] = {
    "i": "BIGINT",
    "a": "TIMESTAMP",
    "c": "VARCHAR",
    "t": "VARCHAR",
    "e": "VARCHAR",
    "b": f'STRUCT("event" STRUCT("by" VARCHAR, "signedAt" TIMESTAMP, body STRUCT({_BODY})))',
}
"""How DuckDB reads a line that `export` writes."""

SELECT: Final = (
    "SELECT "  # noqa: S608  our own texts
    + ", ".join(f'CAST({one.sql} AS {one.type}) AS "{one.name}"' for one in COLUMNS)
    + " FROM (SELECT *, b.event AS ev, b.event.body AS v FROM line)"
)
"""From lines to columns."""

LAYOUT: Final = hashlib.sha256(f"{LINE}\n{SELECT}".encode()).hexdigest()[:16]
"""Names this layout: partitions of another one are written anew."""
