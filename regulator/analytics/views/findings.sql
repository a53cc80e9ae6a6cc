-- One row for each finding, of integrity and replay or of the audit rules, with its state on the
-- log.
--
-- finding: its id, the digest that events cite
-- origin: INTEGRITY, AUDIT, OBSERVER (about ourselves), or LOG: asked about on the log, not found
--   here under this rule pack
-- code: what is wrong
-- severity: LOW, MEDIUM or HIGH; HIGH for integrity, LOW for what is about ourselves
-- pack: rule pack and version; NULL for integrity
-- idx: the entry at which it was found; NULL when it is about the tree
-- found_at: when the log admitted that entry, UTC
-- member: against which institution
-- officer: against which officer
-- certain: false when an unseen body may excuse it
-- entries: the entries that prove it
-- detail: more: a refusal code, or the facts of a rule as JSON
-- state: OPEN, ASKED, ANSWERED or CLOSED
-- asked_id: the asking that the log knows it by; the last one
-- asked_at: when the member was last asked, UTC
-- answer_by: until when to answer, UTC
-- answered_at: when it answered, UTC
-- reply: ACCEPTED, REMEDIED or CONTESTED
-- closed_at: when the regulator closed it, UTC
-- outcome: REMEDIED, UNFOUNDED, SANCTIONED or NOTED
-- overdue: whether the answer is late, by the log's own time
WITH asked AS (
  SELECT finding, asked_id, idx, at_ms, answer_by_ms, member, code, severity, pack, entries
  FROM entries
  WHERE type = 'FindingAsked' AND has_body
  QUALIFY row_number() OVER (PARTITION BY finding ORDER BY idx DESC) = 1
), answered AS (
  SELECT asked_id, max(idx) AS idx, max(at_ms) AS at_ms, arg_max(reply, idx) AS reply
  FROM entries WHERE type = 'FindingAnswered' AND has_body GROUP BY asked_id
), closed AS (
  SELECT asked_id, max(idx) AS idx, max(at_ms) AS at_ms, arg_max(outcome, idx) AS outcome
  FROM entries WHERE type = 'FindingClosed' AND has_body GROUP BY asked_id
), found AS (
  SELECT f.finding, 'AUDIT' AS origin, f.code, f.severity, f.pack, f.idx, f.at_ms, f.member,
    f.officer, f.certain, f.entries, f.detail
  FROM audit_finding f
  UNION ALL
  SELECT f.finding, CASE WHEN f.ours THEN 'OBSERVER' ELSE 'INTEGRITY' END, f.code,
    CASE WHEN f.ours THEN 'LOW' ELSE 'HIGH' END, NULL, f.idx, e.at_ms, NULL, NULL, f.certain,
    CASE WHEN f.idx IS NULL THEN []::BIGINT[] ELSE [f.idx] END, f.detail
  FROM integrity_finding f LEFT JOIN entries e ON f.idx = e.idx
  UNION ALL
  SELECT a.finding, 'LOG', a.code, a.severity, a.pack, e.idx, e.at_ms, a.member, NULL, true,
    coalesce(a.entries, []::BIGINT[]), NULL
  FROM asked a ANTI JOIN (SELECT finding FROM audit_finding UNION ALL
    SELECT finding FROM integrity_finding) f ON a.finding = f.finding
  LEFT JOIN entries e ON a.entries[1] = e.idx
)
SELECT f.finding, f.origin, f.code, f.severity, f.pack, f.idx,
  make_timestamp_ms(f.at_ms) AS found_at,
  coalesce(f.member, a.member) AS member, f.officer, f.certain, f.entries, f.detail,
  CASE WHEN c.idx IS NOT NULL AND (w.idx IS NULL OR w.idx < c.idx) THEN 'CLOSED'
    WHEN w.idx IS NOT NULL THEN 'ANSWERED' WHEN a.idx IS NOT NULL THEN 'ASKED'
    ELSE 'OPEN' END AS state,
  a.asked_id, make_timestamp_ms(a.at_ms) AS asked_at,
  make_timestamp_ms(a.answer_by_ms) AS answer_by,
  make_timestamp_ms(w.at_ms) AS answered_at, w.reply, make_timestamp_ms(c.at_ms) AS closed_at,
  c.outcome,
  coalesce(w.idx IS NULL AND c.idx IS NULL AND a.answer_by_ms < (SELECT as_of_ms FROM log), false)
    AS overdue
FROM found f LEFT JOIN asked a USING (finding) LEFT JOIN answered w USING (asked_id)
  LEFT JOIN closed c USING (asked_id)
