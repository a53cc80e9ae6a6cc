"""What a GraphQL door is made of, whatever it opens to.

Two doors are: the hub's (`creditchain.api`) and the regulator's over its own copy
(`regulator.door`). They share scalars, enums and pages, what a document may cost, cursors, how
failures are told, and how an assertion becomes an access token, so that a client of the one knows
the other and a bound that holds here holds there. This package knows no store, ledger or caller.
"""
