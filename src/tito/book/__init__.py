"""What makes the book of docs/ and chapters/: Sphinx extensions, the cells that they run, and the handouts."""

from pathlib import Path

ROOT = Path(__file__).parents[3]  # the repository's
