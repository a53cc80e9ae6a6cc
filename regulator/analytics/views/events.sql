-- One row for each entry: who did what, for which institution, about what.
--
-- idx: index of the entry
-- happened_at: when the log admitted it, UTC
-- type: the event's type; NULL when the body was never read
-- event_id: the event's id
-- signer: who signed: a member, an officer or an enterprise
-- acting: the institution that the signer acts for; NULL for an enterprise
-- signed_at: the signer's clock, UTC
-- has_body: false when the body is erased or missing
-- order_id: the order concerned
-- consent_id: the consent concerned
-- enterprise: the enterprise concerned, as the event names it
-- commitment: SHA-256 of the body, base64url
SELECT e.idx, make_timestamp_ms(e.at_ms) AS happened_at, e.type, e.event_id, e.signer,
  coalesce(o.member, CASE WHEN e.signer NOT LIKE '%\_%' ESCAPE '\' THEN e.signer END) AS acting,
  make_timestamp_ms(e.signed_at_ms) AS signed_at, e.has_body, e.order_id, e.consent_id,
  e.enterprise, e.commitment
FROM entries e LEFT JOIN officers o ON e.signer = o.officer
