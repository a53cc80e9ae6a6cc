-- One row for each erasure on the log.
--
-- idx: entry
-- happened_at: when, UTC
-- what: BODY, DIRECTORY or REPORT
-- ground: the legal ground
-- signer: who signed
-- acting: the institution the signer acts for
-- target_idx: the entry whose body is erased
-- target_commitment: its commitment
-- target_type: the type of the erased event
-- subject: whose directory row is erased
-- order_id: the order whose sealed report is erased
SELECT e.idx, make_timestamp_ms(e.at_ms) AS happened_at,
  CASE e.type WHEN 'BodyErased' THEN 'BODY' WHEN 'DirectoryErased' THEN 'DIRECTORY'
    ELSE 'REPORT' END AS what,
  e.ground, e.signer, coalesce(o.member, e.signer) AS acting, e.target_idx, e.target_commitment,
  t.type AS target_type, e.subject, e.order_id
FROM entries e LEFT JOIN officers o ON e.signer = o.officer
  LEFT JOIN entries t ON e.target_idx = t.idx
WHERE e.type IN ('BodyErased', 'DirectoryErased', 'ReportErased')
