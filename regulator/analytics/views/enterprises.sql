-- One row for each enterprise on the chain.
--
-- enterprise: the opaque id
-- region: GB/T 2260 code
-- form: what it is in law; ENTERPRISE where it was not told
-- vouched_by: the institution that enrolled it
-- enrolled_idx: entry of the enrolment
-- enrolled_at: when, UTC
-- identity: salted fingerprint of the directory row
-- authority: fingerprint of the paper that authorises its first key
-- keys_added: further keys that authorise for it
-- keys_revoked: keys that no longer do
-- erased_at: when its directory row was erased, UTC; NULL: it is there
WITH enrolled AS (
  SELECT * FROM entries WHERE type = 'EnterpriseEnrolled' AND has_body
  QUALIFY row_number() OVER (PARTITION BY enterprise ORDER BY idx) = 1
), keys AS (
  SELECT enterprise, count(*) FILTER (type = 'AuthoriserKeyAdded') AS added,
    count(*) FILTER (type = 'AuthoriserKeyRevoked') AS revoked
  FROM entries WHERE type IN ('AuthoriserKeyAdded', 'AuthoriserKeyRevoked') GROUP BY enterprise
), erased AS (
  SELECT subject, min(at_ms) AS at_ms FROM entries WHERE type = 'DirectoryErased' GROUP BY subject
)
SELECT n.enterprise, n.region, coalesce(n.form, 'ENTERPRISE') AS form,
  coalesce(o.member, n.signer) AS vouched_by, n.idx AS enrolled_idx,
  make_timestamp_ms(n.at_ms) AS enrolled_at, n.identity, n.authority,
  coalesce(k.added, 0) AS keys_added, coalesce(k.revoked, 0) AS keys_revoked,
  make_timestamp_ms(x.at_ms) AS erased_at
FROM enrolled n LEFT JOIN officers o ON n.signer = o.officer LEFT JOIN keys k USING (enterprise)
  LEFT JOIN erased x ON n.enterprise = x.subject
