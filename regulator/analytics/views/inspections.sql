-- One row for each inspection.
--
-- case_id: the case; the id of the event that opened it
-- notice: number of its notice
-- member: about which institution
-- matter: ROUTINE, FINDING, COMPLAINT or INCIDENT
-- findings: the findings that it follows up
-- opened_idx: entry
-- opened_at: when, UTC
-- opened_by: the first officer
-- approved_at: when the second officer approved, UTC; NULL: nobody may look
-- approved_by: the second officer
-- closed_idx: entry at which it ended
-- closed_at: when, UTC
-- looks: how often identities were resolved
-- subjects_seen: whose, counted once
WITH opened AS (
  SELECT * FROM entries WHERE type = 'CaseOpened' AND has_body
), approved AS (
  SELECT case_id, min(at_ms) AS at_ms, arg_min(signer, idx) AS signer
  FROM entries WHERE type = 'CaseApproved' AND has_body GROUP BY case_id
), closed AS (
  SELECT case_id, min(idx) AS idx, min(at_ms) AS at_ms
  FROM entries WHERE type = 'CaseClosed' AND has_body GROUP BY case_id
), looked AS (
  SELECT case_id, count(DISTINCT idx) AS looks, count(DISTINCT subject) AS seen
  FROM (SELECT case_id, idx, unnest(subjects) AS subject FROM entries
    WHERE type = 'IdentitiesResolved' AND has_body)
  GROUP BY case_id
)
SELECT o.case_id, o.notice, o.member, o.matter, o.findings, o.idx AS opened_idx,
  make_timestamp_ms(o.at_ms) AS opened_at, o.signer AS opened_by,
  make_timestamp_ms(a.at_ms) AS approved_at, a.signer AS approved_by, c.idx AS closed_idx,
  make_timestamp_ms(c.at_ms) AS closed_at, coalesce(l.looks, 0) AS looks,
  coalesce(l.seen, 0) AS subjects_seen
FROM opened o LEFT JOIN approved a USING (case_id) LEFT JOIN closed c USING (case_id)
  LEFT JOIN looked l USING (case_id)
