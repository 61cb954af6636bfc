"""Tokens: text as a list of numbers, and back.

Notation: a token is a few bytes that often stand together, an id is its number; a word is n ids, in a list, a tuple or
bytes. A pair is two neighbours in a word; a merge makes one token of a pair, and its rank is its place in the order of
learning.
"""

import codecs
import functools
import heapq
import json
import operator
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any

from tinytorch.serialization import replace

Pair = tuple[int, int]
PathLike = str | os.PathLike

# -- characters ----------------------------------------------------------------------------------------------------


class CharTokenizer:
    """One id for each distinct character of a text, in the order of their code points.

    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer.encode("hole"), tokenizer.decode([1, 0, 2, 2])
    ([1, 3, 2, 0], 'hell')
    """

    def __init__(self, text: Iterable[str]):
        self.characters = sorted(set(text))
        self.ids = {character: i for i, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """The id of each character. Raises ValueError, naming it, for one that the vocabulary lacks."""
        try:
            return [self.ids[character] for character in text]
        except KeyError as error:
            known = f"the {len(self)} characters {''.join(self.characters)!r}"
            raise ValueError(f"{error.args[0]!r} is none of {known}: make a tokenizer of a text that has it") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The characters with these ids, one after the other. Raises ValueError for an id that is none."""
        return "".join([self.characters[i] for i in known_ids(ids, len(self))])


def known_ids(ids: Iterable[int], size: int) -> list[int]:
    """The ids as a list of Python's numbers. Raises ValueError unless 0 <= id < size for each of them.

    >>> known_ids([0, 5], 5)
    Traceback (most recent call last):
    ValueError: id 5 is not in the vocabulary: it has ids 0..4
    """
    numbers = list(map(operator.index, ids))
    for i in numbers:
        if not 0 <= i < size:
            raise ValueError(f"id {i} is not in the vocabulary: it has ids 0..{size - 1}")
    return numbers


# -- words ---------------------------------------------------------------------------------------------------------

SPACES = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's White_Space
BEYOND = r"\U00010000-\U0010ffff"  # the characters that take four bytes


def split_words(text: str) -> list[str]:
    """A text cut where GPT-2 cuts it: words with the space before them, numbers, signs, spaces. No merge crosses a cut.

    Radford et al., 2019.

    >>> split_words("It's 4 o'clock,  Anna!")
    ['It', "'s", ' 4', ' o', "'", 'clock', ',', ' ', ' Anna', '!']
    """
    return word_pattern(text.isascii()).findall(text)


@functools.cache
def word_pattern(ascii_only: bool = False) -> re.Pattern[str]:
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+, in the words of Python's `re`."""
    if ascii_only:
        letters, numbers, signs = "[A-Za-z]+", "[0-9]+", r"[^\t-\r A-Za-z0-9]+"
    else:
        letter, far_letter = character_ranges("L")
        number, far_number = character_ranges("N")
        letters, numbers = one_or_more(f"[{letter}]", f"[{far_letter}]"), one_or_more(f"[{number}]", f"[{far_number}]")
        signs = one_or_more(f"[^{SPACES}{letter}{number}{BEYOND}]", f"[^\\0-\\uffff{far_letter}{far_number}]")
    suffixes = "'(?:[stmd]|re|ve|ll)"
    return re.compile(f"{suffixes}| ?{letters}| ?{numbers}| ?{signs}|[{SPACES}]+(?![^{SPACES}])|[{SPACES}]+")


def one_or_more(near: str, far: str) -> str:
    """A pattern for one or more characters of two classes, those below U+10000 and those beyond.

    `re` finds a near one in a bitmap, but walks through all ranges of a far class: so look first whether one is far.
    """
    return f"(?:{near}++|(?=[{BEYOND}]){far}++)++"


def character_ranges(category: str) -> tuple[str, str]:
    """The characters whose Unicode category starts with this letter: ranges below U+10000, and those beyond.

    >>> character_ranges("N")[0][:12]
    '0-9²-³¹-¹¼-¾'
    """
    # Planes 4 to 13 are empty, 14 to 16 hold neither letters nor numbers.
    kinds = "".join([unicodedata.category(chr(code))[0] for code in range(0x40000)])
    near, far = kinds[:0x10000], kinds[0x10000:]
    return class_ranges(near, category, 0), class_ranges(far, category, 0x10000)


def class_ranges(kinds: str, category: str, start: int) -> str:
    """Where the runs of a letter stand, in the words of a class: `a-z` for characters start + 97..start + 122."""
    found = re.finditer(f"{category}+", kinds)
    return "".join(f"{chr(start + run.start())}-{chr(start + run.end() - 1)}" for run in found)


# -- merges --------------------------------------------------------------------------------------------------------


def count_pairs(words: Sequence[Sequence[int]], counts: Sequence[int]) -> Counter[Pair]:
    """How often each pair of neighbours stands in a text that has word i counts[i] times.

    Pairs may overlap: (1, 1) stands twice in 1, 1, 1.

    >>> count_pairs([[1, 2, 3], [2, 3]], [10, 1])
    Counter({(2, 3): 11, (1, 2): 10})
    """
    # zip(words, counts) goes through both side by side, pairwise(word) through the pairs of
    # neighbours in one word. A Counter holds 0 for what it has not seen yet.
    pairs: Counter[Pair] = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


def merge_pair(word: Sequence[int], pair: Pair, new: int) -> list[int]:
    """A new list: the word, which may be a list, a tuple or bytes, with `new` for each `pair`, from left to right.

    >>> merge_pair([1, 1, 1, 2], (1, 1), 5)
    [5, 1, 2]
    """
    # Build a new list, id by id. When a right half comes, the left half stands at the end of
    # that list, or it does not.
    left, right = pair
    merged: list[int] = []
    for i in word:
        if i == right and merged and merged[-1] == left:
            merged[-1] = new
        else:
            merged.append(i)
    return merged


class PairTable:
    """The pairs in a collection of distinct words: how often each stands there, and in which words.

    The heap holds (-count, pair). The count of an entry may be out of date, and is then too large,
    never too small: so the first entry whose count is right is the most frequent pair.

    >>> table = PairTable([[1, 2, 3], [2, 3]], [10, 1])
    >>> table.merge(table.most_frequent(), 4)
    >>> table.words, table.most_frequent()
    ([[1, 4], [4]], (1, 4))
    """

    def __init__(self, words: Sequence[Sequence[int]], counts: Sequence[int]):
        self.words, self.counts = list(map(list, words)), list(counts)
        self.pairs = count_pairs(self.words, self.counts)
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for i, word in enumerate(self.words):
            for pair in pairwise(word):
                self.places[pair].add(i)
        self.heap = [(-count, pair) for pair, count in self.pairs.items()]
        heapq.heapify(self.heap)

    def most_frequent(self) -> Pair | None:
        """The pair that stands most often, of equals the one with the smallest ids; None if none is left."""
        while self.heap:
            promised, pair = self.heap[0]
            count = self.pairs[pair]
            if 0 < count == -promised:
                return pair
            heapq.heappop(self.heap)
            if count:
                heapq.heappush(self.heap, (-count, pair))
        return None

    def merge(self, pair: Pair, new: int) -> None:
        """Merge a pair in the words that hold it, and in no others; count anew what stands in these."""
        pairs, risen = self.pairs, set()
        for i in self.places.pop(pair):
            before, count = self.words[i], self.counts[i]
            after = self.words[i] = merge_pair(before, pair, new)
            for other in pairwise(before):
                pairs[other] -= count
            for other in pairwise(after):
                pairs[other] += count
                if new in other:
                    self.places[other].add(i)
                    risen.add(other)
        for other in risen:
            heapq.heappush(self.heap, (-pairs[other], other))


# -- bytes ---------------------------------------------------------------------------------------------------------

PRINTING = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that Latin-1 shows as a letter or a sign
ORDER = PRINTING + sorted({*range(256)} - {*PRINTING})  # GPT-2's order of the 256 bytes
BYTES = [bytes([byte]) for byte in ORDER]
BYTE_IDS = bytes(ORDER.index(byte) for byte in range(256))  # word.encode().translate(BYTE_IDS) are the ids of its bytes


def learn_merges(words: Sequence[Sequence[int]], counts: Sequence[int], size: int) -> list[Pair]:
    """The merges that make a vocabulary of `size` tokens, the most frequent pair first; fewer, if no pair is left.

    Word i consists of ids of bytes, 0..255, in a list or in `bytes`, and stands counts[i] times. The
    first merge makes token 256, the next one 257. Of pairs that stand equally often the one with the
    smallest ids is merged first. Sennrich, Haddow and Birch, 2016.

    >>> learn_merges([[71, 72, 71, 72]], [1], size=258)
    [(71, 72), (256, 256)]
    """
    # A PairTable knows the most frequent pair, and merges it wherever it stands. There are two
    # reasons to stop: the vocabulary is large enough, or the table has no pair any more.
    table = PairTable(words, counts)
    merges: list[Pair] = []
    while 256 + len(merges) < size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


def merged_tokens(merges: Iterable[Pair]) -> list[bytes]:
    """The 256 bytes, and behind them what each merge makes. No two are equal if `learn_merges` has found the merges.

    >>> merged_tokens([(71, 72), (256, 256)])[71:73], merged_tokens([(71, 72), (256, 256)])[256:]
    ([b'h', b'i'], [b'hi', b'hihi'])
    """
    tokens = list(BYTES)
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


NEVER = 1 << 60  # the rank of a pair that was not learned
GONE = -1  # the id of nothing
LONG = 100  # from about so many bytes on, n log n operations take less time than n^2 simpler ones


def encode_word(word: Sequence[int], ranks: Mapping[Pair, int], made: Sequence[int]) -> list[int]:
    """A new list: the word after one merge at a time, of the pair of lowest rank, of equals the leftmost.

    It ends when no pair has a rank. ranks[pair] says when the pair was learned, made[rank] is the id that
    it becomes. A merge may make a pair of lower rank: then that is next.

    >>> encode_word([1, 2, 3, 1, 2], ranks={(2, 3): 0, (1, 2): 1}, made=[4, 5])
    [1, 4, 5]
    """
    # Make a list of the ranks of all neighbours: with ranks.get(pair, NEVER) every pair has one.
    # Where in it does the lowest stand first? A slice of a list may be replaced by a list of another
    # length. Then look at the ranks again: all of them, or, faster, the two that are new. Work on a
    # list of your own: the caller still needs the word.
    ids = list(word)
    order = [ranks.get(pair, NEVER) for pair in pairwise(ids)]
    while order and (rank := min(order)) < NEVER:
        i = order.index(rank)
        ids[i : i + 2] = [made[rank]]
        del order[i]
        if i > 0:
            order[i - 1] = ranks.get((ids[i - 1], ids[i]), NEVER)
        if i < len(order):
            order[i] = ranks.get((ids[i], ids[i + 1]), NEVER)
    return ids


def encode_long_word(word: Sequence[int], ranks: Mapping[Pair, int], made: Sequence[int]) -> list[int]:
    """What encode_word gives, in n log n operations instead of n^2: for each rank, a list of the places that have it.

    >>> encode_long_word([1, 2, 3, 1, 2], ranks={(2, 3): 0, (1, 2): 1}, made=[4, 5])
    [1, 4, 5]
    """
    # A linked list: before[i] and after[i] are the places of i's neighbours. GONE stands where
    # an id went into the one before it, and behind the end: no pair with it has a rank.
    ids, before, after = [*word, GONE], list(range(-1, len(word))), list(range(1, len(word) + 2))
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    for i, pair in enumerate(pairwise(word)):
        if pair in ranks:
            waiting[ranks[pair]].append(i)
    heap = list(waiting)
    heapq.heapify(heap)
    while heap:
        rank = heapq.heappop(heap)
        places = sorted(waiting.pop(rank), reverse=True)
        while places and (not heap or rank < heap[0]):
            i = places.pop()
            j = after[i]
            if ranks.get((ids[i], ids[j])) != rank:
                continue  # one of the two has been merged meanwhile
            h, k, new = before[i], after[j], made[rank]
            ids[i], ids[j], after[i], before[k] = new, GONE, k, i
            for left, found in ((h, ranks.get((ids[h], new))), (i, ranks.get((new, ids[k])))):
                if found is not None:
                    if found not in waiting:
                        heapq.heappush(heap, found)
                    waiting[found].append(left)
        if places:  # a merge has made a pair of lower rank, whose turn it is now
            heapq.heappush(heap, rank)
            waiting[rank] = places
    return [i for i in ids if i != GONE]


def decode_tokens(ids: Iterable[int], tokens: Sequence[bytes]) -> str:
    r"""The text whose bytes are the tokens with these ids; what is no UTF-8 becomes U+FFFD.

    Raises ValueError, naming it, for an id that is not in the vocabulary.

    >>> decode_tokens([1, 2, 0], [b"!", b"h\xc3", b"\xa9"]), decode_tokens([1], [b"!", b"h\xc3", b"\xa9"])
    ('hé!', 'h�')
    """
    # known_ids(ids, size) gives a list of them, or refuses. A character's bytes may be spread
    # over several tokens: so what has to come first, b"".join or bytes.decode? See its
    # parameter `errors`, too.
    data = b"".join([tokens[i] for i in known_ids(ids, len(tokens))])
    return data.decode("utf-8", errors="replace")


# -- streams -------------------------------------------------------------------------------------------------------

SLICE = 1 << 14  # characters that are looked at together


def text_slices(chunks: Iterable[str], size: int = SLICE) -> Iterator[str]:
    """The same text in slices of at least `size` characters, and less than twice that: chunks are cut, or joined.

    >>> list(text_slices(["abcde", "f", "g"], size=3))
    ['abc', 'def', 'g']
    """
    waiting, length = [], 0
    for chunk in chunks:
        if not isinstance(chunk, str):
            raise TypeError(f"text is a str, got {type(chunk).__name__}: read the file as text, or decode its bytes")
        for start in range(0, len(chunk), size):
            waiting.append(chunk[start : start + size])
            length += len(waiting[-1])
            if length >= size:
                yield "".join(waiting)
                waiting, length = [], 0
    yield "".join(waiting)


def without_surrogates(text: str) -> str:
    """The text itself. Raises ValueError if there is half a surrogate pair in it, which no bytes stand for."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[max(error.start - 10, 0) : error.start]
        mended = "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        found = f"{text[error.start]!r}, after {before!r}, is half a surrogate pair"
        raise ValueError(f"{found}, and no character: {mended} mends that") from None
    return text


def stream_words(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words of a text that comes in slices, a list at a time.

    More text can change the last two words of what is known, no other: a run goes on, ' becomes 's.

    >>> list(stream_words(["It'", "s late, An", "na"]))
    [[], ['It', "'s", ' late'], [',', ' Anna']]
    """
    rest, waiting = "", []
    for text in texts:
        waiting.append(text)
        if sum(map(len, waiting)) < len(rest):
            continue  # a very long word: look at it again when it may be twice as long
        found = split_words(rest + "".join(waiting))
        rest, waiting = "".join(found[-2:]), []
        yield found[:-2]
    yield split_words(rest + "".join(waiting))


def split_specials(texts: Iterable[str], specials: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(k, part of a text): special tokens have odd k, and what stands between them even k, slice by slice.

    Of special tokens that begin at one place the longest counts.

    >>> list(split_specials(["one<|e", "nd|>two"], ["<|end|>"]))
    [(0, ''), (0, 'one'), (1, '<|end|>'), (2, ''), (2, 'two')]
    """
    known = sorted(specials, key=len, reverse=True)
    search, longest = re.compile("|".join(map(re.escape, known))).search, len(known[0])
    k, rest = 0, ""
    for text, final in chain(((text, False) for text in texts), [("", True)]):
        rest, at = rest + text, 0
        certain = len(rest) if final else max(len(rest) - longest + 1, 0)  # what begins later may still grow
        while (found := search(rest, at)) and found.start() < certain:
            yield k, rest[at : found.start()]
            yield k + 1, found[0]
            k, at = k + 2, found.end()
        yield k, rest[at : max(at, certain)]
        rest = rest[max(at, certain) :]


def text_segments(texts: Iterable[str], specials: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """A text in order: ("", words) again and again, and (special, []) where a special token stands.

    >>> list(text_segments(["two words<|end|>"], ["<|end|>"]))
    [('', []), ('', ['two', ' words']), ('<|end|>', []), ('', []), ('', []), ('', [])]
    """
    parts = split_specials(texts, specials) if specials else ((0, text) for text in texts)
    for k, group in groupby(parts, key=operator.itemgetter(0)):
        plain = (text for _, text in group)
        if k % 2:
            yield "".join(plain), []
        else:
            yield from (("", found) for found in stream_words(plain))


# -- files ---------------------------------------------------------------------------------------------------------

LETTERS = dict(zip(ORDER, [*map(chr, PRINTING), *map(chr, range(256, 324))]))  # GPT-2's spelling: one for each byte
SPELLED = {letter: byte for byte, letter in LETTERS.items()}


def spell(token: bytes) -> str:
    """Bytes in GPT-2's spelling: those that print as themselves, a space as Ġ, a line's end as Ċ.

    >>> spell(b" the"), unspell("Ġthe")
    ('Ġthe', b' the')
    """
    return "".join([LETTERS[byte] for byte in token])


def unspell(text: str) -> bytes:
    """The bytes that a text spells. Raises ValueError, naming it, for a character that GPT-2's spelling lacks."""
    if foreign := [character for character in text if character not in SPELLED]:
        raise ValueError(f"{text!r} does not spell bytes: {foreign[0]!r} stands for none; is it a special token?")
    return bytes(SPELLED[letter] for letter in text)


def tokens_by_id(ids: Mapping[str, Any], specials: Container[str]) -> list[bytes]:
    """The tokens of a table {spelled token: id}, in the order of their ids.

    Raises ValueError, naming the entry, unless the ids are 0..n - 1, each of them once.
    """
    owners: dict[int, str] = {}
    for text, i in ids.items():
        if type(i) is not int or not 0 <= i < len(ids):
            raise ValueError(f"{text!r} has id {i!r}: the ids of {len(ids)} tokens are 0..{len(ids) - 1}")
        if i in owners:
            raise ValueError(f"{owners[i]!r} and {text!r} both have id {i}")
        owners[i] = text
    ordered = [owners[i] for i in range(len(ids))]
    return [text.encode() if text in specials else unspell(text) for text in ordered]


def pair_of(entry: Any, ids: Mapping[str, int], where: str) -> Pair:
    """The ids of a merge, "Ġt he" or ["Ġt", "he"]. Raises ValueError, naming it, unless it names two tokens."""
    halves = entry.split(" ") if isinstance(entry, str) else entry
    if not isinstance(halves, list) or len(halves) != 2 or not all(isinstance(half, str) for half in halves):
        raise ValueError(f"{where} is {entry!r}: a merge is two tokens, such as 'Ġt he'")
    for half in halves:
        if half not in ids:
            raise ValueError(f"{where}, {' '.join(halves)!r}, merges {half!r}, which the vocabulary lacks")
    return ids[halves[0]], ids[halves[1]]


def merged_ids(tokens: Sequence[bytes], ids: Mapping[bytes, int], merges: Sequence[Pair]) -> list[int]:
    """The id that each merge makes. Raises ValueError, naming it, for one that makes no token, or comes twice."""
    made, seen = [], set()
    for rank, (left, right) in enumerate(merges):
        known_ids((left, right), len(tokens))
        whole, halves = tokens[left] + tokens[right], f"{tokens[left]!r} + {tokens[right]!r}"
        if whole not in ids:
            raise ValueError(f"merge {rank}, {halves}, makes {whole!r}, which the vocabulary lacks")
        if (left, right) in seen:
            raise ValueError(f"merge {rank}, {halves}, stands there twice")
        seen.add((left, right))
        made.append(ids[whole])
    return made


def check_specials(specials: Iterable[str], ids: Container[bytes] = ()) -> None:
    """Raise ValueError unless these can be special tokens beside the others, whose bytes have ids."""
    if isinstance(specials, str):
        raise ValueError(f"special tokens are a list, got {specials!r}: [{specials!r}] is one")
    seen = set()
    for special in specials:
        if not isinstance(special, str) or not special or special in seen:
            raise ValueError(f"special tokens are different texts, none of them empty; {special!r} is not")
        if all(letter in SPELLED for letter in special) and unspell(special) in ids:
            raise ValueError(f"{special!r} cannot be special: it spells a token of the vocabulary")
        seen.add(without_surrogates(special))


@contextmanager
def reading_file(path: PathLike) -> Iterator[None]:
    """What is wrong in here is wrong with this file: its name comes first in the error."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_text(path: PathLike) -> str:
    """A file's text. Raises ValueError if it is no UTF-8."""
    try:
        return Path(path).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the file is damaged: byte {error.start} is no UTF-8") from None


def read_table(path: PathLike) -> dict[str, Any]:
    """The JSON object in a file. Raises ValueError if there is none."""
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the file is damaged, or no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"this has to be a JSON object, not a {type(content).__name__}")
    return content


def read_merges(path: PathLike, ids: Mapping[str, int]) -> list[Pair]:
    """The pairs in a merges.txt: one to a line, "Ġt he"; a first line may tell the version."""
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#version")]
    return [pair_of(line, ids, f"line {number}") for number, line in numbered]


# What may stand in a tokenizer.json, if encode is to give the same as Hugging Face's.
KIND: dict[str, list[Any]] = {
    "normalizer": [None],
    "truncation": [None],
    "padding": [None],
    "pre_tokenizer.type": ["ByteLevel"],
    "pre_tokenizer.add_prefix_space": [False],
    "pre_tokenizer.use_regex": [True, None],
    "post_processor.type": ["ByteLevel", None],
    "model.type": ["BPE"],
    "model.dropout": [None, 0],
    "model.continuing_subword_prefix": [None, ""],
    "model.end_of_word_suffix": [None, ""],
    "model.byte_fallback": [False, None],
    "model.ignore_merges": [False, None],
}
FLAGS = ("single_word", "lstrip", "rstrip")  # of a special token; ours are none of these


def nested_entry(content: Any, path: str) -> Any:
    """What stands in nested tables: nested_entry({"a": {"b": 1}}, "a.b") is 1; None where nothing does."""
    for name in path.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def from_json(content: dict[str, Any]) -> tuple[list[bytes], list[Pair], dict[str, int]]:
    """Tokens, merges and special tokens in a tokenizer.json. Raises ValueError, naming the entry, for another kind."""
    for path, known in KIND.items():
        if (found := nested_entry(content, path)) not in known:
            raise ValueError(f"{path} is {found!r}; of GPT-2's kind it is {' or '.join(map(repr, known))}")
    specials = {}
    for k, added in enumerate(content.get("added_tokens") or []):
        text, i = nested_entry(added, "content"), nested_entry(added, "id")
        if not isinstance(text, str) or type(i) is not int or any(added.get(flag) for flag in FLAGS):
            raise ValueError(f"added_tokens[{k}] is {added!r}; it needs content and id, and none of {', '.join(FLAGS)}")
        specials[text] = i
    plain, merges = nested_entry(content, "model.vocab"), nested_entry(content, "model.merges")
    if not isinstance(plain, dict) or not isinstance(merges, list):
        raise ValueError("model.vocab has to be a table, model.merges a list")
    ids = {**plain, **specials}
    pairs = [pair_of(merge, ids, f"model.merges[{k}]") for k, merge in enumerate(merges)]
    return tokens_by_id(ids, specials), pairs, specials


def to_json(tokenizer: "BytePairTokenizer") -> dict[str, Any]:
    """What Hugging Face's tokenizers would write to tokenizer.json."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {i: text for text, i in tokenizer.specials.items()}
    spelled = [special.get(i) or spell(token) for i, token in enumerate(tokenizer.tokens)]
    model: dict[str, Any] = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": special[i], **flags} for i in sorted(special)],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            **model,
            "vocab": {text: i for i, text in enumerate(spelled)},
            "merges": [[spelled[left], spelled[right]] for left, right in tokenizer.merges],
        },
    }


# -- the tokenizer -------------------------------------------------------------------------------------------------

END_OF_TEXT = "<|endoftext|>"


class WordCache(dict[str, tuple[int, ...]]):
    """The ids of words that came before. A new word is encoded, and kept if it is short; a full cache starts anew."""

    def __init__(self, encode: Callable[[str], tuple[int, ...]], most: int = 1 << 14, longest: int = 16):
        self.encode, self.most, self.longest = encode, most, longest

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = self.encode(word)
        if len(word) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[word] = ids
        return ids


class BytePairTokenizer:
    """Byte-level BPE, GPT-2's: the bytes of each word, merged in the order in which the merges were learned.

    tokens[i] are the bytes that id i stands for, merges are pairs of ids, specials[text] is the id of
    a special token: it stands for itself, whatever is around it. Raises ValueError unless each byte
    is a token and each merge makes one. Radford et al., 2019.

    >>> tokenizer = BytePairTokenizer.train("low lower lowest", size=260, specials=["<|end|>"])
    >>> tokenizer.encode("low lower<|end|>"), tokenizer.decode([257, 258, 259])
    ([257, 258, 68, 81, 259], 'low low<|end|>')
    """

    def __init__(self, tokens: Iterable[bytes], merges: Iterable[Pair], specials: Mapping[str, int] | None = None):
        self.tokens, self.merges, self.specials = list(tokens), list(merges), dict(specials or {})
        special = set(self.specials.values())
        ids = {token: i for i, token in enumerate(self.tokens) if i not in special}
        check_specials(self.specials, ids)
        if foreign := [text for text, i in self.specials.items() if self.tokens[i : i + 1] != [text.encode()]]:
            raise ValueError(f"{foreign[0]!r} is special, but id {self.specials[foreign[0]]} has other bytes")
        if missing := [byte for byte in BYTES if byte not in ids]:
            raise ValueError(f"each of the 256 bytes has to be a token, but {missing[0]!r} is none")
        self.byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self.made = merged_ids(self.tokens, ids, self.merges)
        if idle := set(range(len(self.tokens))) - special - set(self.byte_ids) - set(self.made):
            raise ValueError(f"no merge makes {self.tokens[min(idle)]!r} (id {min(idle)}), and it is not special")
        self.cache = WordCache(self.encode_word)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str | Iterable[str], size: int, specials: Sequence[str] = ()) -> "BytePairTokenizer":
        """A tokenizer with `size` tokens, or fewer, if the text has no pair left: bytes, merged ones, special ones.

        The text may come in chunks. Special tokens in it end a word, and are not learned from.
        Raises ValueError if size leaves no room for the bytes and the special tokens.
        """
        check_specials(specials)
        if size < 256 + len(specials):
            least = f"{256 + len(specials)}, 256 bytes and {len(specials)} special tokens"
            raise ValueError(f"the smallest vocabulary has {least}; got size {size}")
        counts: Counter[str] = Counter()
        texts = text_slices([text] if isinstance(text, str) else text)
        for _, found in text_segments(map(without_surrogates, texts), specials):
            counts.update(found)
        distinct = [word.encode().translate(BYTE_IDS) for word in counts]
        merges = learn_merges(distinct, list(counts.values()), size - len(specials))
        tokens = [*merged_tokens(merges), *(special.encode() for special in specials)]
        return cls(tokens, merges, {special: 256 + len(merges) + k for k, special in enumerate(specials)})

    def encode(self, text: str | bytes, special: bool = True) -> list[int]:
        """The ids of a text, or of any bytes. With special=False, special tokens in it are text like any other."""
        if isinstance(text, bytes):
            # Each byte that is no UTF-8 is a surrogate meanwhile, and a byte again at last.
            texts = text_slices([text.decode("utf-8", "surrogateescape")])
        else:
            texts = map(without_surrogates, text_slices([text]))
        return list(self.encode_slices(texts, special))

    def encode_stream(self, chunks: Iterable[str], special: bool = True) -> Iterator[int]:
        """What encode gives for the whole text, id by id, wherever the chunks are cut.

        Holds a few slices of the text and a bounded cache of words, however long the text is.
        """
        return self.encode_slices(map(without_surrogates, text_slices(chunks)), special)

    def encode_slices(self, texts: Iterable[str], special: bool) -> Iterator[int]:
        """The ids of a text that comes in slices."""
        known = self.cache.__getitem__
        lists = (
            map(known, found) if not name else [(self.specials[name],)]
            for name, found in text_segments(texts, self.specials if special else ())
        )
        return chain.from_iterable(chain.from_iterable(lists))

    def encode_word(self, word: str) -> tuple[int, ...]:
        """The ids of one word."""
        ids = [self.byte_ids[byte] for byte in word.encode("utf-8", "surrogateescape")]
        return tuple((encode_word if len(ids) < LONG else encode_long_word)(ids, self.ranks, self.made))

    def decode(self, ids: Iterable[int]) -> str:
        """The text with these ids; bytes that are no UTF-8 become U+FFFD. Raises ValueError for an id that is none."""
        return decode_tokens(ids, self.tokens)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes with these ids, whatever they are. Raises ValueError for an id that is none."""
        return b"".join([self.tokens[i] for i in known_ids(ids, len(self))])

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """What decode gives, piece by piece: the bytes of a character are held back until it is complete.

        >>> tokenizer = BytePairTokenizer(BYTES, [])
        >>> list(tokenizer.decode_stream(tokenizer.encode("né")))
        ['n', 'é']
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in ids:
            if text := decoder.decode(self.decode_bytes([i])):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def save(self, path: PathLike) -> None:
        """Write everything to a file in the format of Hugging Face's tokenizer.json, atomically."""
        content = json.dumps(to_json(self), ensure_ascii=False, indent=2)
        replace(Path(path), [content.encode()])

    @classmethod
    def load(cls, path: PathLike) -> "BytePairTokenizer":
        """The tokenizer in a tokenizer.json. Raises ValueError, naming file and entry, unless it is of GPT-2's kind."""
        with reading_file(path):
            return cls(*from_json(read_table(path)))

    @classmethod
    def from_gpt2(
        cls, vocabulary: PathLike, merges: PathLike, specials: Sequence[str] = (END_OF_TEXT,)
    ) -> "BytePairTokenizer":
        """The tokenizer in GPT-2's vocab.json and merges.txt.

        Raises ValueError, naming file and entry, if they are damaged or do not belong together.
        """
        with reading_file(vocabulary):
            ids = read_table(vocabulary)
            if absent := [special for special in specials if special not in ids]:
                raise ValueError(f"special token {absent[0]!r} is not in it: name those that are with specials=[...]")
            tokens = tokens_by_id(ids, specials)
        with reading_file(merges):
            return cls(tokens, read_merges(merges, ids), {special: ids[special] for special in specials})


# -- WordPiece -----------------------------------------------------------------------------------------------------


def wordpiece(word: str, vocabulary: Container[str], unknown: str = "[UNK]", most: int = 100) -> list[str]:
    """The longest token that begins the word, then the longest that goes on, written with ##, to the end.

    A word that cannot be covered so, or has more than `most` characters, is unknown as a whole.
    Wu et al., 2016.

    >>> wordpiece("unaffable", {"un", "##aff", "##able", "##a"}), wordpiece("unbound", {"un"})
    (['un', '##aff', '##able'], ['[UNK]'])
    """
    if len(word) > most:
        return [unknown]
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return [unknown]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces
