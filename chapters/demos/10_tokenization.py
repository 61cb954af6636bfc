"""Merges grow letters into tokens.

The pair that stands most often becomes one token; then the same again. Sennrich, Haddow and Birch, 2016.
"""

from textwrap import wrap

from drawing import INKS, bars, lines
from rich.text import Text

from tinytorch.tokenization import BytePairTokenizer

TEXT = """the cat sat on the mat and the rat sat
on the cat. that cat, that fat cat, ate
the rat that sat on the mat. then the
mat was flat and the cat was fat, and
that was that."""
MERGES, SLOWLY = 24, (0, 1, 2, 4, 8, 16, 24)


def cut(tokenizer: BytePairTokenizer) -> Text:
    """The text with a mark between its tokens, each in the colour of its number."""
    whole = Text()
    for token in tokenizer.encode(TEXT):
        piece = tokenizer.decode([token])
        whole.append("|", "dim").append(piece.replace(" ", "_"), INKS[token % len(INKS)])
    return whole


def frames(stage):
    for merges in range(MERGES + 1):
        tokenizer = BytePairTokenizer.train(TEXT, 256 + merges)
        tokens = tokenizer.encode(TEXT)
        made = [tokenizer.decode([256 + k]).replace(" ", "_") for k in range(merges)]
        made_so_far = wrap("  ".join(made), 76) or ["none"]
        length = bars([("tokens", len(tokens), str(len(tokens)))], len(TEXT))
        picture = lines([*cut(tokenizer).split("\n"), "", "merged so far:", *made_so_far, "", length])
        last = f"Merge {merges} makes {made[-1]!r}." if merges else "At first every character is a token."
        yield picture, f"{last} {len(TEXT)} characters are {len(tokens)} tokens.", 1.2 if merges in SLOWLY else 0.25
