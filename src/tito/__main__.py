"""`python -m tito` is `tito`."""

import importlib.util
import sys

NEEDS = ("hypothesis", "platformdirs", "rich", "typer", "xdoctest")  # what every command imports, sooner or later


def main() -> None:
    """Run the command line, after a look at whether the course's packages are installed."""
    if any(importlib.util.find_spec(name) is None for name in NEEDS):
        print("tito needs: pip install 'tinytorch[course]'", file=sys.stderr)
        sys.exit(2)
    from tito import cli

    cli.main()


if __name__ == "__main__":
    main()
