"""What is allowed: `decide(book, sealed, at)` gives the records an event writes, or a violation.

PURE: no clock, settings, randomness or I/O, and never mutates; so the hub that admits and the
observer that replays get the same answer. Only the log is evidence: a rule may use the event, the
key it was sealed with, its admission time and the book.

    answer = decide(book, sealed, at)
    if isinstance(answer, Violation):
        ...                             # answer.code, answer.path
    else:
        book.put(answer)                # the caller writes; a rule never does

The law has versions: `RULEBOOKS` maps a version to its rules, `RulebookAdopted` switches, and an
old version is never edited.
"""

from creditchain.rulebook.book import Book, DictBook, Writes
from creditchain.rulebook.erasure import NEVER_ERASED
from creditchain.rulebook.law import RULEBOOKS, RULES, WHILE_SUSPENDED, decide, find_key
from creditchain.rulebook.readers import READERS, member_of, readers
from creditchain.rulebook.refusal import SENTENCES, Refusal, Violation
from creditchain.rulebook.rule import SKEW_MS

__all__ = [
    "NEVER_ERASED",
    "READERS",
    "RULEBOOKS",
    "RULES",
    "SENTENCES",
    "SKEW_MS",
    "WHILE_SUSPENDED",
    "Book",
    "DictBook",
    "Refusal",
    "Violation",
    "Writes",
    "decide",
    "find_key",
    "member_of",
    "readers",
]
