"""Questions over the whole log: the observer's copy as Parquet, and ready views over it.

- `columns`: the flat form of an entry, one typed column for each thing an event can say;
- `export`: the copy as Parquet partitions, brought up to date, whatever was interrupted before;
- `views`: what the views are called and say (the SQL lies in `views/*.sql`);
- `session`: a DuckDB connection over the views as of a size, which reaches nothing else;
- `handing`: all of it as a folder of Parquet, to be taken away.

Everything here is derived from `observer.db` and `audit.db` and can be deleted at any time. It
reads events alone, never the rulebook's records: what a view shows is what the log says.
"""
