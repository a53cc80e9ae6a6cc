-- One row for each consent, with the terms granted, else those requested, as the log ends.
--
-- consent_id: the consent; the id of the event that requested it
-- enterprise: who consents
-- grantee: who may order
-- officer: the officer who asked
-- purpose: for what
-- agencies: from whom
-- sections: which sections
-- valid_from: from when on, UTC
-- valid_until: up to but not including, UTC
-- uses_max: how often
-- uses: orders placed under it, less those declined or lapsed
-- requested_idx: entry of the request
-- requested_at: when, UTC
-- granted_idx: entry of the grant
-- granted_at: when, UTC
-- refused_at: when it was refused, UTC
-- refusal_reason: why
-- withdrawn_idx: entry of the withdrawal
-- withdrawn_at: when, UTC
-- expired_at: when its end was logged, UTC
-- narrowed: whether the grant has narrower terms than the request
-- status: REQUESTED, GRANTED, REFUSED, WITHDRAWN, EXPIRED, USED_UP or OUT_OF_WINDOW, by the log's
--   own time
-- request_commitment: commitment of the request's body
-- grant_commitment: commitment of the grant's body
WITH step AS (
  SELECT * FROM entries WHERE consent_id IS NOT NULL AND type IN ('ConsentRequested',
    'ConsentGranted', 'ConsentRefused', 'ConsentWithdrawn', 'ConsentExpired')
), life AS (
  SELECT consent_id,
    min(idx) FILTER (type = 'ConsentRequested') AS requested_idx,
    min(at_ms) FILTER (type = 'ConsentRequested') AS requested_ms,
    arg_min(signer, idx) FILTER (type = 'ConsentRequested') AS officer,
    arg_min(enterprise, idx) FILTER (type = 'ConsentRequested') AS enterprise,
    arg_min(commitment, idx) FILTER (type = 'ConsentRequested') AS request_commitment,
    arg_min({grantee: grantee, purpose: purpose, agencies: agencies, sections: sections,
      valid_from_ms: valid_from_ms, valid_until_ms: valid_until_ms, uses_max: uses_max}, idx)
      FILTER (type = 'ConsentRequested') AS asked,
    arg_min({grantee: grantee, purpose: purpose, agencies: agencies, sections: sections,
      valid_from_ms: valid_from_ms, valid_until_ms: valid_until_ms, uses_max: uses_max}, idx)
      FILTER (type = 'ConsentGranted') AS given,
    min(idx) FILTER (type = 'ConsentGranted') AS granted_idx,
    min(at_ms) FILTER (type = 'ConsentGranted') AS granted_ms,
    arg_min(commitment, idx) FILTER (type = 'ConsentGranted') AS grant_commitment,
    min(at_ms) FILTER (type = 'ConsentRefused') AS refused_ms,
    arg_min(reason, idx) FILTER (type = 'ConsentRefused') AS refusal_reason,
    min(idx) FILTER (type = 'ConsentWithdrawn') AS withdrawn_idx,
    min(at_ms) FILTER (type = 'ConsentWithdrawn') AS withdrawn_ms,
    min(at_ms) FILTER (type = 'ConsentExpired') AS expired_ms
  FROM step GROUP BY consent_id
), used AS (
  SELECT p.consent_id, count(*) AS uses
  FROM (SELECT DISTINCT order_id, consent_id FROM entries
      WHERE type = 'OrderPlaced' AND consent_id IS NOT NULL) p
    ANTI JOIN (SELECT order_id FROM entries WHERE type IN ('OrderDeclined', 'OrderLapsed')) r
    USING (order_id)
  GROUP BY p.consent_id
), whole AS (
  SELECT l.*, coalesce(l.given, l.asked) AS terms, coalesce(u.uses, 0) AS uses
  FROM life l LEFT JOIN used u USING (consent_id) WHERE l.requested_idx IS NOT NULL
)
SELECT consent_id, enterprise, terms.grantee AS grantee, officer, terms.purpose AS purpose,
  terms.agencies AS agencies, terms.sections AS sections,
  make_timestamp_ms(terms.valid_from_ms) AS valid_from,
  make_timestamp_ms(terms.valid_until_ms) AS valid_until, terms.uses_max AS uses_max, uses,
  requested_idx, make_timestamp_ms(requested_ms) AS requested_at, granted_idx,
  make_timestamp_ms(granted_ms) AS granted_at, make_timestamp_ms(refused_ms) AS refused_at,
  refusal_reason, withdrawn_idx, make_timestamp_ms(withdrawn_ms) AS withdrawn_at,
  make_timestamp_ms(expired_ms) AS expired_at, given <> asked AS narrowed,
  CASE WHEN withdrawn_ms IS NOT NULL THEN 'WITHDRAWN' WHEN expired_ms IS NOT NULL THEN 'EXPIRED'
    WHEN refused_ms IS NOT NULL AND granted_ms IS NULL THEN 'REFUSED'
    WHEN granted_ms IS NULL THEN 'REQUESTED'
    WHEN terms.valid_until_ms <= (SELECT as_of_ms FROM log) THEN 'OUT_OF_WINDOW'
    WHEN uses >= terms.uses_max THEN 'USED_UP' ELSE 'GRANTED' END AS status,
  request_commitment, grant_commitment
FROM whole
