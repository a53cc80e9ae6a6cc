"""What the software costs, measured: `make bench`.

Each measurement is one file with `measure(bench) -> list[Figure]`. What is compared is measured in
turns within one run, so that a slow machine is slow for both. The table goes to the terminal and to
`results.md`.
"""
