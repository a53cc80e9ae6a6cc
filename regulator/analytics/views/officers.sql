-- One row for each officer who acts for an institution.
--
-- officer: the opaque id
-- member: whose officer
-- roles: what the officer may do
-- identity: salted fingerprint of the directory row
-- appointed_idx: entry of the appointment
-- appointed_at: when, UTC
-- expires_at: when the key expires, UTC; NULL: it does not
-- dismissed_idx: entry of the dismissal; NULL: still acts
-- dismissed_at: when, UTC
-- compromised_since: from when on the key is not to be trusted, UTC
WITH appointed AS (
  SELECT * FROM entries WHERE type = 'OfficerAppointed' AND has_body
  QUALIFY row_number() OVER (PARTITION BY officer ORDER BY idx) = 1
), dismissed AS (
  SELECT officer, min(idx) AS idx, min(at_ms) AS at_ms,
    arg_min(compromised_since_ms, idx) AS compromised_since_ms
  FROM entries WHERE type = 'OfficerDismissed' AND has_body GROUP BY officer
)
SELECT a.officer, a.signer AS member, a.roles, a.identity, a.idx AS appointed_idx,
  make_timestamp_ms(a.at_ms) AS appointed_at, make_timestamp_ms(a.expires_at_ms) AS expires_at,
  d.idx AS dismissed_idx, make_timestamp_ms(d.at_ms) AS dismissed_at,
  make_timestamp_ms(d.compromised_since_ms) AS compromised_since
FROM appointed a LEFT JOIN dismissed d USING (officer)
