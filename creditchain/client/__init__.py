"""What an institution runs: keys, signing, sealed reports, the hub's client and the verifier.

Nothing here trusts the hub: what it answers is checked against keys that the institution pinned.
"""
