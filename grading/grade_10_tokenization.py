"""Chapter 10, tokenization: pairs, merges, training, encoding, and the way back to text.

Words are short lists of ids, so that a failing case can be followed with a pencil. The right answers are computed here,
the slow and obvious way. Pairs and bytes cannot cross the wire as keys or as bytes: probes build them from lists. What
a body does to the lists that it is given is looked at after every call.
"""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from tito.outcomes import Mismatch
from tito.rubrics.compare import holds, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("10", module="tokenization")


class Answer:
    """What a student's code said in one case, what is right, what the mistakes that one can name would have said."""

    def __init__(self, yours, right, what, mistakes, **shown):
        self.yours, self.right, self.what, self.shown = yours, right, what, shown
        self.wrong = type(yours) is not type(right) or yours != right
        self.like = [say for say, wrong in mistakes.items() if type(yours) is type(wrong) and yours == wrong]


def told(answers):
    """Fail at the first wrong answer. A mistake is named if it explains all of them, and no other mistake does.

    Where there is one answer a call, whoever runs the check leaves what its other failing cases bear out.
    """
    said = [say for say in answers[0].like if all(say in answer.like for answer in answers)]
    for answer in answers:
        if answer.wrong:
            raise Mismatch(
                f"{answer.what} is not right",
                kind="same",
                what=answer.what,
                yours=answer.yours,
                expected=answer.right,
                shown=answer.shown,
                diagnosis=said[0] if len(said) == 1 else "",
                diagnoses=said,
            )


def unharmed(after, *before):
    """What a call was given is still the same afterwards."""
    for mine, given_one in zip(after, before, strict=True):
        holds(mine == given_one, "the caller's own list is changed", given=given_one, afterwards=mine)


def ids_alone(yours, what):
    """A list of Python's numbers: no tuple, no array, nothing nested."""
    holds(type(yours) is list and all(type(i) is int for i in yours), f"{what} is a list of ids", yours=yours)


# -- count_pairs ------------------------------------------------------------------------------------------------------

rubric.exercise("count_pairs", difficulty=1, minutes=8)
rubric.doctests("count_pairs", points=1)


@rubric.probe
def counted(tt, words, counts, kind):
    """The pairs in order with their counts; what is said of a pair that stands nowhere; the arguments afterwards."""
    own = [{"list": list, "tuple": tuple, "bytes": bytes}[kind](word) for word in words]
    pairs = tt.tokenization.count_pairs(own, counts)
    found, after = sorted([list(pair), count] for pair, count in pairs.items()), [list(map(list, own)), counts]
    try:
        return found, pairs[(99, 99)], after
    except KeyError:
        return found, None, after


word = st.lists(st.integers(1, 3), max_size=6)
texts = st.lists(st.tuples(word, st.integers(1, 9)), max_size=4).map(
    lambda pairs: ([list(word) for word, _ in pairs], [count for _, count in pairs])
)


def count(words, counts, neighbours=pairwise):
    """The right table, and with other ideas of neighbours or counts a wrong one."""
    found = Counter()
    for ids, times in zip(words, counts):
        for pair in neighbours(ids):
            found[pair] += times
    return sorted([list(pair), times] for pair, times in found.items())


def apart(ids):
    """Neighbours that do not overlap: 1, 2 | 3, 4."""
    return zip(ids[::2], ids[1::2])


def never_over_itself(ids):
    """Neighbours of which equal ones do not overlap: (1, 1) stands once in 1, 1, 1."""
    at, found = 0, []
    while at + 1 < len(ids):
        found.append((ids[at], ids[at + 1]))
        at += 2 if ids[at : at + 3] == ids[at : at + 1] * 3 else 1
    return found


def counts_of(student, words, counts, kind="list"):
    right = count(words, counts)
    yours, missing, after = student.counted(words, counts, kind)
    joined = [[i for ids in words for i in ids]]
    mistakes = {
        "each word counts once, however often it stands in the text": count(words, [1] * len(words)),
        "pairs may overlap: 1, 2, 3 has (1, 2) and (2, 3)": count(words, counts, apart),
        "pairs may overlap: (1, 1) stands twice in 1, 1, 1": count(words, counts, never_over_itself),
        "a pair counts once for each word, however often it stands in it": count(
            words, counts, lambda ids: set(pairwise(ids))
        ),
        "a pair is in order: (1, 2) is not (2, 1)": count(
            words, counts, lambda ids: [(min(pair), max(pair)) for pair in pairwise(ids)]
        ),
        "the last neighbours of each word are missing": count(words, counts, lambda ids: pairwise(ids[:-1])),
        "the end of a word and the beginning of the next are no neighbours": count(joined, [1]),
    }
    holds(missing == 0, "a pair that stands nowhere counts 0, as in a Counter", yours=missing)
    unharmed(after, words, counts)
    return Answer(yours, right, "the list of pairs and counts", mistakes, words=words, counts=counts, each_word_is=kind)


@rubric.check("count_pairs", points=2)
@given(texts)
def each_pair_of_neighbours_as_often_as_its_word(student, words, counts):
    """Every two neighbours are a pair, overlapping ones too, and count as often as their word stands in the text."""
    told([counts_of(student, words, counts)])


@rubric.check("count_pairs", points=1)
def from_nothing_to_a_run_of_one_letter(student):
    """No word, an empty word, one letter; a run of four a's has three pairs; ids and counts may be large; any word."""
    cases = [
        ([], []),
        ([[]], [3]),
        ([[7]], [3]),
        ([[1, 1, 1, 1]], [1]),
        ([[1, 1], [1, 1, 1], []], [5, 1, 2]),
        ([[1, 2, 1, 2], [2, 1]], [2, 3]),
        ([[255, 0, 195, 169], [195, 169]], [1, 2**40]),
        ([[1, 300, 1000, 300], [10**6, 10**9]], [1, 2]),
        ([[*range(12)]], [1]),
        ([[1, 2, 1], [2], []], [1, 2, 3], "tuple"),
        ([[1, 2, 1], [2], []], [1, 2, 3], "bytes"),
    ]
    told([counts_of(student, *case) for case in cases])


# -- merge_pair -------------------------------------------------------------------------------------------------------

rubric.exercise("merge_pair", difficulty=1, minutes=10)
rubric.doctests("merge_pair", points=1)


@rubric.probe
def merged(tt, word, pair, new, kind):
    """The result, the word afterwards, and whether they are one list."""
    own = {"list": list, "tuple": tuple, "bytes": bytes}[kind](word)
    result = tt.tokenization.merge_pair(own, tuple(pair), new)
    return result, list(own), result is own


def put(ids, pair, new):
    """The right answer: the pairs from left to right."""
    at, found = 0, []
    while at < len(ids):
        here = ids[at : at + 2] == list(pair)
        found.append(new if here else ids[at])
        at += 2 if here else 1
    return found


def first_only(ids, pair, new):
    places = [i for i, found in enumerate(pairwise(ids)) if found == tuple(pair)]
    return ids[: places[0]] + [new] + ids[places[0] + 2 :] if places else ids


def left_standing(ids, pair, new):
    """The new id in the place of the left half, and the right half behind it."""
    return [new if ids[k : k + 2] == list(pair) else i for k, i in enumerate(ids)]


def overlapping(ids, pair, new):
    """An id that is the end of one pair and the beginning of the next goes into both."""
    found = []
    for k, i in enumerate(ids):
        if k and ids[k - 1 : k + 1] == list(pair):
            found[-1:] = [new]
        else:
            found.append(i)
    return found


def merge_of(student, word, pair, new, kind="list"):
    yours, after, one = student.merged(word, pair, new, kind)
    right, (left, other) = put(word, pair, new), pair
    ids_alone(yours, "the merged word")
    mistakes = {
        "nothing is merged": word,
        "only the first of the pairs is merged": first_only(word, pair, new),
        "the right half is still there": left_standing(word, pair, new),
        "the pairs are merged from right to left": put(word[::-1], (other, left), new)[::-1],
        "a pair is in order: left, then right": put(word, (other, left), new),
        "the new id is put for each left half, whatever follows": [new if i == left else i for i in word],
        "an id goes into one pair only: the third of 1, 1, 1 stays": overlapping(word, pair, new),
        "the last id is missing": right[:-1],
    }
    unharmed([after], word)
    holds(not one, "the result is the caller's own list: it is a new one", word=word, pair=pair)
    return Answer(yours, right, "the merged word", mistakes, word=word, pair=pair, new=new, the_word_is=kind)


@rubric.check("merge_pair", points=2)
@given(st.lists(st.integers(1, 2), min_size=3, max_size=8), st.tuples(st.integers(1, 2), st.integers(1, 2)))
def each_pair_becomes_one_id(student, word, left, right):
    """From left to right each pair is replaced by the new id; all else stays, and the caller's list too."""
    told([merge_of(student, word, [left, right], 9)])


@rubric.check("merge_pair", points=1)
def runs_and_borders(student):
    """Runs: the second of three a's goes to the first. The pair at either end, or nowhere; large ids; any word."""
    cases = [
        ([], [1, 2]),
        ([1], [1, 1]),
        ([2], [1, 2]),
        ([1, 1], [1, 1]),
        ([1, 1, 1], [1, 1]),
        ([1, 1, 1, 1], [1, 1]),
        ([1, 1, 1, 1, 1], [1, 1]),
        ([3, 1, 2], [1, 2]),
        ([1, 2, 3], [1, 2]),
        ([1, 2, 1, 2], [1, 2]),
        ([1, 2, 1, 2], [2, 1]),
        ([1, 1, 2, 2], [1, 2]),
        ([3, 2, 1, 3], [1, 2]),
        ([0, 0, 255], [0, 255]),
        ([11, 2, 1, 22, 11, 22], [1, 2]),
        ([0, 0, 0], [0, 0]),
        ([300, 1000, 300, 1000], [300, 1000]),
    ]
    others = [([1, 2, 1, 2, 3], [1, 2]), ([1, 1, 1], [1, 1]), ([1, 2], [2, 1]), ([], [1, 2])]
    kinds = [(*case, 256, kind) for case in others for kind in ("tuple", "bytes")]
    told([merge_of(student, *case) for case in [*((*case, 256) for case in cases), *kinds]])


# -- learn_merges -----------------------------------------------------------------------------------------------------

rubric.exercise("learn_merges", difficulty=2, minutes=15)
rubric.doctests("learn_merges", points=1)


@rubric.probe
def learned(tt, words, counts, size, kind):
    own = [{"list": list, "bytes": bytes}[kind](word) for word in words]
    return tt.tokenization.learn_merges(own, counts, size), [list(map(list, own)), counts]


def learn(words, counts, size, key=lambda pair, times: (-times, pair), start=256, least=1):
    """The right merges, and with another order, first id or least count wrong ones."""
    merges = []
    while 256 + len(merges) < size:
        found = Counter({tuple(pair): times for pair, times in count(words, counts) if times >= least})
        if not found:
            break
        pair = min(found, key=lambda pair: key(pair, found[pair]))
        words = [put(ids, pair, start + len(merges)) for ids in words]
        merges.append(pair)
    return merges


def merges_of(student, words, counts, size, kind="list"):
    yours, after = student.learned(words, counts, size, kind)
    right = learn(words, counts, size)
    pairs = all(type(pair) is tuple and [type(i) for i in pair] == [int, int] for pair in list(yours or []))
    holds(type(yours) is list and pairs, "the merges are a list of pairs", yours=yours)
    mistakes = {
        "the rarest pair is merged first": learn(words, counts, size, lambda pair, times: (times, pair)),
        "of pairs that stand equally often, the one with the smallest ids comes first": learn(
            words, counts, size, lambda pair, times: (-times, (-pair[0], -pair[1]))
        ),
        "each word counts once, however often it stands in the text": learn(words, [1] * len(words), size),
        "the first merge makes token 256": learn(words, counts, size, start=257),
        "there are 256 tokens before the first merge": learn(words, counts, 256 + size),
        "one merge too many": learn(words, counts, size + 1),
        "one merge is missing": right[:-1],
        "pairs that stand once can be merged, too": learn(words, counts, size, least=2),
    }
    unharmed(after, words, counts)
    shown = {"words": words, "counts": counts, "size": size, "each_word_is": kind}
    return Answer(yours, right, "the list of merges", mistakes, **shown)


@rubric.check("learn_merges", points=2)
@given(texts, st.integers(256, 262))
def the_most_frequent_pair_first(student, words, counts, size):
    """Merge after merge: always the most frequent pair of what the merges before it have left."""
    told([merges_of(student, words, counts, size)])


@rubric.check("learn_merges", points=1)
def it_stops_and_ties_have_a_winner(student):
    """It stops at the size, or when no pair is left; of equals the smallest ids win; words may be `bytes`."""
    cases = [
        ([], [], 300),
        ([[], [7]], [4, 9], 300),
        ([[1, 2, 3]], [1], 256),
        ([[1, 2, 3]], [1], 0),
        ([[1, 2, 3]], [1], 257),
        ([[1, 2, 3]], [1], 300),
        ([[5, 6], [3, 9], [3, 8]], [1, 1, 1], 258),
        ([[9, 1], [1, 9], [5, 5]], [2, 2, 2], 259),
        ([[5, 6], [3, 9], [3, 8]], [2, 1, 1], 258),
        ([[1, 1, 1, 1]], [1], 258),
        ([[1, 1, 1, 1, 1, 1, 1]], [2], 300),
        ([[1, 2, 1, 2, 1, 2]], [1], 259),
        ([[195, 169], [195, 168], [32, 195, 169]], [1, 5, 3], 259),
        ([[0, 0], [255, 0]], [1, 1], 258),
        ([[1, 2], [1, 2], [3, 4]], [3, 1, 2], 257),
        ([[3, 4], [1, 2], [3, 4]], [2, 3, 2], 257),
        ([[10, 1], [9, 1]], [1, 1], 257),
        ([[*range(60)]], [1], 320),
    ]
    told([merges_of(student, *case, kind) for case in cases for kind in ("list", "bytes")])


# -- encode_word ------------------------------------------------------------------------------------------------------

rubric.exercise("encode_word", difficulty=3, minutes=30)
rubric.doctests("encode_word", points=1)


@rubric.probe
def encoded(tt, word, merges, made, kind, first):
    """The ids, the arguments afterwards, and whether the ids are the caller's word.

    `first` merges that stand nowhere come before these; the table of ranks is in no order.
    """
    own = {"list": list, "tuple": tuple, "bytes": bytes}[kind](word)
    pairs = [*((-1, k) for k in range(first)), *map(tuple, merges)]
    ranks = {pair: rank for rank, pair in reversed([*enumerate(pairs)])}
    before, table = dict(ranks), [0] * first + made
    ids = tt.tokenization.encode_word(own, ranks, table)
    return ids, [list(own), table[first:]], ranks == before, ids is own


def ranked(word, merges, made, choose=min, passes=None):
    """The right answer, and with another choice among (rank, place) a wrong one."""
    ids, ranks = list(word), {tuple(pair): rank for rank, pair in enumerate(merges)}
    while passes is None or passes > 0:
        found = [(ranks[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in ranks]
        if not found:
            break
        rank, place = choose(found)
        ids[place : place + 2] = [made[rank]]
        passes = None if passes is None else passes - 1
    return ids


def longest(word, merges, made):
    """Not BPE: the longest token that begins the rest of the word, again and again."""
    tokens, ids, at = {(i,): i for i in word}, [], 0
    whole = {i: (i,) for i in word}
    for (left, right), new in zip(merges, made):
        whole[new] = whole.get(left, (left,)) + whole.get(right, (right,))
        tokens[whole[new]] = new
    while at < len(word):
        end = max(end for end in range(at + 1, len(word) + 1) if tuple(word[at:end]) in tokens)
        ids.append(tokens[tuple(word[at:end])])
        at = end
    return ids


def each_in_one_go(word, merges, made):
    """All places of the lowest rank together, and only then a look at what has come of it."""
    ids, ranks = list(word), {tuple(pair): rank for rank, pair in enumerate(merges)}
    while found := [ranks[pair] for pair in pairwise(ids) if pair in ranks]:
        ids = put(ids, merges[min(found)], made[min(found)])
    return ids


def one_turn_each(word, merges, made):
    """Once through the merges, as they were learned."""
    ids = list(word)
    for pair, new in zip(merges, made):
        ids = put(ids, pair, new)
    return ids


def encoding_of(student, word, merges, made, kind="list", first=0):
    yours, after, kept, one = student.encoded(word, merges, made, kind, first)
    right = ranked(word, merges, made)
    ids_alone(yours, "the encoded word")
    mistakes = {
        "nothing is merged": list(word),
        "the leftmost pair is merged first: it is the rank that decides": ranked(
            word, merges, made, lambda found: min(found, key=lambda pair: pair[1])
        ),
        "the highest rank is merged first": ranked(word, merges, made, max),
        "of pairs with one rank, the leftmost comes first": ranked(
            word, merges, made, lambda found: min(found, key=lambda pair: (pair[0], -pair[1]))
        ),
        "only one pair is merged": ranked(word, merges, made, passes=1),
        "a pair that a merge has made can be merged again": ranked(
            word,
            [pair for pair in merges if max(pair) < 10],
            [new for pair, new in zip(merges, made) if max(pair) < 10],
        ),
        "these are ranks: made[rank] is the id": ranked(word, merges, list(range(len(made)))),
        "the longest token at each place is not what the merges make": longest(word, merges, made),
        "a merge may make a pair of lower rank, which is next: look before the next place": each_in_one_go(
            word, merges, made
        ),
        "a merge may make a pair of lower rank: once through the ranks is not enough": one_turn_each(
            word, merges, made
        ),
    }
    unharmed(after, word, made)
    holds(kept, "the caller's ranks are changed")
    holds(not one, "the result is the caller's own list: it is a new one", word=word)
    shown = {"word": word, "merges": merges, "made": made, "the_word_is": kind, "rank_of_the_first": first}
    return Answer(yours, right, "the encoded word", mistakes, **shown)


@st.composite
def vocabularies(draw):
    """Merges as they are learned, each of ids that exist by then, the ids that they make, and a word.

    The ids are 10 times the rank and something, so that no rank is an id; bytes are 1, 2 and 3.
    """
    known, merges, made = [1, 2, 3], [], []
    for rank in range(draw(st.integers(2, 5))):
        pair = [draw(st.sampled_from(known)), draw(st.sampled_from(known))]
        if pair not in merges:
            merges.append(pair)
            made.append(10 * rank + 11)
            known.append(made[-1])
    return draw(st.lists(st.integers(1, 3), min_size=4, max_size=9)), merges, made


@rubric.check("encode_word", points=2)
@given(vocabularies(), always=[([1, 2, 1, 2, 3, 4], [[1, 2], [3, 4]], [10, 11])])
def the_lowest_rank_first(student, word, merges, made):
    """Of all pairs that stand in the word the one that was learned first is merged, until none of them was learned."""
    told([encoding_of(student, word, merges, made)])


@rubric.check("encode_word", points=2)
def words_that_tell_orders_apart(student):
    """Runs, a rank further right, merges of merges, a lower rank that comes later, a rank of 60,000, any word."""
    cases = [
        ([], [[1, 2]], [10]),
        ([1], [[1, 1]], [10]),
        ([1, 2], [], []),
        ([1, 2], [[2, 1]], [10]),
        ([1, 2, 3], [[2, 3], [1, 2]], [10, 11]),
        ([1, 2, 3], [[1, 2], [2, 3]], [10, 11]),
        ([1, 2, 3], [[2, 3], [1, 2]], [11, 10]),
        ([1, 1, 1], [[1, 1]], [10]),
        ([1, 1, 1, 1, 1], [[1, 1], [10, 10]], [10, 11]),
        ([1, 1, 1, 1, 1, 1, 1], [[1, 1], [10, 1]], [10, 11]),
        ([1, 2, 1, 2], [[1, 2], [10, 10]], [10, 11]),
        ([2, 1, 2, 1, 2], [[1, 2], [2, 10], [11, 10]], [10, 11, 12]),
        ([1, 2, 3, 4], [[2, 3], [1, 2], [3, 4], [10, 4], [1, 13]], [10, 11, 12, 13, 14]),
        ([1, 2, 3, 4], [[3, 4], [1, 2], [2, 3], [12, 11]], [11, 12, 13, 14]),
        ([1, 2, 3, 4, 5], [[3, 4], [2, 10], [11, 5]], [10, 11, 12]),
        ([4, 1, 2, 3], [[1, 2], [4, 10], [11, 3]], [10, 11, 12]),
        ([1, 2, 3, 1, 2], [[2, 3], [1, 2]], [10, 300]),
        ([0, 0, 255, 0], [[0, 255], [0, 0]], [256, 257]),
        ([1, 2, 3], [[10, 3], [1, 2]], [11, 10]),
        ([1, 2, 1, 2], [[10, 1], [1, 2]], [11, 10]),
        ([1, 2, 3, 1, 2], [[2, 3], [1, 2]], [10, 11], "list", 60_000),
        *(case for kind in ("tuple", "bytes") for case in [([1, 2], [[1, 2]], [10], kind), ([2, 1], [], [], kind)]),
    ]
    told([encoding_of(student, *case) for case in cases])


# -- decode_tokens ----------------------------------------------------------------------------------------------------

rubric.exercise("decode_tokens", difficulty=1, minutes=6)
rubric.doctests("decode_tokens", points=1)


@rubric.probe
def decoded(tt, ids, tokens, kind):
    own = {"list": list, "tuple": tuple, "array": np.array, "generator": iter}[kind](ids)
    table = [bytes(token) for token in tokens]
    text = tt.tokenization.decode_tokens(own, table)
    kept = kind == "generator" or list(own) == ids
    return text, kept and table == [bytes(token) for token in tokens]


@rubric.probe
def decoded_text(tt, ids, tokens):
    return tt.tokenization.decode_tokens(ids, [bytes(token) for token in tokens])


def text_of(student, ids, tokens, kind="list"):
    data = b"".join(bytes(tokens[i]) for i in ids)
    right = data.decode("utf-8", "replace")
    yours, kept = student.decoded(ids, tokens, kind)
    mistakes = {
        "the tokens are decoded one by one: a character may be spread over several": "".join(
            bytes(tokens[i]).decode("utf-8", "replace") for i in ids
        ),
        "what is no UTF-8 is left out; it becomes U+FFFD": data.decode("utf-8", "ignore"),
        "each byte is taken for a character: UTF-8 has characters of up to four": data.decode("latin-1"),
        "what is no UTF-8 becomes U+FFFD, the sign for it, not a backslash": data.decode("utf-8", "backslashreplace"),
        "what is no UTF-8 becomes U+FFFD, not a surrogate": data.decode("utf-8", "surrogateescape"),
        "there is a space between the tokens": b" ".join(bytes(tokens[i]) for i in ids).decode("utf-8", "replace"),
        "this is the text backwards": right[::-1],
        "a generator gives its ids once: make a list of them first": "" if kind == "generator" else right,
    }
    holds(kept, "the caller's own list is changed", ids=ids)
    shown = {"ids": ids, "tokens": [bytes(token) for token in tokens], "the_ids_are": kind}
    return Answer(yours, right, "the text", mistakes, **shown)


TEXTS = ["a", "é", "日", "😀", " ", "\0", "e\u0301", "<|endoftext|>", "'s", "\n", "\r\n", "\u2028", "\ufeff"]


@st.composite
def cut_texts(draw):
    """A text, and its bytes cut anywhere into tokens; the ids are in another order than the tokens."""
    data = "".join(draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4))).encode()
    ends = sorted(draw(st.sets(st.integers(1, len(data)), max_size=5)) | {len(data)})
    pieces = [list(data[start:end]) for start, end in zip([0, *ends], ends)]
    order = draw(st.permutations(range(len(pieces))))
    tokens = [pieces[order.index(i)] for i in range(len(pieces))]
    return list(order), tokens


@rubric.check("decode_tokens", points=1)
@given(cut_texts(), always=[([0, 1, 2], [[0xEF, 0xBB, 0xBF], [97, 13], [10, 0xE2, 0x80, 0xA8, 98]])])
def the_text_comes_back_however_it_was_cut(student, ids, tokens):
    """The bytes of all tokens, one after the other, are the text: a character may begin in one and end in another."""
    told([text_of(student, ids, tokens)])


@rubric.check("decode_tokens", points=1)
def what_is_no_text_is_shown_as_such(student):
    """No id is the empty text; bytes that are no UTF-8 become U+FFFD; ids may come in anything that gives them once."""
    known = (b"a", b"\xc3", b"\xa9", b"\xf0\x9f", b"\x98\x80", b"\xff", b"<|end|>", b"", b"\xed\xa0\x80")
    tokens = [list(token) for token in known]
    cases = [[], [0], [1, 2], [1], [2], [1, 0], [3, 4], [3], [4, 3], [5, 0, 5], [0, 6, 1, 2], [7], [3, 3, 4], [8, 0]]
    kinds = [([1, 2, 0], kind) for kind in ("tuple", "array", "generator")]
    told([text_of(student, ids, tokens, kind) for ids, kind in [*((ids, "list") for ids in cases), *kinds]])


@rubric.check("decode_tokens", points=1)
def an_id_that_is_none_is_refused(student):
    """-1 is no id, though Python finds a last token there; nor is the number of tokens. The error names the id."""
    tokens = [[97], [98], [99]]
    for ids, wrong in [([-1], -1), ([0, -3], -3), ([3], 3), ([0, 1, 70], 70), ([2, -4, 0], -4)]:
        refuses("ValueError", student.decoded_text, ids, tokens, mentioning=[str(wrong)])


# -- accounting -------------------------------------------------------------------------------------------------------


def ids_without_merges():
    """The length of the encoded text, by the tokenizer itself."""
    from tinytorch.tokenization import BYTES, BytePairTokenizer

    return len(BytePairTokenizer(BYTES, []).encode("café 日本 " + chr(0x1F600)))


@rubric.accounting(points=1, unit="ids", counted=ids_without_merges, difficulty=1, minutes=5)
def utf8_ids():
    """How many ids does a byte-level tokenizer without any merges need for `café 日本`, a space and a smiley?

    Nine characters: four of a word, a space, two of Japanese, a space, and the smiley, U+1F600. In UTF-8 characters up
    to U+007F take one byte, up to U+07FF two, up to U+FFFF three, and those beyond four. The é is U+00E9.
    """
    # Go through the text character by character, spaces included. No merges: an id for each byte.
    return 3 + 2 + 1 + 2 * 3 + 1 + 4


def merges_until_one_is_left():
    """The number of merges that learning finds in one long word."""
    from tinytorch.tokenization import learn_merges

    return len(learn_merges([[64] * 64], [1], 10_000))


@rubric.accounting(points=1, unit="merges", counted=merges_until_one_is_left, difficulty=2, minutes=10)
def run_merges():
    """A text is one word of 64 letters a. How many merges does learning find until no pair is left?

    The size of the vocabulary sets no limit: 10,000.
    """
    # Do it on paper for four letters, then for eight. What is left of the word after each merge?
    merges, length = 0, 64
    while length > 1:
        merges, length = merges + 1, length // 2
    return merges


def bytes_of_tables():
    """Rows by a tokenizer of that size, bytes by chapter 00's counter."""
    from tinytorch.environment import nbytes
    from tinytorch.tokenization import BytePairTokenizer, merged_tokens

    merges = [(64, 65), *((256 + k, 64) for k in range(1999))]
    specials = {f"<|{k}|>": 2256 + k for k in range(3)}
    tokenizer = BytePairTokenizer([*merged_tokens(merges), *map(str.encode, specials)], merges, specials)
    return 2 * nbytes((len(tokenizer), 128))


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_tables, tolerance=1e-4, difficulty=1, minutes=5)
def table_bytes():
    """How many bytes do a network's two tables take: a vector for each token at its start, and one at its end?

    The tokenizer is byte-level with 2,000 merges and 3 special tokens. A vector has 128 numbers in float32. Count
    exactly: one row too few is wrong.
    """
    # How many tokens are there before the first merge? Then a row for each token, two tables, four bytes a number.
    return 2 * (256 + 2000 + 3) * 128 * 4
