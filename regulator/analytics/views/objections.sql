-- One row for each objection of an enterprise.
--
-- objection_id: the objection; the id of the event that raised it
-- enterprise: who objects
-- holder: whose data
-- section: which section
-- order_id: the order through which it became known, if any
-- statement: salted fingerprint of the words
-- raised_idx: entry
-- raised_at: when, UTC
-- answered_idx: entry of the answer
-- answered_at: when, UTC
-- answered_by: by which officer
-- outcome: DATA_WRONG, DATA_RIGHT, OMITTED or DELETED
-- answer_ms: from raising to the answer, ms; NULL: not answered
-- open_ms: from raising to the answer or to the end of the log, ms
WITH answered AS (
  SELECT objection_id, min(idx) AS idx, min(at_ms) AS at_ms, arg_min(signer, idx) AS signer,
    arg_min(outcome, idx) AS outcome
  FROM entries WHERE type = 'ObjectionAnswered' GROUP BY objection_id
)
SELECT e.objection_id, e.signer AS enterprise, e.holder, e.section, e.order_id, e.statement,
  e.idx AS raised_idx, make_timestamp_ms(e.at_ms) AS raised_at, a.idx AS answered_idx,
  make_timestamp_ms(a.at_ms) AS answered_at, a.signer AS answered_by, a.outcome,
  a.at_ms - e.at_ms AS answer_ms,
  coalesce(a.at_ms, (SELECT as_of_ms FROM log)) - e.at_ms AS open_ms
FROM entries e LEFT JOIN answered a USING (objection_id)
WHERE e.type = 'ObjectionRaised'
