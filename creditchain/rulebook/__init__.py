"""What is allowed: `decide(book, sealed, at)` gives the records an event writes, or a violation.

PURE: no clock, settings, randomness or I/O, and never mutates; so the hub that admits and the
observer that replays get the same answer. Only the log is evidence: a rule may use the event, the
key it was sealed with, its admission time and the book.

The law has versions: `RULEBOOKS` maps a version to its rules, `RulebookAdopted` switches, and an
old version is never edited.
"""
