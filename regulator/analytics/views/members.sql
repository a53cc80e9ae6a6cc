-- One row for each institution, with its standing at the end.
--
-- member: its id
-- kind: BANK, AGENCY, SOURCE, JUDICIAL, REGULATOR or OPERATOR
-- name: its name
-- region: GB/T 2260 code
-- filing: the agency's filing, if it told one
-- admitted_idx: entry of its admission or of the founding
-- admitted_at: when, UTC
-- standing: ACTIVE, SUSPENDED or WITHDRAWN
-- standing_since: since when, UTC
-- suspensions: how often it was suspended
WITH admitted AS (
  SELECT idx, at_ms, regulator AS member, 'REGULATOR' AS kind, regulator_name AS name,
    regulator_region AS region, NULL AS filing
  FROM entries WHERE type = 'ConsortiumFounded' AND has_body
  UNION ALL
  SELECT idx, at_ms, operator, 'OPERATOR', operator_name, operator_region, NULL
  FROM entries WHERE type = 'ConsortiumFounded' AND has_body
  UNION ALL
  SELECT idx, at_ms, member, kind, name, region, filing
  FROM entries WHERE type = 'MemberAdmitted' AND has_body
), once AS (
  SELECT * FROM admitted QUALIFY row_number() OVER (PARTITION BY member ORDER BY idx) = 1
), changed AS (
  SELECT member, arg_max(type, idx) AS last, max(at_ms) AS at_ms,
    count(*) FILTER (type = 'MemberSuspended') AS suspensions
  FROM entries WHERE type IN ('MemberSuspended', 'MemberReinstated', 'MemberWithdrawn')
  GROUP BY member
)
SELECT o.member, o.kind, o.name, o.region, o.filing, o.idx AS admitted_idx,
  make_timestamp_ms(o.at_ms) AS admitted_at,
  CASE c.last WHEN 'MemberSuspended' THEN 'SUSPENDED' WHEN 'MemberWithdrawn' THEN 'WITHDRAWN'
    ELSE 'ACTIVE' END AS standing,
  make_timestamp_ms(coalesce(c.at_ms, o.at_ms)) AS standing_since,
  coalesce(c.suspensions, 0) AS suspensions
FROM once o LEFT JOIN changed c USING (member)
