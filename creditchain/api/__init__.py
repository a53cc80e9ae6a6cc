"""The doors of the hub: sign-in, GraphQL over HTTP, WebSocket and SSE, reports, and the log's feed.

A door checks who speaks and how much is asked, translates, and hands on. It decides nothing: the
law is the rulebook's, the writing the ledger's. What a caller may read is one table, `authority`.
"""
