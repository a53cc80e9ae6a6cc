-- One row for each look at who stands behind opaque ids, in an inspection.
--
-- idx: entry
-- looked_at: when, UTC
-- case_id: in which case
-- officer: which of the regulator's officers
-- ground: why
-- subjects: whom
-- objections: objections whose words were read along
-- in_open_case: whether the case was approved and not yet closed
SELECT e.idx, make_timestamp_ms(e.at_ms) AS looked_at, e.case_id, e.signer AS officer,
  e.ground, e.subjects, e.objections,
  coalesce(i.approved_at <= make_timestamp_ms(e.at_ms)
    AND (i.closed_idx IS NULL OR i.closed_idx > e.idx), false) AS in_open_case
FROM entries e LEFT JOIN inspections i USING (case_id)
WHERE e.type = 'IdentitiesResolved' AND e.has_body
