-- One row for each public key that was put on the log.
--
-- owner: whose key: a member, an officer or an enterprise
-- kid: its thumbprint (RFC 7638)
-- alg: its algorithm; NULL for the founders' first keys
-- added_idx: entry
-- added_at: when, UTC
-- added_by: who signed
-- expires_at: when it expires, UTC
-- revoked_idx: entry of the revocation
-- revoked_at: when, UTC
-- revoked_reason: why
-- compromised_since: from when on it is not to be trusted, UTC
WITH added AS (
  SELECT idx, at_ms, signer, regulator AS owner, regulator_kid AS kid, NULL AS alg,
    NULL::BIGINT AS expires_at_ms
  FROM entries WHERE type = 'ConsortiumFounded' AND has_body
  UNION ALL
  SELECT idx, at_ms, signer, operator, operator_kid, NULL, NULL
  FROM entries WHERE type = 'ConsortiumFounded' AND has_body
  UNION ALL
  SELECT idx, at_ms, signer,
    CASE type WHEN 'OfficerAppointed' THEN officer WHEN 'EnterpriseEnrolled' THEN enterprise
      WHEN 'AuthoriserKeyAdded' THEN enterprise ELSE member END, key_kid, key_alg, expires_at_ms
  FROM entries WHERE type IN ('MemberAdmitted', 'MemberKeyAdded', 'OfficerAppointed',
    'EnterpriseEnrolled', 'AuthoriserKeyAdded') AND has_body
), revoked AS (
  SELECT coalesce(enterprise, member) AS owner, key_kid AS kid, min(idx) AS idx,
    min(at_ms) AS at_ms, arg_min(reason, idx) AS reason,
    arg_min(compromised_since_ms, idx) AS compromised_since_ms
  FROM entries WHERE type IN ('MemberKeyRevoked', 'AuthoriserKeyRevoked') AND has_body
  GROUP BY ALL
)
SELECT a.owner, a.kid, a.alg, a.idx AS added_idx, make_timestamp_ms(a.at_ms) AS added_at,
  a.signer AS added_by, make_timestamp_ms(a.expires_at_ms) AS expires_at, r.idx AS revoked_idx,
  make_timestamp_ms(r.at_ms) AS revoked_at, r.reason AS revoked_reason,
  make_timestamp_ms(r.compromised_since_ms) AS compromised_since
FROM added a LEFT JOIN revoked r ON a.owner = r.owner AND a.kid = r.kid
