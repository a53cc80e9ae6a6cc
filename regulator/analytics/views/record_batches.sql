-- One row for each batch of records that an agency or a source committed to.
--
-- batch_id: the batch; the id of the event that committed it
-- member: the institution
-- committed_by: who signed
-- committed_idx: entry
-- committed_at: when, UTC
-- as_of: as of when the records are true, UTC
-- records: how many
-- root: their root
-- sections: which sections
-- superseded_at: since when it no longer counts, UTC; NULL: it does
-- superseded_reason: why
-- replacement_id: the batch in its place
-- cited_by: deliveries that cite it
WITH superseded AS (
  SELECT batch_id, min(at_ms) AS at_ms, arg_min(reason, idx) AS reason,
    arg_min(replacement_id, idx) AS replacement_id
  FROM entries WHERE type = 'RecordsSuperseded' GROUP BY batch_id
), cited AS (
  SELECT batch_id, count(*) AS times
  FROM (SELECT unnest(batches) AS batch_id FROM entries WHERE type = 'ReportDelivered')
  GROUP BY batch_id
)
SELECT e.batch_id, coalesce(o.member, e.signer) AS member, e.signer AS committed_by,
  e.idx AS committed_idx, make_timestamp_ms(e.at_ms) AS committed_at,
  make_timestamp_ms(e.as_of_ms) AS as_of, e.record_count AS records, e.record_root AS root,
  e.sections, make_timestamp_ms(s.at_ms) AS superseded_at, s.reason AS superseded_reason,
  s.replacement_id, coalesce(c.times, 0) AS cited_by
FROM entries e LEFT JOIN officers o ON e.signer = o.officer LEFT JOIN superseded s USING (batch_id)
  LEFT JOIN cited c USING (batch_id)
WHERE e.type = 'RecordsCommitted'
