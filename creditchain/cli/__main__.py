"""`python -m creditchain.cli`: the same program as `creditchain`."""

from creditchain.cli import main

if __name__ == "__main__":
    main()
