-- One row for each change of an institution's standing.
--
-- idx: entry
-- happened_at: when, UTC
-- member: the institution
-- change: ADMITTED, SUSPENDED, REINSTATED or WITHDRAWN
-- ground: why it was suspended
-- signer: who signed
-- until: when the next change came, UTC; NULL: it still stands
WITH changed AS (
  SELECT idx, at_ms, member,
    upper(substr(type, 7)) AS change, ground, signer
  FROM entries WHERE type IN ('MemberAdmitted', 'MemberSuspended', 'MemberReinstated',
    'MemberWithdrawn') AND has_body
  UNION ALL
  SELECT idx, at_ms, unnest([regulator, operator]), 'ADMITTED', NULL, signer
  FROM entries WHERE type = 'ConsortiumFounded' AND has_body
)
SELECT idx, make_timestamp_ms(at_ms) AS happened_at, member, change, ground, signer,
  make_timestamp_ms(lead(at_ms) OVER (PARTITION BY member ORDER BY idx)) AS until
FROM changed
