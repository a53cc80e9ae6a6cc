-- One row for each delivery on the log, lawful or not.
--
-- idx: entry
-- delivered_at: when, UTC
-- order_id: for which order
-- delivered_by: the agency's officer
-- agency: the officer's institution
-- outcome: COMPLETE, PARTIAL or NOT_FOUND
-- sections: delivered
-- missing_sections: ordered and not delivered
-- missing_codes: why, one for each of them
-- batches: record batches that the report cites
-- report_fingerprint: salted fingerprint of the report
-- report_ciphertext: SHA-256 of the sealed report
-- report_size: bytes of the sealed report
-- report_schema: schema of the report
-- sealed_to: thumbprint of the key it is sealed to
-- nth: 1 for the first delivery of the order
SELECT e.idx, make_timestamp_ms(e.at_ms) AS delivered_at, e.order_id, e.signer AS delivered_by,
  o.member AS agency, e.outcome, e.sections, e.missing_sections, e.missing_codes, e.batches,
  e.report_fingerprint, e.report_ciphertext, e.report_size, e.report_schema,
  e.seal_to AS sealed_to, row_number() OVER (PARTITION BY e.order_id ORDER BY e.idx) AS nth
FROM entries e LEFT JOIN officers o ON e.signer = o.officer
WHERE e.type = 'ReportDelivered' AND e.has_body
