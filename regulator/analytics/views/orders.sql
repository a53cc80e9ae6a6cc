-- One row for each order, with every step of its life. Where the log has a step twice, the first
-- counts. A step whose body is erased cannot be told and reads as NULL.
--
-- order_id: the order; the id of the event that placed it
-- placed_idx: entry at which it was placed
-- placed_at: when, UTC
-- officer: the orderer's officer who placed it
-- orderer: the institution that orders
-- orderer_region: its GB/T 2260 code
-- enterprise: on whom
-- enterprise_region: its GB/T 2260 code
-- cross_region: whether the enterprise's province or city (first four digits) is another one
-- product: what was ordered
-- agency: from whom
-- purpose: why
-- sections: which sections
-- consent_id: under which consent; NULL: on a ground of law
-- ground: COURT or STATUTE; NULL: under consent
-- document: fingerprint of the paper behind the ground
-- approved_idx: entry of the second officer's approval, for a ground of law
-- approved_at: when, UTC
-- approved_by: by which officer
-- accepted_idx: entry at which the agency accepted
-- accepted_at: when, UTC
-- accepted_by: by which officer
-- declined_idx: entry at which the agency declined
-- declined_at: when, UTC
-- decline_code: why
-- cancelled_idx: entry at which the orderer cancelled
-- cancelled_at: when, UTC
-- lapsed_idx: entry at which it lapsed
-- lapsed_at: when, UTC
-- delivered_idx: entry of the delivery
-- delivered_at: when, UTC
-- delivered_by: by which officer
-- deliveries: deliveries on the log; more than one is a finding
-- outcome: COMPLETE, PARTIAL or NOT_FOUND
-- delivered_sections: what was delivered
-- missing_sections: what was ordered and not delivered
-- report_fingerprint: salted fingerprint of the delivered report
-- report_size: bytes of the sealed report
-- acknowledged_idx: entry at which the orderer acknowledged
-- acknowledged_at: when, UTC
-- acknowledged_by: by which officer
-- opened_fingerprint: the fingerprint that the orderer found on opening
-- disputed_idx: entry at which the orderer disputed
-- disputed_at: when, UTC
-- dispute_code: why
-- decided_idx: entry of the lending decision
-- decided_at: when, UTC
-- decision: GRANTED or DECLINED
-- amount: credit granted, minor units
-- currency: its currency
-- erased_at: when the sealed report was erased, UTC
-- due_at: when it is due, UTC: the product's time after placing, or after approval
-- price: of the product, minor units
-- price_currency: its currency
-- status: AWAITING_APPROVAL, PLACED, ACCEPTED, DECLINED, CANCELLED, LAPSED, DELIVERED,
--   ACKNOWLEDGED or DISPUTED
-- served_ms: from placing (or approval) to delivery, ms
WITH step AS (
  SELECT * FROM entries
  WHERE order_id IS NOT NULL AND type IN ('OrderPlaced', 'OrderApproved', 'OrderAccepted',
    'OrderDeclined', 'OrderCancelled', 'OrderLapsed', 'ReportDelivered', 'DeliveryAcknowledged',
    'DeliveryDisputed', 'CreditDecided', 'ReportErased')
), life AS (
  SELECT order_id,
    min(idx) FILTER (type = 'OrderPlaced') AS placed_idx,
    min(at_ms) FILTER (type = 'OrderPlaced') AS placed_ms,
    arg_min(signer, idx) FILTER (type = 'OrderPlaced') AS officer,
    arg_min(enterprise, idx) FILTER (type = 'OrderPlaced') AS enterprise,
    arg_min(product, idx) FILTER (type = 'OrderPlaced') AS product,
    arg_min(purpose, idx) FILTER (type = 'OrderPlaced') AS purpose,
    arg_min(sections, idx) FILTER (type = 'OrderPlaced') AS sections,
    arg_min(consent_id, idx) FILTER (type = 'OrderPlaced') AS consent_id,
    arg_min(ground, idx) FILTER (type = 'OrderPlaced') AS ground,
    arg_min(document, idx) FILTER (type = 'OrderPlaced') AS document,
    min(idx) FILTER (type = 'OrderApproved') AS approved_idx,
    min(at_ms) FILTER (type = 'OrderApproved') AS approved_ms,
    arg_min(signer, idx) FILTER (type = 'OrderApproved') AS approved_by,
    min(idx) FILTER (type = 'OrderAccepted') AS accepted_idx,
    min(at_ms) FILTER (type = 'OrderAccepted') AS accepted_ms,
    arg_min(signer, idx) FILTER (type = 'OrderAccepted') AS accepted_by,
    min(idx) FILTER (type = 'OrderDeclined') AS declined_idx,
    min(at_ms) FILTER (type = 'OrderDeclined') AS declined_ms,
    arg_min(code, idx) FILTER (type = 'OrderDeclined') AS decline_code,
    min(idx) FILTER (type = 'OrderCancelled') AS cancelled_idx,
    min(at_ms) FILTER (type = 'OrderCancelled') AS cancelled_ms,
    min(idx) FILTER (type = 'OrderLapsed') AS lapsed_idx,
    min(at_ms) FILTER (type = 'OrderLapsed') AS lapsed_ms,
    min(idx) FILTER (type = 'ReportDelivered') AS delivered_idx,
    min(at_ms) FILTER (type = 'ReportDelivered') AS delivered_ms,
    arg_min(signer, idx) FILTER (type = 'ReportDelivered') AS delivered_by,
    count(*) FILTER (type = 'ReportDelivered') AS deliveries,
    arg_min(outcome, idx) FILTER (type = 'ReportDelivered') AS outcome,
    arg_min(sections, idx) FILTER (type = 'ReportDelivered') AS delivered_sections,
    arg_min(missing_sections, idx) FILTER (type = 'ReportDelivered') AS missing_sections,
    arg_min(report_fingerprint, idx) FILTER (type = 'ReportDelivered') AS report_fingerprint,
    arg_min(report_size, idx) FILTER (type = 'ReportDelivered') AS report_size,
    min(idx) FILTER (type = 'DeliveryAcknowledged') AS acknowledged_idx,
    min(at_ms) FILTER (type = 'DeliveryAcknowledged') AS acknowledged_ms,
    arg_min(signer, idx) FILTER (type = 'DeliveryAcknowledged') AS acknowledged_by,
    arg_min(opened_fingerprint, idx)
      FILTER (type IN ('DeliveryAcknowledged', 'DeliveryDisputed')) AS opened_fingerprint,
    min(idx) FILTER (type = 'DeliveryDisputed') AS disputed_idx,
    min(at_ms) FILTER (type = 'DeliveryDisputed') AS disputed_ms,
    arg_min(code, idx) FILTER (type = 'DeliveryDisputed') AS dispute_code,
    min(idx) FILTER (type = 'CreditDecided') AS decided_idx,
    min(at_ms) FILTER (type = 'CreditDecided') AS decided_ms,
    arg_min(decision, idx) FILTER (type = 'CreditDecided') AS decision,
    arg_min(amount, idx) FILTER (type = 'CreditDecided') AS amount,
    arg_min(currency, idx) FILTER (type = 'CreditDecided') AS currency,
    min(at_ms) FILTER (type = 'ReportErased') AS erased_ms
  FROM step GROUP BY order_id
)
SELECT l.order_id, l.placed_idx, make_timestamp_ms(l.placed_ms) AS placed_at, l.officer,
  o.member AS orderer, m.region AS orderer_region, l.enterprise, n.region AS enterprise_region,
  left(m.region, 4) <> left(n.region, 4) AS cross_region, l.product,
  split_part(l.product, '/', 1) AS agency, l.purpose, l.sections, l.consent_id, l.ground,
  l.document, l.approved_idx, make_timestamp_ms(l.approved_ms) AS approved_at, l.approved_by,
  l.accepted_idx, make_timestamp_ms(l.accepted_ms) AS accepted_at, l.accepted_by,
  l.declined_idx, make_timestamp_ms(l.declined_ms) AS declined_at, l.decline_code,
  l.cancelled_idx, make_timestamp_ms(l.cancelled_ms) AS cancelled_at,
  l.lapsed_idx, make_timestamp_ms(l.lapsed_ms) AS lapsed_at,
  l.delivered_idx, make_timestamp_ms(l.delivered_ms) AS delivered_at, l.delivered_by,
  l.deliveries, l.outcome, l.delivered_sections, l.missing_sections, l.report_fingerprint,
  l.report_size, l.acknowledged_idx, make_timestamp_ms(l.acknowledged_ms) AS acknowledged_at,
  l.acknowledged_by, l.opened_fingerprint, l.disputed_idx,
  make_timestamp_ms(l.disputed_ms) AS disputed_at, l.dispute_code, l.decided_idx,
  make_timestamp_ms(l.decided_ms) AS decided_at, l.decision, l.amount, l.currency,
  make_timestamp_ms(l.erased_ms) AS erased_at,
  make_timestamp_ms(CASE WHEN l.ground IS NULL THEN l.placed_ms ELSE l.approved_ms END
    + p.due_within_ms) AS due_at,
  p.price, p.price_currency,
  CASE WHEN l.disputed_idx IS NOT NULL THEN 'DISPUTED'
    WHEN l.acknowledged_idx IS NOT NULL THEN 'ACKNOWLEDGED'
    WHEN l.delivered_idx IS NOT NULL THEN 'DELIVERED'
    WHEN l.declined_idx IS NOT NULL THEN 'DECLINED'
    WHEN l.cancelled_idx IS NOT NULL THEN 'CANCELLED'
    WHEN l.lapsed_idx IS NOT NULL THEN 'LAPSED'
    WHEN l.accepted_idx IS NOT NULL THEN 'ACCEPTED'
    WHEN l.ground IS NOT NULL AND l.approved_idx IS NULL THEN 'AWAITING_APPROVAL'
    ELSE 'PLACED' END AS status,
  l.delivered_ms - CASE WHEN l.ground IS NULL THEN l.placed_ms ELSE l.approved_ms END AS served_ms
FROM life l
  LEFT JOIN (SELECT officer, signer AS member FROM entries
    WHERE type = 'OfficerAppointed' AND has_body
    QUALIFY row_number() OVER (PARTITION BY officer ORDER BY idx) = 1) o ON l.officer = o.officer
  LEFT JOIN (SELECT member, region FROM entries WHERE type = 'MemberAdmitted' AND has_body
    QUALIFY row_number() OVER (PARTITION BY member ORDER BY idx) = 1) m ON o.member = m.member
  LEFT JOIN (SELECT enterprise, arg_min(region, idx) AS region FROM entries
    WHERE type = 'EnterpriseEnrolled' AND has_body GROUP BY enterprise) n
    ON l.enterprise = n.enterprise
  LEFT JOIN (SELECT product, price, price_currency, due_within_ms FROM entries
    WHERE type = 'ProductOffered' AND has_body
    QUALIFY row_number() OVER (PARTITION BY product ORDER BY idx) = 1) p ON l.product = p.product
WHERE l.placed_idx IS NOT NULL
