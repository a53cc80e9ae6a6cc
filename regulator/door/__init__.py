"""The regulator's GraphQL over its own copy: queries only, for its auditors, read-only throughout.

- `over_http`: the routes `/graphql` and `/token`;
- `sign_in`: who may ask: the regulator's officers with the role AUDIT, and its own key;
- `copy`: observer.db, opened so that no statement can write;
- `inquiry`: one query in progress: one thread, one committed state of the copy, one deadline;
- `statistics`: figures over the whole log, counted in a process of their own;
- `schema/`: the types; `python -m regulator.door.schema` prints graphql/observer.graphql.

Nothing here asks the hub anything, and nothing here knows a name of a person or an enterprise.
"""
