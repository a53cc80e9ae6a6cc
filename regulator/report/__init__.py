"""The reports a regulator files: what one is, how it is made into files, signed and checked.

- `value`, `header`, `model`: a report as a value, the same in every format and language;
- `contents`: one function for each report, from the observer's copy to that value;
- `pdf`, `sheet` (CSV), `parquet`: one format each; JSON is the value's canonical form itself;
- `folder`: a report's files together, with a signed manifest, and checking them again.
"""
