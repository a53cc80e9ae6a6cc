"""Rule packs that ship with the observer: data, no code."""
