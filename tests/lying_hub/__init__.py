"""A hub in memory: honest in `honest.py`, telling one lie per method in `lies.py`."""
