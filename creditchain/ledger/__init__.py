"""The ledger: the only writer of the log."""
