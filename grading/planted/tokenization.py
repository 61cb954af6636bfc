"""Wrong answers to chapter 10: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

from collections import Counter
from itertools import chain, pairwise

from tinytorch.tokenization import NEVER, PairTable, count_pairs, known_ids, merge_pair
from tito.rubrics.planted import wrong

# -- count_pairs ------------------------------------------------------------------------------------------------------


@wrong("count_pairs", "counts each word once")
def count_pairs_without_counts(words, counts):
    pairs = Counter()
    for word in words:
        pairs.update(pairwise(word))
    return pairs


@wrong("count_pairs", "assigns instead of adding")
def count_pairs_assigning(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] = count
    return pairs


@wrong("count_pairs", "counts a pair once in each word")
def count_pairs_as_sets(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in set(pairwise(word)):
            pairs[pair] += count
    return pairs


@wrong("count_pairs", "takes pairs that do not overlap")
def count_pairs_apart(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in zip(word[::2], word[1::2]):
            pairs[pair] += count
    return pairs


@wrong("count_pairs", "does not let equal pairs overlap")
def count_pairs_skipping(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        i = 0
        while i < len(word) - 1:
            pairs[word[i], word[i + 1]] += count
            i += 2 if list(word[i : i + 3]) == [word[i]] * 3 else 1
    return pairs


@wrong("count_pairs", "loses the order within a pair")
def count_pairs_sorted(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[tuple(sorted(pair))] += count
    return pairs


@wrong("count_pairs", "sorts the caller's words")
def count_pairs_sorting(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] += count
        word.sort()
    return pairs


@wrong("count_pairs", "uses up the caller's words")
def count_pairs_popping(words, counts):
    pairs = Counter()
    while words:
        word, count = words.pop(), counts.pop()
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


@wrong("count_pairs", "goes over the borders of words")
def count_pairs_across(words, counts):
    text = list(chain.from_iterable(list(word) * count for word, count in zip(words, counts)))
    return Counter(pairwise(text))


@wrong("count_pairs", "makes a plain dict, which knows no 0")
def count_pairs_dict(words, counts):
    pairs = {}
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


@wrong("count_pairs", "forgets the last neighbours")
def count_pairs_short(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for i in range(len(word) - 2):
            pairs[word[i], word[i + 1]] += count
    return pairs


@wrong("count_pairs", "packs a pair into one number: wrong for ids from 256 on")
def count_pairs_packed(words, counts):
    packed = Counter()
    for word, count in zip(words, counts):
        for left, right in pairwise(word):
            packed[left * 256 + right] += count
    return Counter({divmod(key, 256): count for key, count in packed.items()})


@wrong("count_pairs", "counts in 32 bits, which wrap")
def count_pairs_wrapping(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] = (pairs[pair] + count) % 2**32
    return pairs


@wrong("count_pairs", "keeps the ten most frequent")
def count_pairs_ten(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for pair in pairwise(word):
            pairs[pair] += count
    return Counter(dict(pairs.most_common(10)))


@wrong("count_pairs", "adds a list to the word, which may be bytes")
def count_pairs_of_lists(words, counts):
    pairs = Counter()
    for word, count in zip(words, counts):
        for left, right in pairwise(word + [None]):
            if right is not None:
                pairs[left, right] += count
    return pairs


# -- merge_pair -------------------------------------------------------------------------------------------------------


@wrong("merge_pair", "merges the first pair only")
def merge_once(word, pair, new):
    word = list(word)
    for i in range(len(word) - 1):
        if (word[i], word[i + 1]) == pair:
            return [*word[:i], new, *word[i + 2 :]]
    return word


@wrong("merge_pair", "keeps the right half")
def merge_keeping(word, pair, new):
    merged = []
    for i in range(len(word)):
        merged.append(new if tuple(word[i : i + 2]) == pair else word[i])
    return merged


@wrong("merge_pair", "goes from right to left")
def merge_backwards(word, pair, new):
    merged, i = [], len(word) - 1
    while i >= 0:
        if i > 0 and (word[i - 1], word[i]) == pair:
            merged.append(new)
            i -= 2
        else:
            merged.append(word[i])
            i -= 1
    return merged[::-1]


@wrong("merge_pair", "forgets the last id")
def merge_without_end(word, pair, new):
    merged, i = [], 0
    while i < len(word) - 1:
        if (word[i], word[i + 1]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


@wrong("merge_pair", "works in the caller's list")
def merge_in_place(word, pair, new):
    i = 0
    while i < len(word) - 1:
        if (word[i], word[i + 1]) == pair:
            word[i : i + 2] = [new]
        i += 1
    return word


@wrong("merge_pair", "uses up the caller's list")
def merge_popping(word, pair, new):
    left, right = pair
    merged = []
    while word:
        i = word.pop(0)
        if i == right and merged and merged[-1] == left:
            merged[-1] = new
        else:
            merged.append(i)
    return merged


@wrong("merge_pair", "does not look into the order")
def merge_either_way(word, pair, new):
    merged = []
    for i in word:
        if merged and {merged[-1], i} == set(pair):
            merged[-1] = new
        else:
            merged.append(i)
    return merged


@wrong("merge_pair", "looks at what came before in the old word: pairs overlap")
def merge_overlapping(word, pair, new):
    left, right = pair
    merged, before = [], None
    for i in word:
        if i == right and before == left:
            merged[-1] = new
        else:
            merged.append(i)
        before = i
    return merged


@wrong("merge_pair", "gives a tuple")
def merge_tuple(word, pair, new):
    left, right = pair
    merged = []
    for i in word:
        if i == right and merged and merged[-1] == left:
            merged[-1] = new
        else:
            merged.append(i)
    return tuple(merged)


@wrong("merge_pair", "replaces by way of text: 1, 2 is found in 11, 2, too")
def merge_as_text(word, pair, new):
    text = " ".join(map(str, word)).replace(f"{pair[0]} {pair[1]}", str(new))
    return [int(i) for i in text.split()]


@wrong("merge_pair", "looks for both halves, not for neighbours")
def merge_in_sets(word, pair, new):
    merged = []
    for i in word:
        if i == pair[1] and pair[0] in merged:
            merged[merged.index(pair[0])] = new
        else:
            merged.append(i)
    return merged


@wrong("merge_pair", "asks whether ids are one object: those from 257 on are not")
def merge_by_identity(word, pair, new):
    left, right = pair
    merged = []
    for i in word:
        if i is right and merged and merged[-1] is left:
            merged[-1] = new
        else:
            merged.append(i)
    return merged


@wrong("merge_pair", "compares slices with a list: a slice of a tuple or of bytes is none")
def merge_by_slices(word, pair, new):
    merged, i = [], 0
    while i < len(word):
        if word[i : i + 2] == list(pair):
            merged.append(new)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


@wrong("merge_pair", "gives the caller's own list where there is nothing to merge")
def merge_sharing(word, pair, new):
    if isinstance(word, list) and pair not in pairwise(word):
        return word
    left, right = pair
    merged = []
    for i in word:
        if i == right and merged and merged[-1] == left:
            merged[-1] = new
        else:
            merged.append(i)
    return merged


@wrong("merge_pair", "never merges at the beginning")
def merge_but_the_first(word, pair, new):
    merged, i = list(word[:1]), 1
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


# -- learn_merges -----------------------------------------------------------------------------------------------------


@wrong("learn_merges", "merges one pair too many")
def train_too_many(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) <= size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "takes the size for the number of merges")
def train_size_merges(words, counts, size):
    table, merges = PairTable(words, counts), []
    while len(merges) < size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "takes the most frequent pairs of the beginning, and counts no second time")
def train_once(words, counts, size):
    pairs = count_pairs(words, counts)
    best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    return best[: max(size - 256, 0)]


@wrong("learn_merges", "fails when no pair is left")
def train_without_end(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) < size:
        pair = table.most_frequent()
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "gives every merge the same id")
def train_one_id(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) < size and (pair := table.most_frequent()):
        table.merge(pair, 256)
        merges.append(pair)
    return merges


@wrong("learn_merges", "begins at 257")
def train_from_257(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) < size and (pair := table.most_frequent()):
        merges.append(pair)
        table.merge(pair, 256 + len(merges))
    return merges


@wrong("learn_merges", "of equals takes the one that was seen first")
def train_first_seen(words, counts, size):
    words, merges = [list(word) for word in words], []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = max(pairs, key=pairs.get)
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@wrong("learn_merges", "of equals takes the largest ids")
def train_largest(words, counts, size):
    words, merges = [list(word) for word in words], []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = max(pairs, key=lambda pair: (pairs[pair], pair))
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@wrong("learn_merges", "merges in the caller's words")
def train_in_place(words, counts, size):
    merges = []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words[:] = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@wrong("learn_merges", "leaves alone what stands once")
def train_twice_at_least(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) < size and (pair := table.most_frequent()) and table.pairs[pair] > 1:
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "answers with the new ids")
def train_ids(words, counts, size):
    table, made = PairTable(words, counts), []
    while 256 + len(made) < size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(made))
        made.append(256 + len(made))
    return made


@wrong("learn_merges", "counts each word once")
def train_without_counts(words, counts, size):
    table, merges = PairTable(words, [1] * len(words)), []
    while 256 + len(merges) < size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "copies words by a method that bytes have not")
def train_copying(words, counts, size):
    words, merges = [word.copy() for word in words], []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@wrong("learn_merges", "compares slices with a list, and merges nothing in bytes")
def train_by_slices(words, counts, size):
    words, merges = list(words), []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        for k, word in enumerate(words):
            after, i = [], 0
            while i < len(word):
                found = word[i : i + 2] == list(pair)
                after.append(256 + len(merges) if found else word[i])
                i += 2 if found else 1
            words[k] = after
        merges.append(pair)
    return merges


@wrong("learn_merges", "makes a dict of the words: of equal ones the last count stays")
def train_by_dict(words, counts, size):
    table = {tuple(word): count for word, count in zip(words, counts)}
    table, merges = PairTable(list(table), list(table.values())), []
    while 256 + len(merges) < size and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("learn_merges", "compares equals as text, where 10 comes before 9")
def train_by_text(words, counts, size):
    words, merges = [list(word) for word in words], []
    while 256 + len(merges) < size and (pairs := count_pairs(words, counts)):
        pair = min(pairs, key=lambda pair: (-pairs[pair], str(pair)))
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@wrong("learn_merges", "makes fifty merges at most")
def train_fifty(words, counts, size):
    table, merges = PairTable(words, counts), []
    while 256 + len(merges) < min(size, 306) and (pair := table.most_frequent()):
        table.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


# -- encode_word ------------------------------------------------------------------------------------------------------


@wrong("encode_word", "merges the leftmost pair, whatever its rank")
def encode_leftmost(word, ranks, made):
    ids = list(word)
    while found := [i for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        i = found[0]
        ids[i : i + 2] = [made[ranks[ids[i], ids[i + 1]]]]
    return ids


@wrong("encode_word", "merges the highest rank first")
def encode_highest(word, ranks, made):
    ids = list(word)
    while found := [ranks[pair] for pair in pairwise(ids) if pair in ranks]:
        rank = max(found)
        i = [ranks.get(pair) for pair in pairwise(ids)].index(rank)
        ids[i : i + 2] = [made[rank]]
    return ids


@wrong("encode_word", "merges once")
def encode_once(word, ranks, made):
    ids = list(word)
    order = [ranks.get(pair, NEVER) for pair in pairwise(ids)]
    if order and (rank := min(order)) < NEVER:
        i = order.index(rank)
        ids[i : i + 2] = [made[rank]]
    return ids


@wrong("encode_word", "goes once from left to right")
def encode_one_pass(word, ranks, made):
    ids = []
    for i in word:
        ids.append(i)
        while len(ids) > 1 and (ids[-2], ids[-1]) in ranks:
            right, left = ids.pop(), ids.pop()
            ids.append(made[ranks[left, right]])
    return ids


@wrong("encode_word", "answers with ranks")
def encode_ranks(word, ranks, made):
    ids = list(word)
    while found := [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        rank, i = min(found)
        ids[i : i + 2] = [rank]
    return ids


@wrong("encode_word", "takes 256 and the rank for the id")
def encode_256(word, ranks, made):
    ids = list(word)
    while found := [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        rank, i = min(found)
        ids[i : i + 2] = [256 + rank]
    return ids


@wrong("encode_word", "decides by the new id, not by the rank")
def encode_by_id(word, ranks, made):
    ids = list(word)
    while found := [(made[ranks[pair]], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        new, i = min(found)
        ids[i : i + 2] = [new]
    return ids


@wrong("encode_word", "works in the caller's list")
def encode_in_place(word, ranks, made):
    while found := [(ranks[pair], i) for i, pair in enumerate(pairwise(word)) if pair in ranks]:
        rank, i = min(found)
        word[i : i + 2] = [made[rank]]
    return word


@wrong("encode_word", "keeps the ranks of the beginning")
def encode_stale(word, ranks, made):
    ids = list(word)
    order = [ranks.get(pair, NEVER) for pair in pairwise(ids)]
    while order and (rank := min(order)) < NEVER:
        i = order.index(rank)
        ids[i : i + 2] = [made[rank]]
        del order[i]
    return ids


@wrong("encode_word", "mends the rank at the right only")
def encode_right_only(word, ranks, made):
    ids = list(word)
    order = [ranks.get(pair, NEVER) for pair in pairwise(ids)]
    while order and (rank := min(order)) < NEVER:
        i = order.index(rank)
        ids[i : i + 2] = [made[rank]]
        del order[i]
        if i < len(order):
            order[i] = ranks.get((ids[i], ids[i + 1]), NEVER)
    return ids


@wrong("encode_word", "fails for a word of one letter, and for none")
def encode_no_default(word, ranks, made):
    ids = list(word)
    while (rank := min(ranks.get(pair, NEVER) for pair in pairwise(ids))) < NEVER:
        i = [ranks.get(pair) for pair in pairwise(ids)].index(rank)
        ids[i : i + 2] = [made[rank]]
    return ids


@wrong("encode_word", "strikes out the ranks that it has used")
def encode_popping(word, ranks, made):
    ids = list(word)
    while found := [(ranks[pair], pair) for pair in pairwise(ids) if pair in ranks]:
        rank, pair = min(found)
        ids = merge_pair(ids, pair, made[rank])
        del ranks[pair]
    return ids


@wrong("encode_word", "gives a tuple")
def encode_tuple(word, ranks, made):
    ids = list(word)
    while found := [(ranks[pair], pair) for pair in pairwise(ids) if pair in ranks]:
        rank, pair = min(found)
        ids = merge_pair(ids, pair, made[rank])
    return tuple(ids)


@wrong("encode_word", "merges all places of the lowest rank before it looks again")
def encode_in_one_go(word, ranks, made):
    ids = list(word)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=lambda pair: ranks.get(pair, float("inf")))
        if pair not in ranks:
            break
        ids = merge_pair(ids, pair, made[ranks[pair]])
    return ids


@wrong("encode_word", "goes once through the ranks")
def encode_one_turn_each(word, ranks, made):
    ids = list(word)
    for pair, rank in sorted(ranks.items(), key=lambda item: item[1]):
        ids = merge_pair(ids, pair, made[rank])
    return ids


@wrong("encode_word", "goes once through the table, in whatever order it is")
def encode_in_the_order_of_the_table(word, ranks, made):
    ids = list(word)
    for pair, rank in ranks.items():
        ids = merge_pair(ids, pair, made[rank])
    return ids


@wrong("encode_word", "takes 1000 for infinity")
def encode_below_1000(word, ranks, made):
    ids = list(word)
    while len(ids) > 1:
        order = [ranks.get(pair, 1000) for pair in pairwise(ids)]
        if (rank := min(order)) >= 1000:
            break
        i = order.index(rank)
        ids[i : i + 2] = [made[rank]]
    return ids


@wrong("encode_word", "copies the word by a method that tuples and bytes have not")
def encode_copying(word, ranks, made):
    ids = word.copy()
    while found := [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        rank, i = min(found)
        ids[i : i + 2] = [made[rank]]
    return ids


@wrong("encode_word", "gives the caller's own list where there is nothing to merge")
def encode_sharing(word, ranks, made):
    ids = word
    while found := [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        rank, i = min(found)
        ids = [*ids[:i], made[rank], *ids[i + 2 :]]
    return ids if isinstance(ids, list) else list(ids)


@wrong("encode_word", "uses each rank once")
def encode_each_rank_once(word, ranks, made):
    ids, left = list(word), dict(ranks)
    while found := [(left[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in left]:
        rank, i = min(found)
        del left[ids[i], ids[i + 1]]
        ids[i : i + 2] = [made[rank]]
    return ids


# -- decode_tokens ----------------------------------------------------------------------------------------------------


@wrong("decode_tokens", "decodes token by token")
def decode_one_by_one(ids, tokens):
    return "".join(tokens[i].decode("utf-8", errors="replace") for i in known_ids(ids, len(tokens)))


@wrong("decode_tokens", "is strict: a part of a character is an error")
def decode_strictly(ids, tokens):
    return b"".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode()


@wrong("decode_tokens", "leaves out what is no UTF-8")
def decode_ignoring(ids, tokens):
    return b"".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode("utf-8", errors="ignore")


@wrong("decode_tokens", "takes bytes for characters")
def decode_latin(ids, tokens):
    return b"".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode("latin-1")


@wrong("decode_tokens", "takes -1 for the last token")
def decode_unchecked(ids, tokens):
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors="replace")


@wrong("decode_tokens", "refuses ids that are too large only")
def decode_half_checked(ids, tokens):
    for i in ids:
        if i >= len(tokens):
            raise ValueError(f"id {i} is not in the vocabulary")
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors="replace")


@wrong("decode_tokens", "is off by one at the end")
def decode_one_too_many(ids, tokens):
    for i in ids:
        if not 0 <= i <= len(tokens):
            raise ValueError(f"id {i} is not in the vocabulary")
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors="replace")


@wrong("decode_tokens", "gives bytes")
def decode_to_bytes(ids, tokens):
    return b"".join([tokens[i] for i in known_ids(ids, len(tokens))])


@wrong("decode_tokens", "puts spaces between the tokens")
def decode_spaced(ids, tokens):
    return b" ".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode("utf-8", errors="replace")


@wrong("decode_tokens", "leaves out ids that are none")
def decode_skipping(ids, tokens):
    return b"".join([tokens[i] for i in ids if 0 <= i < len(tokens)]).decode("utf-8", errors="replace")


@wrong("decode_tokens", "uses up the caller's list")
def decode_popping(ids, tokens):
    known_ids(ids, len(tokens))
    data = b""
    while len(ids):
        data += tokens[ids.pop(0)]
    return data.decode("utf-8", errors="replace")


@wrong("decode_tokens", "asks a list for its methods: an array has others")
def decode_list_only(ids, tokens):
    known_ids(ids, len(tokens))
    data = b"".join([tokens[i] for i in ids.copy() + []])
    return data.decode("utf-8", errors="replace")


@wrong("decode_tokens", "strips the text")
def decode_stripped(ids, tokens):
    return b"".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode("utf-8", errors="replace").strip()


@wrong("decode_tokens", "goes through the ids twice: of a generator nothing is left")
def decode_twice(ids, tokens):
    for i in ids:
        if not 0 <= i < len(tokens):
            raise ValueError(f"id {i} is not in the vocabulary")
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors="replace")


wrong("decode_tokens", "takes a mark of the order of bytes away", '"utf-8"', '"utf-8-sig"')


@wrong("decode_tokens", "makes every line's end the same")
def decode_lines(ids, tokens):
    text = b"".join([tokens[i] for i in known_ids(ids, len(tokens))]).decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n")


@wrong("decode_tokens", "lets half a surrogate pass")
def decode_surrogates(ids, tokens):
    data = b"".join([tokens[i] for i in known_ids(ids, len(tokens))])
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


@wrong("decode_tokens", "does not say which id it refuses")
def decode_nameless(ids, tokens):
    ids = list(ids)
    if any(not 0 <= i < len(tokens) for i in ids):
        raise ValueError("an id is not in the vocabulary")
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors="replace")


# -- utf8_ids ---------------------------------------------------------------------------------------------------------

wrong("utf8_ids", "counts characters", "3 + 2 + 1 + 2 * 3 + 1 + 4", "9")
wrong("utf8_ids", "forgets the spaces", "3 + 2 + 1 + 2 * 3 + 1 + 4", "3 + 2 + 2 * 3 + 4")
wrong("utf8_ids", "takes two bytes for whatever is not ASCII", "2 * 3 + 1 + 4", "2 * 2 + 1 + 2")
wrong("utf8_ids", "takes UTF-16's four bytes for a character", "3 + 2 + 1 + 2 * 3 + 1 + 4", "4 * 9")

# -- run_merges -------------------------------------------------------------------------------------------------------

wrong("run_merges", "stops at two tokens", "length > 1", "length > 2")
wrong("run_merges", "counts the pairs that become one", "merges + 1", "merges + length // 2")
wrong("run_merges", "thinks that a merge takes one letter away", "length // 2", "length - 1")

# -- table_bytes ------------------------------------------------------------------------------------------------------

wrong("table_bytes", "forgets the special tokens", " + 3", "")
wrong("table_bytes", "counts one table", "2 * (256", "(256")
wrong("table_bytes", "forgets the 256 bytes", "256 + ", "")
wrong("table_bytes", "counts numbers, not bytes", " * 4", "")
wrong("table_bytes", "counts eight bytes a number", "128 * 4", "128 * 8")
