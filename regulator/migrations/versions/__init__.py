"""One file for each step; a step that has run anywhere is never edited."""
