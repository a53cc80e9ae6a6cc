-- One row for each month and grantee: how consent was asked for and given.
--
-- month: first day of the month in which was asked, in the zone of the session
-- grantee: the institution that asked
-- requested: asked for
-- granted: of them granted by now
-- refused: refused
-- withdrawn: withdrawn
-- unanswered: neither by now
-- p50_answer_ms: half were granted within, ms
SELECT month_of(requested_at) AS month, grantee, count(*) AS requested,
  count(granted_at) AS granted, count(refused_at) AS refused, count(withdrawn_at) AS withdrawn,
  count(*) FILTER (granted_at IS NULL AND refused_at IS NULL) AS unanswered,
  quantile_disc(epoch_ms(granted_at) - epoch_ms(requested_at), 0.5) AS p50_answer_ms
FROM consents GROUP BY ALL
