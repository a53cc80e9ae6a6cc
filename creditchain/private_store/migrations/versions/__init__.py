"""One file per step, oldest first; a published step is never edited."""
