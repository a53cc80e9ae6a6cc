"""The transparency log's formats and mathematics: what any stranger's C2SP verifier also reads.

It promises that a log is append-only and the same for everyone, to whoever checks:

- a tree is hashed as in RFC 6962 and read through C2SP tiles;
- a checkpoint is a log's signed word on its size and root; a cosignature, an observer's that it
  saw the log grow consistently;
- each `parse` accepts exactly what its `format` writes, and refuses with one family of errors;
- each `check` needs no trust in whoever supplied the proof.

Pure: no clock, no store, no network; times and tiles are handed in.

A log of three entries, signed, and a proof that anyone can check offline:

    >>> from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
    >>> from creditchain.tlog.edge import Edge, EdgeReader
    >>> from creditchain.tlog.merkle import leaf_hashes_of
    >>> from creditchain.tlog.note import Signer, format_vkey
    >>> from creditchain.tlog.policy import parse_policy
    >>> from creditchain.tlog.proof import prove_inclusion
    >>> from creditchain.tlog.tlogproof import TlogProof, check_tlog_proof, format_tlog_proof
    >>> edge = Edge.empty()
    >>> edge.append(leaf_hashes_of([b"a", b"b", b"c"]))
    []
    >>> signer = Signer("log.example", bytes(32))
    >>> note = sign_checkpoint(Checkpoint("log.example", edge.size, edge.root()), signer)
    >>> hashes = prove_inclusion(1, edge.size, EdgeReader(edge, lambda level, n, width: b""))
    >>> text = format_tlog_proof(TlogProof(1, hashes, note))
    >>> policy = parse_policy(f"log {format_vkey(signer.verifier)}\\nquorum none\\n")
    >>> check_tlog_proof(text, b"b", policy).checkpoint.size
    3
"""
