"""What every test starts from."""

import re

from hypothesis import settings

# Shared machines are slow at odd moments; a slow example is not a wrong one.
settings.register_profile("creditchain", deadline=None, print_blob=True)
settings.load_profile("creditchain")


_FRESH = re.compile(
    r"(en|of)_[A-Za-z0-9_-]{22}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Tests are named without fresh ids: test processes side by side must agree on the names."""
    if isinstance(val, str) and _FRESH.search(val):
        return _FRESH.sub("ID", val).encode("unicode_escape").decode("ascii")
    return None
