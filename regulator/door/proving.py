"""Proofs that entries are under a checkpoint that we cosigned, from our own tree."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from creditchain.tlog.proof import prove_inclusions
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from regulator.config import COSIGNERS
from regulator.stored import Signed, read_head, read_tree


def read_signed(connection: Connection) -> dict[str, Signed]:
    """The head last cosigned under each name, of those there are."""
    found = {name: read_head(connection, name) for name in COSIGNERS}
    return {name: one for name, one in found.items() if one is not None and one.line}


def prove(connection: Connection, indexes: Sequence[int], held: int) -> dict[int, str]:
    """The .tlog-proof of each entry under the newest checkpoint that reaches it not beyond `held`.

    `held` is the size of our copy. The checkpoint carries every line we gave it. Entries that no
    cosigned checkpoint reaches yet have none.
    """
    signed = read_signed(connection)
    heads = [one.head for one in signed.values() if one.head.size <= held]
    if not heads:
        return {}
    head = max(heads, key=lambda one: one.size)
    reached = sorted({index for index in indexes if index < head.size})
    if not reached:
        return {}
    lines = [one.line for one in signed.values() if one.head.root == head.root]
    note = head.note + "".join(lines)
    proofs = prove_inclusions(reached, head.size, read_tree(connection, head.size))
    return {
        index: format_tlog_proof(TlogProof(index, hashes, note))
        for index, hashes in zip(reached, proofs, strict=True)
    }
