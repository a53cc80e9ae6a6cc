-- One row: the counters under which the reference system was published, as the log ends.
--
-- members: institutions admitted and not withdrawn, founders included
-- agencies: of them, credit agencies
-- query_institutions: institutions that ordered at least once
-- query_users: officers appointed to order and not dismissed
-- enterprises: enrolled
-- records: credit records under batches that still count
-- consents: granted online by enterprises
-- orders: placed
-- reports: delivered with content
-- borrowers: enterprises granted credit after a report
-- credit: credit granted, minor units, for the currency most of it is in
-- currency: that currency
WITH credit AS (
  SELECT currency, sum(amount) AS amount, count(*) AS times FROM entries
  WHERE type = 'CreditDecided' AND decision = 'GRANTED' AND amount IS NOT NULL
  GROUP BY currency ORDER BY times DESC, currency LIMIT 1
), borrower AS (
  SELECT count(DISTINCT p.enterprise) AS n
  FROM (SELECT order_id FROM entries WHERE type = 'CreditDecided' AND decision = 'GRANTED') g
    JOIN (SELECT order_id, enterprise FROM entries WHERE type = 'OrderPlaced') p USING (order_id)
)
SELECT
  (SELECT count(*) FROM members WHERE standing <> 'WITHDRAWN') AS members,
  (SELECT count(*) FROM members WHERE standing <> 'WITHDRAWN' AND kind = 'AGENCY') AS agencies,
  (SELECT count(DISTINCT o.member) FROM officers o SEMI JOIN
    (SELECT signer AS officer FROM entries WHERE type = 'OrderPlaced') p USING (officer))
    AS query_institutions,
  (SELECT count(*) FROM officers WHERE dismissed_at IS NULL AND list_contains(roles, 'ORDER'))
    AS query_users,
  (SELECT count(DISTINCT enterprise) FROM entries WHERE type = 'EnterpriseEnrolled')
    AS enterprises,
  (SELECT coalesce(sum(records), 0)::BIGINT FROM record_batches WHERE superseded_at IS NULL)
    AS records,
  (SELECT count(DISTINCT consent_id) FROM entries WHERE type = 'ConsentGranted') AS consents,
  (SELECT count(DISTINCT order_id) FROM entries WHERE type = 'OrderPlaced') AS orders,
  (SELECT count(DISTINCT order_id) FROM entries
    WHERE type = 'ReportDelivered' AND outcome <> 'NOT_FOUND') AS reports,
  (SELECT n FROM borrower) AS borrowers,
  (SELECT amount::BIGINT FROM credit) AS credit, (SELECT currency FROM credit) AS currency
