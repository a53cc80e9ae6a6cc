"""What every test starts from."""

from hypothesis import settings

# Shared machines are slow at odd moments; a slow example is not a wrong one.
settings.register_profile("creditchain", deadline=None, print_blob=True)
settings.load_profile("creditchain")
