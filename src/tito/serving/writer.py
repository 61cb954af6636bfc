"""Several texts written at once: a step of the model gives each text that is under way its next token.

Batching by steps, not by texts: a new text joins between two steps, and one that ends leaves; nobody waits for the
longest. Yu et al., 2022, call it iteration-level scheduling. The caches are chapter 17's.

Notation: V tokens, B texts under way; of a text `places` are in the caches, at the end of a row.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinytorch.memoization import KVCache, caches_for, read_padded
from tinytorch.tensor import no_grad
from tinytorch.transformers import GPT, sample


@dataclass(eq=False)
class Text:
    """A text under way: its tokens so far, how many are still wanted, how they are chosen, and who hears of them."""

    tokens: list[int]
    wanted: int
    options: tuple[float, int | None]  # temperature, top_k
    rng: np.random.Generator
    hear: Callable[[int | None], None]  # each new token, and None at the end
    caches: Sequence[KVCache] = field(default=(), repr=False)  # of all texts that it is written with
    row: int = 0  # in the caches
    places: int = 0
    cancelled: bool = False

    def take(self, logits: np.ndarray) -> None:
        """Choose the next token from logits (V,), and tell it."""
        token = sample(logits, self.rng.random(), *self.options)
        self.tokens.append(token)
        self.wanted -= 1
        self.hear(token)

    @property
    def done(self) -> bool:
        return self.cancelled or self.wanted <= 0


class Full(Exception):
    """As many texts wait as may wait."""


class Closed(Exception):
    """The writer takes no more texts."""


class Writer:
    """Writes up to `most` texts at once on a thread of its own; up to `waiting` more wait for their turn.

    `observe` is told how many texts each step was for.
    """

    def __init__(self, model: GPT, most: int = 8, waiting: int = 32, observe: Callable[[int], object] = int):
        if most < 1 or waiting < 1:
            raise ValueError(f"1 text or more is written, and may wait; got {most} and {waiting}")
        self.model, self.most, self.waiting, self.observe = model, most, waiting, observe
        self.queue: deque[Text] = deque()
        self.texts: list[Text] = []  # under way, one a row of the caches
        self.changed = threading.Condition()
        self.closing = False
        self.thread = threading.Thread(target=self.run, name="writer", daemon=True)
        self.thread.start()

    def submit(
        self,
        prompt: Sequence[int],
        count: int,
        hear: Callable[[int | None], None],
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
    ) -> Text:
        """Let `count` tokens follow a prompt; `hear` is called with each on the writer's thread, and with None last.

        Raises Full if too many wait, Closed once the writer is closed, ValueError for an empty prompt.
        """
        if not prompt:
            raise ValueError("a prompt has one token or more")
        text = Text(list(prompt), count, (temperature, top_k), np.random.default_rng(seed), hear)
        with self.changed:
            if self.closing:
                raise Closed
            if len(self.queue) >= self.waiting:
                raise Full(f"{len(self.queue)} texts wait already")
            self.queue.append(text)
            self.changed.notify()
        return text

    def close(self) -> None:
        """Take no more texts; those that are under way or wait are written to their end."""
        with self.changed:
            self.closing = True
            self.changed.notify()

    @property
    def alive(self) -> bool:
        return self.thread.is_alive()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            while self.step():
                pass
        finally:  # nobody waits for a thread that has failed
            self.close()
            for text in (*self.texts, *self.queue):
                text.hear(None)

    def step(self) -> bool:
        """Let texts in and out, and write one token of each; False once there is nothing more to do."""
        with self.changed:
            while not (self.queue or self.texts or self.closing):
                self.changed.wait()
            self.texts += [self.queue.popleft() for _ in range(min(len(self.queue), self.most - len(self.texts)))]
        for text in self.texts:
            if not text.done and text.places in (0, self.model.config.context):
                self.read(text)
        for text in [text for text in self.texts if text.done]:
            self.texts.remove(text)
            text.caches = ()  # which are large, and a text may be held on to
            text.hear(None)
        if self.texts:
            self.regroup()
            self.write()
        return bool(self.texts or self.queue or not self.closing)

    def read(self, text: Text) -> None:
        """Read a text by itself into caches of its own, the latter half of a context if it is longer than one."""
        context = self.model.config.context
        tokens = text.tokens if len(text.tokens) <= context else text.tokens[-max(1, context // 2) :]
        text.caches, text.row, text.places = caches_for(self.model), 0, len(tokens)
        with no_grad():
            text.take(self.model([tokens], text.caches, 0).data[0, -1])

    def regroup(self) -> None:
        """Put the texts' keys and values into common caches, ends aligned, unless they already are the rows of some."""
        caches = self.texts[0].caches
        if [(text.caches, text.row) for text in self.texts] == [(caches, row) for row in range(len(caches[0].keys))]:
            return
        caches, length = caches_for(self.model, len(self.texts)), max(text.places for text in self.texts)
        for layer, cache in enumerate(caches):
            cache.length = length
            for row, text in enumerate(self.texts):
                old = text.caches[layer]
                seen, kept = slice(len(old) - text.places, len(old)), slice(length - text.places, length)
                cache.keys[row, :, kept] = old.keys[text.row, :, seen]
                cache.values[row, :, kept] = old.values[text.row, :, seen]
        for row, text in enumerate(self.texts):
            text.caches, text.row = caches, row

    def write(self) -> None:
        """One pass of the model: the last token of each text is read, and the next one chosen."""
        caches, texts = self.texts[0].caches, self.texts
        self.observe(len(texts))
        if len(texts) == 1:  # a model may have a short way for one place of one text
            with no_grad():
                logits = self.model([texts[0].tokens[-1:]], caches, texts[0].places).data[:, -1]
        else:
            padding = np.array([len(caches[0]) - text.places for text in texts])
            logits = read_padded(self.model, np.array([text.tokens[-1:] for text in texts]), padding, caches)
        for text, row in zip(texts, logits):
            text.places += 1
            text.take(row)
