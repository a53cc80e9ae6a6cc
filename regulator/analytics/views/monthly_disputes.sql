-- One row for each month and institution whose data or delivery was disputed.
--
-- month: first day of the month in which was disputed or objected, in the zone of the session
-- holder: the agency or source
-- disputes: deliveries disputed by their orderers
-- objections: objections raised by enterprises
-- answered: of the objections, answered by now
-- upheld: of the answered, where the data was wrong, omitted or deleted
-- p50_answer_ms: half were answered within, ms
-- max_answer_ms: the slowest answer, ms
-- open: not answered by now
SELECT month, holder, sum(dispute)::BIGINT AS disputes, sum(objection)::BIGINT AS objections,
  count(answered) AS answered, count(*) FILTER (outcome <> 'DATA_RIGHT') AS upheld,
  quantile_disc(answer_ms, 0.5) AS p50_answer_ms, max(answer_ms) AS max_answer_ms,
  count(*) FILTER (objection = 1 AND answered IS NULL) AS open
FROM (
  SELECT month_of(disputed_at) AS month, agency AS holder, 1 AS dispute, 0 AS objection,
    NULL::TIMESTAMP AS answered, NULL AS outcome, NULL::BIGINT AS answer_ms
  FROM orders WHERE disputed_at IS NOT NULL
  UNION ALL
  SELECT month_of(raised_at), holder, 0, 1, answered_at, outcome, answer_ms FROM objections
) GROUP BY ALL
