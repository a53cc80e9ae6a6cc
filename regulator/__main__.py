"""`python -m regulator`."""

from regulator.cli import main

if __name__ == "__main__":
    main()
