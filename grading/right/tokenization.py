"""Right answers to chapter 10, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import codecs
from collections import Counter
from itertools import pairwise

from tinytorch.tokenization import count_pairs, encode_long_word, encode_word, known_ids, merge_pair
from tito.rubrics.planted import right

# -- count_pairs ------------------------------------------------------------------------------------------------------

right("count_pairs", "zips a word with its rest", "pairwise(word)", "zip(word, word[1:])")
right(
    "count_pairs", "goes by index",
    "for pair in pairwise(word):", "for pair in [(word[i], word[i + 1]) for i in range(len(word) - 1)]:",
)  # fmt: skip


@right("count_pairs", "counts the pairs of a word, then weighs them")
def counted_by_word(words, counts):
    pairs = Counter()
    for i in range(len(words)):
        for pair, times in Counter(zip(words[i], words[i][1:])).items():
            pairs[pair] += times * counts[i]
    return pairs


@right("count_pairs", "updates by a table of each word")
def counted_by_update(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts, strict=True):
        for pair in pairwise(word):
            pairs.update({pair: count})
    return pairs


@right("count_pairs", "goes backwards, and remembers the id behind")
def counted_backwards(words, counts):
    pairs = Counter()
    for word, count in zip(reversed(words), reversed(counts)):
        behind = None
        for i in reversed(word):
            if behind is not None:
                pairs[i, behind] += count
            behind = i
    return pairs


@right("count_pairs", "adds Counters of equal words")
def counted_once_a_word(words, counts):
    each, total = Counter(), Counter()
    for word, count in zip(words, counts):
        each[tuple(word)] += count
    for word, count in each.items():
        total += Counter({pair: times * count for pair, times in Counter(pairwise(word)).items()})
    return total


# -- merge_pair -------------------------------------------------------------------------------------------------------


@right("merge_pair", "looks one ahead")
def looked_ahead(word, pair, new):
    merged, i = [], 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


@right("merge_pair", "replaces in a list of its own")
def replaced(word, pair, new):
    ids, i = list(word), 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
        i += 1
    return ids


@right("merge_pair", "calls itself on the rest")
def called_again(word, pair, new):
    for i in range(len(word) - 1):
        if word[i] == pair[0] and word[i + 1] == pair[1]:
            return [*word[:i], new, *merge_pair(word[i + 2 :], pair, new)]
    return list(word)


@right("merge_pair", "holds one id back")
def held_back(word, pair, new):
    merged, held = [], None
    for i in word:
        if held is not None and (held, i) == tuple(pair):
            merged.append(new)
            held = None
        else:
            merged += [] if held is None else [held]
            held = i
    return merged if held is None else [*merged, held]


@right("merge_pair", "replaces in a text of characters")
def replaced_in_text(word, pair, new):
    return list(map(ord, "".join(map(chr, word)).replace(chr(pair[0]) + chr(pair[1]), chr(new))))


# -- learn_merges -----------------------------------------------------------------------------------------------------


@right("learn_merges", "counts everything anew each time")
def counted_anew(words, counts, size):
    words, merges = [list(word) for word in words], []
    for new in range(256, size):
        pairs = count_pairs(words, counts)
        if not pairs:
            break
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words = [merge_pair(word, pair, new) for word in words]
        merges.append(pair)
    return merges


@right("learn_merges", "sorts the pairs")
def sorted_pairs(words, counts, size):
    merges = []
    while len(merges) < size - 256:
        ranking = sorted(count_pairs(words, counts).items(), key=lambda item: (-item[1], item[0]))
        if len(ranking) == 0:
            return merges
        merges += [ranking[0][0]]
        words = [merge_pair(word, merges[-1], 255 + len(merges)) for word in words]
    return merges


right(
    "learn_merges", "asks for the pair in the loop",
    "while 256 + len(merges) < size and (pair := table.most_frequent()):\n    table",
    "for _ in range(size - 256):\n    pair = table.most_frequent()\n    if pair is None:\n        break\n    table",
)  # fmt: skip


@right("learn_merges", "mends the counts of the neighbours alone")
def counted_around(words, counts, size):
    words, merges = [list(word) for word in words], []
    pairs = count_pairs(words, counts)
    while 256 + len(merges) < size:
        pairs = Counter({pair: count for pair, count in pairs.items() if count > 0})
        if not pairs:
            break
        pair, new = min(pairs, key=lambda pair: (-pairs[pair], pair)), 256 + len(merges)
        for word, count in zip(words, counts):
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == pair:
                    if i > 0:
                        pairs[word[i - 1], word[i]] -= count
                        pairs[word[i - 1], new] += count
                    if i + 2 < len(word):
                        pairs[word[i + 1], word[i + 2]] -= count
                        pairs[new, word[i + 2]] += count
                    word[i : i + 2] = [new]
                i += 1
        del pairs[pair]
        merges.append(pair)
    return merges


@right("learn_merges", "calls itself with one merge less")
def learned_again(words, counts, size):
    def learn(words, new):
        pairs = count_pairs(words, counts)
        if new >= size or not pairs:
            return []
        pair = min(pairs, key=lambda pair: (-pairs[pair], *pair))
        return [pair, *learn([merge_pair(word, pair, new) for word in words], new + 1)]

    return learn(words, 256)


# -- encode_word ------------------------------------------------------------------------------------------------------


@right("encode_word", "looks at all ranks anew each time")
def looked_anew(word, ranks, made):
    ids = list(word)
    while len(ids) > 1:
        i = min(range(len(ids) - 1), key=lambda i: ranks.get((ids[i], ids[i + 1]), float("inf")))
        if (ids[i], ids[i + 1]) not in ranks:
            break
        ids = ids[:i] + [made[ranks[ids[i], ids[i + 1]]]] + ids[i + 2 :]
    return ids


@right("encode_word", "is the one for long words")
def as_for_long_words(word, ranks, made):
    return encode_long_word(word, ranks, made)


@right("encode_word", "calls itself for each merge")
def called_for_each_merge(word, ranks, made):
    best = min(((ranks[pair], i) for i, pair in enumerate(pairwise(word)) if pair in ranks), default=None)
    if best is None:
        return list(word)
    rank, i = best
    return encode_word([*word[:i], made[rank], *word[i + 2 :]], ranks, made)


@right("encode_word", "takes the smallest of rank and place")
def rank_and_place(word, ranks, made):
    ids = [*word]
    while True:
        found = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
        if not found:
            return ids
        rank, i = min(found)
        ids = ids[:i] + [made[rank]] + ids[i + 2 :]


@right("encode_word", "goes through the merges in their order until none applies")
def in_their_order(word, ranks, made):
    ids, order = list(word), sorted(ranks, key=ranks.get)
    while present := set(pairwise(ids)) & ranks.keys():
        first = next(pair for pair in order if pair in present)
        place = list(pairwise(ids)).index(first)
        del ids[place + 1]
        ids[place] = made[ranks[first]]
    return ids


# -- decode_tokens ----------------------------------------------------------------------------------------------------

right(
    "decode_tokens", "makes a str of the bytes",
    'data.decode("utf-8", errors="replace")', 'str(data, "utf-8", "replace")',
)  # fmt: skip


@right("decode_tokens", "adds up the bytes")
def added_up(ids, tokens):
    data = bytearray()
    for i in known_ids(ids, len(tokens)):
        data += tokens[i]
    return data.decode(errors="replace")


@right("decode_tokens", "refuses by itself")
def refused_by_itself(ids, tokens):
    data = b""
    for i in ids:
        if i < 0 or i >= len(tokens):
            raise ValueError(f"there is no token {i}: ids are 0..{len(tokens) - 1}")
        data = data + tokens[int(i)]
    return data.decode("utf8", "replace")


@right("decode_tokens", "decodes bit by bit, and tells the decoder the end")
def bit_by_bit(ids, tokens):
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    parts = [decoder.decode(tokens[i]) for i in known_ids(ids, len(tokens))]
    return "".join(parts) + decoder.decode(b"", True)


@right("decode_tokens", "looks ids up in a dict")
def looked_up(ids, tokens):
    table, parts = dict(enumerate(tokens)), []
    for i in ids:
        if i not in table:
            raise ValueError(f"{i} is the id of no token")
        parts.append(table[i])
    return str(b"".join(parts), encoding="utf8", errors="replace")


# -- accounting -------------------------------------------------------------------------------------------------------

right(
    "utf8_ids", "asks Python",
    "3 + 2 + 1 + 2 * 3 + 1 + 4", 'len("caf\\u00e9 \\u65e5\\u672c \\U0001f600".encode())',
)  # fmt: skip
right("utf8_ids", "is the number", "3 + 2 + 1 + 2 * 3 + 1 + 4", "17")
right("utf8_ids", "is a float", "3 + 2 + 1 + 2 * 3 + 1 + 4", "17.0")

right("run_merges", "is the number", "return merges", "return 6")


@right("run_merges", "takes a logarithm")
def by_logarithm():
    import math

    return math.log2(64)


@right("run_merges", "counts bits")
def by_bits():
    return (64).bit_length() - 1


right("table_bytes", "adds up the rows", "(256 + 2000 + 3)", "2259")
right("table_bytes", "is a float", "128 * 4", "128 * 4.0")
right("table_bytes", "is the number", "2 * (256 + 2000 + 3) * 128 * 4", "2313216")
