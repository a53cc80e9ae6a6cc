"""The reports a regulator files: what one is, how it is made into files, signed and checked.

- `model`: a report as a value, the same in every format and language, with its digest;
- `contents`: one function for each report, from the observer's copy to that value;
- `pdf`, `csv`, `json`, `parquet`: one format each; `folder` puts them together, signed.
"""
