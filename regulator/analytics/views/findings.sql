-- One row for each finding and member it is held against, of integrity and replay or of the audit
-- rules, with its state on the log.
--
-- finding: its id, the digest that events cite
-- origin: INTEGRITY, AUDIT, OBSERVER (about ourselves), or LOG: asked about on the log, and not
--   found here against this member under this rule pack
-- code: what is wrong
-- severity: LOW, MEDIUM or HIGH
-- pack: rule pack and version; NULL for integrity
-- idx: the entry at which it was found; NULL when it is about the tree
-- found_at: when the log admitted that entry, or, about the tree, the last one copied by then, UTC
-- member: against which institution
-- officer: against which officer
-- certain: false when an unseen body may excuse it
-- entries: the entries that prove it
-- detail: more: a refusal code, or the facts of a rule as JSON
-- state: OPEN, ASKED, ANSWERED or CLOSED
-- asked_id: the asking that the log knows it by; the last one
-- asked_at: when the member was last asked, UTC
-- answer_by: until when to answer, UTC
-- answered_at: when it last answered before the closing, UTC
-- reply: ACCEPTED, REMEDIED or CONTESTED
-- closed_at: when the regulator closed it, UTC
-- outcome: REMEDIED, UNFOUNDED, SANCTIONED or NOTED
-- contested_at: when the member contested the closing, UTC
-- late: whether the first answer came late, or is late by the log's own time
WITH asked AS (
  SELECT finding, member, asked_id, idx, at_ms, answer_by_ms, code, severity, pack, entries
  FROM entries WHERE type = 'FindingAsked' AND has_body
  QUALIFY row_number() OVER (PARTITION BY finding, member ORDER BY idx DESC) = 1
), closed AS (
  SELECT asked_id, min(idx) AS idx, min(at_ms) AS at_ms, arg_min(outcome, idx) AS outcome
  FROM entries WHERE type = 'FindingClosed' AND has_body GROUP BY asked_id
), answered AS (
  SELECT e.asked_id, min(e.at_ms) FILTER (c.idx IS NULL OR e.idx < c.idx) AS first_ms,
    max(e.at_ms) FILTER (c.idx IS NULL OR e.idx < c.idx) AS at_ms,
    arg_max(e.reply, e.idx) FILTER (c.idx IS NULL OR e.idx < c.idx) AS reply,
    min(e.at_ms) FILTER (e.idx > c.idx) AS contested_ms
  FROM entries e LEFT JOIN closed c ON e.asked_id = c.asked_id
  WHERE e.type = 'FindingAnswered' AND e.has_body GROUP BY e.asked_id
), found AS (
  SELECT f.finding, 'AUDIT' AS origin, f.code, f.severity, f.pack, f.idx, f.at_ms, f.member,
    f.officer, f.certain, f.entries, f.detail
  FROM audit_finding f
  UNION ALL
  SELECT f.finding, CASE WHEN f.ours THEN 'OBSERVER' ELSE 'INTEGRITY' END, f.code,
    f.severity, NULL, f.idx, e.at_ms, NULL, NULL, f.certain,
    CASE WHEN f.idx IS NULL THEN []::BIGINT[] ELSE [f.idx] END, f.detail
  FROM integrity_finding f LEFT JOIN entries e ON f.seen_idx = e.idx
), every AS (
  SELECT f.* REPLACE (coalesce(f.member, a.member) AS member), a.asked_id,
    a.at_ms AS asked_ms, a.answer_by_ms
  FROM found f LEFT JOIN asked a
    ON f.finding = a.finding AND (f.member IS NULL OR f.member = a.member)
  UNION ALL
  SELECT a.finding, 'LOG', a.code, a.severity, a.pack, e.idx, e.at_ms, a.member, NULL, true,
    coalesce(a.entries, []::BIGINT[]), NULL, a.asked_id, a.at_ms, a.answer_by_ms
  FROM asked a LEFT JOIN entries e ON a.entries[1] = e.idx
  WHERE NOT EXISTS (SELECT 1 FROM found f
    WHERE f.finding = a.finding AND (f.member IS NULL OR f.member = a.member))
)
SELECT f.finding, f.origin, f.code, f.severity, f.pack, f.idx,
  make_timestamp_ms(f.at_ms) AS found_at, f.member, f.officer, f.certain, f.entries, f.detail,
  CASE WHEN c.idx IS NOT NULL THEN 'CLOSED' WHEN w.at_ms IS NOT NULL THEN 'ANSWERED'
    WHEN f.asked_id IS NOT NULL THEN 'ASKED' ELSE 'OPEN' END AS state,
  f.asked_id, make_timestamp_ms(f.asked_ms) AS asked_at,
  make_timestamp_ms(f.answer_by_ms) AS answer_by, make_timestamp_ms(w.at_ms) AS answered_at,
  w.reply, make_timestamp_ms(c.at_ms) AS closed_at, c.outcome,
  make_timestamp_ms(w.contested_ms) AS contested_at,
  coalesce(coalesce(w.first_ms, c.at_ms, (SELECT as_of_ms FROM log)) > f.answer_by_ms, false)
    AS late
FROM every f LEFT JOIN answered w ON f.asked_id = w.asked_id
  LEFT JOIN closed c ON f.asked_id = c.asked_id
