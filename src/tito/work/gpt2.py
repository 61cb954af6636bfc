"""GPT-2 goes on with a text, token by token.

    python -m tito.work.gpt2 FOLDER PROMPT TOKENS TEMPERATURE TOP_K SEED    (tito gpt2 does this, on a composed tree)

FOLDER is as Hugging Face writes it: config.json, model.safetensors, vocab.json, merges.txt.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinytorch.tensor import concatenate
from tinytorch.tokenization import END_OF_TEXT, BytePairTokenizer
from tinytorch.transformers import GPT, generate


class Seen:
    """The keys and values of all places so far (B, heads, T, d), for one block."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def update(self, k: Any, v: Any) -> tuple[Any, Any]:
        """Add those of new places, and return those of all."""
        self.kept = [concatenate([old, new], dim=-2) for old, new in zip(self.kept, (k, v))] or [k, v]
        return self.kept[0], self.kept[1]


def continued(
    folder: Path, prompt: str, tokens: int, temperature: float, top_k: int | None, seed: int
) -> Iterator[str]:
    """What follows a prompt, piece by piece: so many tokens, fewer where the context or the text ends.

    Raises FileNotFoundError or ValueError, naming the file, for a folder that holds no GPT-2 and its tokenizer.
    """
    tokenizer = BytePairTokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
    model = GPT.from_gpt2(folder)
    if len(tokenizer) != model.config.vocabulary:
        raise ValueError(f"{folder}: vocab.json has {len(tokenizer)} tokens, config.json {model.config.vocabulary}")
    end = tokenizer.specials[END_OF_TEXT]
    ids = tokenizer.encode(prompt) or [end]
    count = min(tokens, model.config.context + 1 - len(ids))
    caches = [Seen() for _ in range(model.config.layers)]
    new = generate(model, ids, max(0, count), temperature, top_k, stop=[end], seed=seed, caches=caches)
    return tokenizer.decode_stream(new)


def main() -> int:
    folder, prompt, tokens, temperature, top_k, seed = sys.argv[1:]
    options = int(tokens), float(temperature), int(top_k) or None, int(seed)
    try:
        pieces = continued(Path(folder), prompt, *options)
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
    except (OSError, ValueError) as error:
        print(f"tito: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
