"""Migrations of the ledger's tables, run by `Database.upgrade`. A released one is never edited."""
