"""Trust policies: which logs, and whose cosignatures are enough (C2SP tlog-policy).

A policy is a text file of `log`, `witness`, `group` and one `quorum` line; a name is used only
after the line that defines it, and each is a member of at most one group, so that a witness counts
in one way. Names are local to the file: they are not the names of the keys. Stricter than the
specification in one point: the file is UTF-8.

    >>> policy = parse_policy("quorum none\\n")
    >>> policy.satisfied_by([])
    True
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from creditchain.ed25519 import BadKey
from creditchain.tlog.checkpoint import OpenedCheckpoint, parse_checkpoint
from creditchain.tlog.cosignature import (
    CosignatureVerifier,
    format_cosigner_vkey,
    parse_cosigner_vkey,
)
from creditchain.tlog.note import BadNote, Verifier, format_vkey, open_note, parse_vkey
from creditchain.tlog.wire import decode_decimal

# The specification asks for 32 logs, 32 witnesses and 32 groups; four times that is still a file
# that a person could have written, and reading it stays instant.
POLICY_BYTES_MAX = 65_536
POLICY_NAMES_MAX = 128

NO_QUORUM = "none"


class BadPolicy(ValueError):
    """The text is not a policy, or not one that can be evaluated."""


class PolicyUnmet(BadNote):
    """The checkpoint is of no log in the policy, or too few witnesses have cosigned it."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log whose checkpoints are accepted; its origin is the name of its key."""

    verifier: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A cosigner under the name the policy gives it."""

    name: str
    verifier: CosignatureVerifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group that has witnessed when at least `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as parsed; `groups` stand in an order in which each uses only earlier ones."""

    logs: tuple[LogLine, ...]
    witnesses: tuple[WitnessLine, ...]
    groups: tuple[GroupLine, ...]
    quorum: str

    def satisfied_by(self, names: Collection[str]) -> bool:
        """Whether cosignatures by the witnesses of these (policy) names make up the quorum."""
        if self.quorum == NO_QUORUM:
            return True
        witnessed = {witness.name for witness in self.witnesses if witness.name in names}
        for group in self.groups:
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed

    def open_checkpoint(self, raw: bytes | str) -> OpenedCheckpoint:
        """Open a checkpoint note that this policy accepts: a listed log's, with the quorum.

        Raises MalformedNote, BadCheckpoint, UnverifiedNote or PolicyUnmet; all are BadNote. The
        cosignature times are for the caller to judge.
        """
        logs = [line.verifier for line in self.logs]
        witnesses = [line.verifier for line in self.witnesses]
        opened = open_note(raw, [*logs, *witnesses])
        signers = {(signature.name, signature.key_id) for signature in opened.verified}
        checkpoint = parse_checkpoint(opened.text)
        if not any(
            (log.name, log.key_id) in signers and log.name == checkpoint.origin for log in logs
        ):
            raise PolicyUnmet("the checkpoint is of no log in the policy")
        cosigned = {line.name: line.verifier.cosignatures(opened) for line in self.witnesses}
        if not self.satisfied_by({name for name, lines in cosigned.items() if lines}):
            raise PolicyUnmet("too few witnesses have cosigned the checkpoint")
        cosignatures = tuple(c for lines in cosigned.values() for c in lines)
        return OpenedCheckpoint(checkpoint, opened.text, cosignatures)


def parse_policy(raw: bytes | str) -> Policy:
    """The policy in a file's contents; raises BadPolicy naming the line."""
    if len(raw) > POLICY_BYTES_MAX:
        raise BadPolicy(f"a policy is at most {POLICY_BYTES_MAX} bytes")
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeError:
        raise BadPolicy("a policy is UTF-8") from None
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            reader.take(line)
        except (BadPolicy, BadKey) as error:
            raise BadPolicy(f"line {number}: {error}") from None
    return reader.policy()


def format_policy(policy: Policy) -> str:
    """The policy as a file; raises BadPolicy when it could not be parsed back."""
    lines = [_join("log", format_vkey(line.verifier), line.url) for line in policy.logs]
    lines += [
        _join("witness", line.name, format_cosigner_vkey(line.verifier), line.url)
        for line in policy.witnesses
    ]
    lines += [_join("group", g.name, str(g.threshold), *g.members) for g in policy.groups]
    lines.append(_join("quorum", policy.quorum))
    text = "".join(f"{line}\n" for line in lines)
    if parse_policy(text) != policy:
        raise BadPolicy("a name or address in the policy has a space")
    return text


class _Reader:
    """The state of a policy file as its lines are read."""

    def __init__(self) -> None:
        self.logs: list[LogLine] = []
        self.witnesses: list[WitnessLine] = []
        self.groups: list[GroupLine] = []
        self.quorum: str | None = None
        self.defined: set[str] = set()
        self.members: set[str] = set()

    def take(self, line: str) -> None:
        if any((c < " " and c != "\t") or c == "\x7f" for c in line):
            raise BadPolicy("a control character")
        # Only space and tab separate (tlog-policy, Structure); str.split() would split at others.
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        match words:
            case []:
                pass
            case [first, *_] if first.startswith("#"):
                pass
            case ["log", vkey, *url] if len(url) <= 1:
                self._take_log(LogLine(parse_vkey(vkey), *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                self._take_witness(WitnessLine(name, parse_cosigner_vkey(vkey), *url))
            case ["group", name, threshold, *members]:
                self._take_group(name, threshold, tuple(members))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise BadPolicy("a second quorum")
                if name != NO_QUORUM and name not in self.defined:
                    raise BadPolicy("the quorum is not defined above")
                self.quorum = name
            case _:
                raise BadPolicy("not a log, witness, group or quorum line")

    def policy(self) -> Policy:
        if self.quorum is None:
            raise BadPolicy("no quorum line")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _take_log(self, log: LogLine) -> None:
        if len(self.logs) >= POLICY_NAMES_MAX:
            raise BadPolicy(f"more than {POLICY_NAMES_MAX} logs")
        if any(log.verifier.public == other.verifier.public for other in self.logs):
            raise BadPolicy("the same log key twice")
        self.logs.append(log)

    def _take_witness(self, witness: WitnessLine) -> None:
        if any(witness.verifier.public == other.verifier.public for other in self.witnesses):
            raise BadPolicy("the same witness key twice")
        self.witnesses.append(witness)

    def _take_group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        for member in members:
            if member not in self.defined:
                raise BadPolicy("a group member is not defined above")
            if member in self.members:
                raise BadPolicy("a name is a group member twice")
            self.members.add(member)
        # Defined only now, so that no group can be its own member.
        self._define(name)
        least = {"any": 1, "all": len(members)}.get(threshold)
        if least is None:
            least = decode_decimal(threshold, len(members))
        if not members or not least:
            raise BadPolicy("a threshold is any, all or 1 to the number of members")
        self.groups.append(GroupLine(name, least, members))

    def _define(self, name: str) -> None:
        if name == NO_QUORUM or name in self.defined:
            raise BadPolicy("a name is defined twice")
        if len(self.defined) >= 2 * POLICY_NAMES_MAX:
            raise BadPolicy(f"more than {2 * POLICY_NAMES_MAX} witnesses and groups")
        self.defined.add(name)


def _join(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None)
