"""The observer: the regulator's own process, with its own keys, database and judgement.

It follows a hub's log without trusting it: keeps a verified copy of every entry and body, replays
the rulebook over it, keeps what it finds for ever, and cosigns what it has seen. It imports the law
and the formats it shares with the hub, and none of the hub's rooms.
"""
