-- One row for each section ordered, delivered or missing in an order.
--
-- order_id: the order
-- section: the section
-- ordered: whether it was ordered
-- delivered: whether the first delivery has it
-- missing_code: why it does not, as the agency says
WITH placed AS (
  SELECT order_id, unnest(sections) AS section FROM entries
  WHERE type = 'OrderPlaced' AND has_body
), first AS (
  SELECT * FROM deliveries WHERE nth = 1
), brought AS (
  SELECT order_id, unnest(sections) AS section, true AS delivered, NULL AS code FROM first
  UNION ALL
  SELECT order_id, unnest(missing_sections), false, unnest(missing_codes) FROM first
)
SELECT coalesce(p.order_id, b.order_id) AS order_id, coalesce(p.section, b.section) AS section,
  p.section IS NOT NULL AS ordered, coalesce(b.delivered, false) AS delivered,
  b.code AS missing_code
FROM placed p FULL JOIN brought b ON p.order_id = b.order_id AND p.section = b.section
