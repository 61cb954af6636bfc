"""What is true of tokenizers: what goes in comes out, whoever cut it, and others' libraries say the same."""

import copy
import json
import os
import pickle
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch as tt
from tinytorch.datasets import data_root
from tinytorch.tokenization import (
    BYTE_IDS,
    BYTES,
    LETTERS,
    LONG,
    SPACES,
    BytePairTokenizer,
    CharTokenizer,
    PairTable,
    WordCache,
    character_ranges,
    count_pairs,
    encode_long_word,
    encode_word,
    learn_merges,
    merge_pair,
    merged_tokens,
    one_or_more,
    spell,
    split_specials,
    split_words,
    stream_words,
    text_slices,
    unspell,
    word_pattern,
    wordpiece,
)

SPECIALS = ("<|endoftext|>", "<|end|>", "<|end|>x")
ATOMS = [
    *SPECIALS, "<|end", "<|", "|>", "hello", "Hello", "don't", "DON'T", "'", "'r", "'re", "'s", "é", "e\u0301",
    "日本語", "😀", "👩\u200d👩\u200d👧", "🇩🇪", "नमस्ते", "עברית", "العربية", "ß", "İ", "_", "__", "123", "²", "Ⅷ",
    "٣", "½", "…", "«", "ĠĊ", "\U0010ffff", "\u200b", "\ufeff", " ", "  ", "\t", "\n", "\n\n ", "\r\n", "\0",
    "\x1c", "\x1f", "\x7f", "\x85", "\xa0", "\u2028", "\u3000",
]  # fmt: skip
SAMPLE = " ".join(random.Random(0).choices(["low", "lower", "newest", "widest", *ATOMS], k=4000))
CHARACTERS = [
    chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")
]  # those that this Python's Unicode knows

adversarial = st.lists(st.sampled_from(ATOMS) | st.sampled_from(CHARACTERS), max_size=30).map("".join)
quick = settings(max_examples=200, deadline=None)
few = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def tokenizer():
    return BytePairTokenizer.train(SAMPLE, 700, SPECIALS)


@pytest.fixture(scope="module")
def theirs(tokenizer, tmp_path_factory):
    """Hugging Face's tokenizer, from the file that ours has written."""
    tokenizers = pytest.importorskip("tokenizers")
    path = tmp_path_factory.mktemp("theirs") / "tokenizer.json"
    tokenizer.save(path)
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.fixture(scope="module")
def tiktoken(tokenizer):
    tiktoken = pytest.importorskip("tiktoken")
    gpt2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    special = set(tokenizer.specials.values())
    ranks = {token: i for i, token in enumerate(tokenizer.tokens) if i not in special}
    return tiktoken.Encoding("ours", pat_str=gpt2, mergeable_ranks=ranks, special_tokens=tokenizer.specials)


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted(min(place, len(text)) for place in places)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)])]


# -- characters ----------------------------------------------------------------------------------------------------


def test_characters_in_the_order_of_their_code_points():
    tokenizer = CharTokenizer("zebra 😀é\n")
    assert tokenizer.characters == sorted("zebra 😀é\n") and len(tokenizer) == 9
    assert tokenizer.encode("a\n") == [tokenizer.ids["a"], 0] and tokenizer.encode("") == []
    assert tokenizer.decode(np.array([0, 1])) == "\n " and tokenizer.decode([]) == ""
    assert tokenizer.decode(tt.tensor([0, 1])) == "\n "


@few
@given(st.text(min_size=1))
def test_characters_come_back(text):
    tokenizer = CharTokenizer(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match=r"'é' is none of the 2 characters 'ab': make a tokenizer of a text that has"):
        CharTokenizer("ab").encode("aé")


# -- words ---------------------------------------------------------------------------------------------------------

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def test_the_classes_are_those_of_unicodedata_for_every_character():
    (near, far), (one, other) = character_ranges("L"), character_ranges("N")
    letter, number = re.compile(one_or_more(f"[{near}]", f"[{far}]")), re.compile(one_or_more(f"[{one}]", f"[{other}]"))
    every = [chr(code) for code in range(0x110000)]
    kinds = [unicodedata.category(character)[0] for character in every]
    assert [c for c, kind in zip(every, kinds) if bool(letter.match(c)) != (kind == "L")] == []
    assert [c for c, kind in zip(every, kinds) if bool(number.match(c)) != (kind == "N")] == []


def test_each_character_alone_is_cut_as_by_the_regex_package():
    theirs = pytest.importorskip("regex").compile(GPT2)
    for form in ("{}", "a{}b", "1 {}{} 2", ".{}"):
        texts = [form.format(*2 * [character]) for character in CHARACTERS]
        assert [text for text in texts if word_pattern().findall(text) != theirs.findall(text)] == []


def test_spaces_are_those_of_the_regex_package():
    theirs = pytest.importorskip("regex").compile(r"\s")
    space = re.compile(f"[{SPACES}]")
    assert [c for c in map(chr, range(0x110000)) if bool(space.match(c)) != bool(theirs.match(c))] == []


@quick
@given(adversarial)
def test_a_text_is_cut_as_by_the_regex_package(text):
    assert split_words(text) == pytest.importorskip("regex").findall(GPT2, text)
    assert "".join(split_words(text)) == text


@quick
@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_pattern_is_the_same_for_ascii(text):
    assert word_pattern(ascii_only=True).findall(text) == word_pattern().findall(text)


def test_nothing_is_built_at_import():
    code = "import tinytorch.tokenization as t; assert t.word_pattern.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True, env=child())


def child() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(tt.__file__).parents[1])}


# -- learning ------------------------------------------------------------------------------------------------------

small_words = st.lists(st.tuples(st.lists(st.integers(0, 2), max_size=9), st.integers(1, 4)), max_size=6)


@quick
@given(small_words, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6))
def test_the_table_counts_as_if_all_were_counted_anew(given_words, merges):
    table = PairTable([word for word, _ in given_words], [count for _, count in given_words])
    expected, new = [list(word) for word, _ in given_words], 3
    for pair in merges:
        counted = count_pairs(expected, table.counts)
        best = min(counted, key=lambda p: (-counted[p], p), default=None)
        assert table.most_frequent() == best
        assert {p: n for p, n in table.pairs.items() if n} == counted
        if pair in counted and new not in pair:
            table.merge(pair, new)
            expected, new = [merge_pair(word, pair, new) for word in expected], new + 1
            assert table.words == expected


def naive(words, counts, size):
    """Count everything anew for every merge."""
    merges = []
    while 256 + len(merges) < size and (counted := count_pairs(words, counts)):
        pair = min(counted, key=lambda p: (-counted[p], p))
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@quick
@given(small_words, st.integers(256, 275))
def test_training_is_the_naive_one(given_words, size):
    words, counts = [word for word, _ in given_words], [count for _, count in given_words]
    before = copy.deepcopy(words)
    assert learn_merges(words, counts, size) == naive(words, counts, size)
    assert words == before


def hugging_face(text: str, size: int, specials=()):
    tokenizers = pytest.importorskip("tokenizers")
    level = tokenizers.pre_tokenizers.ByteLevel
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer, theirs.decoder = level(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=level.alphabet(), show_progress=False
    )
    theirs.train_from_iterator([text], trainer)
    return theirs


@quick
@given(
    st.lists(st.text("ab", min_size=1, max_size=12) | st.text("aé😀", min_size=1, max_size=6), max_size=30),
    st.integers(256, 330),
)
def test_training_is_hugging_faces_ties_and_all(pieces, size):
    text = " ".join(pieces)
    ours, theirs = BytePairTokenizer.train(text, size), json.loads(hugging_face(text, size).to_str())["model"]
    spelled = [spell(token) for token in ours.tokens]
    assert [[spelled[left], spelled[right]] for left, right in ours.merges] == theirs["merges"]
    assert {text: i for i, text in enumerate(spelled)} == theirs["vocab"]


@quick
@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=12), max_size=6))
def test_no_two_pairs_make_one_token(given_words):
    tokens = merged_tokens(learn_merges(given_words, [1] * len(given_words), 999))
    assert len(set(tokens)) == len(tokens)


def test_ties_go_to_the_smallest_ids():
    assert learn_merges([[5, 6], [3, 9], [3, 8]], [1, 1, 1], 257) == [(3, 8)]
    assert learn_merges([[5, 6], [3, 9], [3, 8]], [2, 1, 1], 258) == [(5, 6), (3, 8)]


def test_words_of_one_letter_and_none_leave_nothing_to_learn():
    assert learn_merges([], [], 999) == [] and learn_merges([[1], []], [5, 5], 999) == []
    assert BytePairTokenizer.train("", 999).merges == [] and len(BytePairTokenizer.train("a", 999)) == 256


def test_words_that_stand_nowhere_have_nothing_to_learn():
    assert learn_merges([[1, 2], [3, 4]], [0, 1], 300) == [(3, 4)]


def test_special_tokens_in_a_text_are_not_learned_from():
    text, special = "one<|endoftext|>two ", "<|endoftext|>"
    learned = BytePairTokenizer.train(text * 10, 300, [special])
    words = [word.encode().translate(BYTE_IDS) for word in ("one", "two", " one", " ")]
    assert learned.merges == learn_merges(words, [1, 10, 9, 1], 299) != []
    assert learned.specials == {special: len(learned) - 1} and not any(b"|" in t for t in learned.tokens[256:-1])


@few
@given(st.lists(st.integers(0, len(SAMPLE)), max_size=20))
def test_a_text_in_chunks_is_learned_as_a_whole(tokenizer, places):
    learned = BytePairTokenizer.train(iter(cut(SAMPLE, places)), 700, SPECIALS)
    assert (learned.tokens, learned.merges) == (tokenizer.tokens, tokenizer.merges)


@pytest.mark.parametrize("size", [0, 255, 258])
def test_a_vocabulary_too_small_for_the_bytes_is_refused(size):
    with pytest.raises(
        ValueError, match=f"smallest vocabulary has 259, 256 bytes and 3 special tokens; got size {size}"
    ):
        BytePairTokenizer.train("text", size, SPECIALS)
    assert len(BytePairTokenizer.train("text", 259, SPECIALS)) == 259


@pytest.mark.parametrize("specials", ["<|end|>", [""], ["<a>", "<a>"], [3], ["a"], ["\ud800"]])
def test_what_cannot_be_special_is_refused(specials):
    with pytest.raises(ValueError, match=r"special tokens are|cannot be special|surrogate"):
        BytePairTokenizer.train("text", 300, specials)


# -- encoding and decoding -----------------------------------------------------------------------------------------


@quick
@given(st.binary(max_size=60))
def test_any_bytes_come_back(tokenizer, data):
    assert tokenizer.decode_bytes(tokenizer.encode(data)) == data


def test_every_byte_and_every_two_come_back(tokenizer):
    for data in (bytes(range(256)), bytes(n for pair in np.ndindex(256, 256) for n in pair)):
        assert tokenizer.decode_bytes(tokenizer.encode(data)) == data


@quick
@given(adversarial)
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert all(type(i) is int for i in ids)
    assert tokenizer.decode(ids) == text == tokenizer.decode(np.array(ids, np.uint16))
    assert tokenizer.decode(tokenizer.encode(text, special=False)) == text
    assert tokenizer.encode(text.encode()) == ids


@quick
@given(adversarial)
def test_encoding_is_hugging_faces(tokenizer, theirs, text):
    assert tokenizer.encode(text) == theirs.encode(text).ids


@quick
@given(adversarial)
def test_encoding_is_tiktokens(tokenizer, tiktoken, text):
    assert tokenizer.encode(text) == tiktoken.encode(text, allowed_special="all")
    assert tokenizer.encode(text, special=False) == tiktoken.encode_ordinary(text)


@quick
@given(st.lists(st.integers(0, 699), max_size=30))
def test_decoding_is_theirs(tokenizer, theirs, tiktoken, ids):
    ids = [i for i in ids if i < len(tokenizer)]
    assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=False) == tiktoken.decode(ids)


@quick
@given(st.lists(st.integers(0, 699), max_size=30))
def test_a_streaming_decoder_gives_the_same(tokenizer, ids):
    ids = [i for i in ids if i < len(tokenizer)]
    pieces = list(tokenizer.decode_stream(iter(ids)))
    assert "".join(pieces) == tokenizer.decode(ids) and "" not in pieces


def test_a_streaming_decoder_holds_back_what_is_incomplete():
    tokenizer = BytePairTokenizer(BYTES, [])
    ids, told = tokenizer.encode("a😀b"), []
    stream = tokenizer.decode_stream(told.append(i) or i for i in ids)
    assert (next(stream), len(told)) == ("a", 1) and (next(stream), len(told)) == ("😀", 5)
    assert list(tokenizer.decode_stream(ids[:3])) == ["a", "\ufffd"]


@pytest.mark.parametrize("ids", [[-1], [0, 700], [10**30], np.array([-1])])
def test_an_id_that_is_none_is_named(tokenizer, ids):
    for call in (tokenizer.decode, tokenizer.decode_bytes, lambda ids: list(tokenizer.decode_stream(ids))):
        with pytest.raises(
            ValueError, match=rf"id {ids[-1]} is not in the vocabulary: it has ids 0\.\.{len(tokenizer) - 1}"
        ):
            call(ids)
    with pytest.raises(ValueError, match=r"id -1 is not in the vocabulary: it has ids 0\.\.1"):
        CharTokenizer("ab").decode([-1])


@pytest.mark.parametrize("ids", [[1.0], ["1"], np.zeros((2, 2), int), [None]])
def test_ids_are_whole_numbers(tokenizer, ids):
    with pytest.raises(TypeError):
        tokenizer.decode(ids)


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "x" * 70_000 + "\ud83d\ude00"])
def test_half_a_surrogate_pair_is_refused(tokenizer, text):
    for call in (tokenizer.encode, lambda text: list(tokenizer.encode_stream([text]))):
        with pytest.raises(ValueError, match=r"is half a surrogate pair, and no character: .* mends that"):
            call(text)
    with pytest.raises(ValueError, match="surrogate"):
        BytePairTokenizer.train(text, 300)
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tokenizer.decode(tokenizer.encode(mended)) == mended


@pytest.mark.parametrize("text", [None, 3, ["a"], np.array(["a"])])
def test_text_is_a_str(tokenizer, text):
    with pytest.raises(TypeError, match="text is a str, got"):
        tokenizer.encode(text)


@few
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.data())
def test_long_words_are_encoded_as_short_ones(word, data):
    """Whatever the order of the merges: a file may list (ab, c) before (a, b)."""
    tokens, pairs = [b"a", b"b", b"c", b"d"], {}
    for _ in range(data.draw(st.integers(1, 12))):
        pair = data.draw(st.tuples(*2 * [st.integers(0, len(tokens) - 1)]))
        token = tokens[pair[0]] + tokens[pair[1]]
        tokens += [token] if token not in tokens else []
        pairs[pair] = tokens.index(token)
    order = data.draw(st.permutations(list(pairs)))
    ranks, made = {pair: rank for rank, pair in enumerate(order)}, [pairs[pair] for pair in order]
    assert encode_long_word(word, ranks, made) == encode_word(word, ranks, made)


def test_a_word_of_a_million_letters_has_an_end():
    tokenizer = BytePairTokenizer.train("aaaa " * 3, 258)
    assert [tokenizer.tokens[i] for i in range(256, 258)] == [b"aa", b"aaaa"]
    n = 1 << 20
    assert tokenizer.encode("a" * (n + 3)) == [257] * (n // 4) + [256, tokenizer.byte_ids[97]]
    assert list(tokenizer.encode_stream("a" * n)) == [257] * (n // 4)


def test_long_words_of_letters_are_hugging_faces(tokenizer, theirs):
    for seed in range(20):
        word = "".join(random.Random(seed).choices("lowernsé日", k=LONG + 100 * seed))
        assert tokenizer.encode(word) == theirs.encode(word).ids


# -- streams -------------------------------------------------------------------------------------------------------


@quick
@given(adversarial, st.lists(st.integers(0, 60), max_size=8), st.integers(1, 5))
def test_a_stream_gives_the_same_wherever_it_is_cut(tokenizer, text, places, size):
    chunks = cut(text, places)
    assert list(tokenizer.encode_stream(iter(chunks))) == tokenizer.encode(text)
    for special in (True, False):  # slices as small as this are what a long text is at every border
        assert list(tokenizer.encode_slices(text_slices(chunks, size), special)) == tokenizer.encode(text, special)
    assert [word for found in stream_words(text_slices(chunks, size)) for word in found] == split_words(text)


@quick
@given(st.text("<ab>", max_size=30), st.integers(1, 4))
def test_special_tokens_that_begin_alike(text, size):
    specials = ["<a>", "<a>b", "<", "b<a"]
    expected = re.split("(<a>b|<a>|<|b<a)", text)
    found: dict[int, str] = {}
    for k, part in split_specials(text_slices([text], size), specials):
        found[k] = found.get(k, "") + part
    assert [found[k] for k in sorted(found)] == expected


@few
@given(st.lists(st.text(max_size=9), max_size=9), st.integers(1, 5))
def test_slices_are_the_text(chunks, size):
    found = list(text_slices(chunks, size))
    assert "".join(found) == "".join(chunks)
    assert all(size <= len(text) < 2 * size for text in found[:-1]) and len(found[-1]) < size


def test_a_stream_of_long_chunks_and_short(tokenizer):
    text, rng = SAMPLE * 8, random.Random(1)
    whole = tokenizer.encode(text)
    assert len(text) > 100_000 and tokenizer.decode(whole) == text
    assert list(tokenizer.encode_stream(text)) == whole  # character by character
    assert list(tokenizer.encode_stream(cut(text, [rng.randrange(len(text)) for _ in range(300)]))) == whole


def test_a_stream_is_lazy(tokenizer):
    taken = []
    stream = tokenizer.encode_stream(taken.append(k) or "word " * 10_000 for k in range(100))
    for _ in range(10):
        next(stream)
    assert len(taken) == 1


def test_the_cache_is_bounded():
    cache = WordCache(lambda word: tuple(word.encode()), most=3, longest=4)
    for word in ("a", "b", "longer", "c", "a"):
        assert cache[word] == tuple(word.encode()) and len(cache) <= 3
    assert set(cache) == {"a", "b", "c"}
    assert cache["d"] == (100,) and set(cache) == {"d"}


MEMORY = """
import random, re, sys
from tinytorch.tokenization import BytePairTokenizer
tokenizer = BytePairTokenizer.load(sys.argv[1])
rng = random.Random(0)
lines = [" ".join(rng.choices(["low", "lower", "newest", "widest", "Hello"], k=12)) + "\\n" for _ in range(300)]

def text(size):
    "Nine known lines, and two words that never came before, again and again."
    letters = str.maketrans("0123456789", "ghijklmnop")
    while size > 0:
        new = f"{rng.getrandbits(60):015x} \\u00e9{rng.getrandbits(56):014x}\\n".translate(letters)
        chunk = "".join(rng.choices(lines, k=9)) + new
        size -= len(chunk)
        yield chunk

def peak():
    "Kilobytes, of this process alone: getrusage begins with what the parent had."
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

sum(1 for _ in tokenizer.encode_stream(["\\u00e9"]))  # the pattern is built here
before = peak()
count = sum(1 for _ in tokenizer.encode_stream(text(100_000_000)))
print(count, peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read where Linux tells it")
def test_a_stream_of_a_hundred_megabytes_holds_few(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "tokenizer.json")]
    done = subprocess.run(command, env=child(), capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count > 10_000_000
    assert grown < 16 << 10


# -- files ---------------------------------------------------------------------------------------------------------


def same(one: BytePairTokenizer, other: BytePairTokenizer) -> bool:
    return (one.tokens, one.merges, one.specials) == (other.tokens, other.merges, other.specials)


def test_what_is_saved_comes_back(tokenizer, tmp_path):
    for kind in (tokenizer, BytePairTokenizer(BYTES, []), BytePairTokenizer.train("aaa", 257)):
        kind.save(tmp_path / "tokenizer.json")
        assert same(BytePairTokenizer.load(tmp_path / "tokenizer.json"), kind)
    assert os.listdir(tmp_path) == ["tokenizer.json"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_whole(tokenizer, copied):
    other = copied(tokenizer)
    assert same(other, tokenizer) and other.encode(SAMPLE) == tokenizer.encode(SAMPLE)
    assert other.cache.encode.__self__ is other


def test_the_file_is_what_hugging_face_would_write(tokenizer, theirs, tmp_path):
    tokenizer.save(tmp_path / "ours.json")
    theirs.save(str(tmp_path / "theirs.json"))
    ours = json.loads((tmp_path / "ours.json").read_text("utf-8"))
    again = json.loads((tmp_path / "theirs.json").read_text("utf-8"))
    ours["decoder"].pop("add_prefix_space"), again["decoder"].pop("add_prefix_space")
    assert ours == again


@pytest.mark.parametrize("specials", [(), SPECIALS])
def test_we_read_what_hugging_face_has_trained(specials, tmp_path):
    theirs = hugging_face(SAMPLE, 600, specials)  # its special tokens have the first ids, and all bytes later ones
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = BytePairTokenizer.load(tmp_path / "tokenizer.json")
    assert ours.specials == {special: i for i, special in enumerate(specials)}
    assert ours.encode(SAMPLE) == theirs.encode(SAMPLE).ids
    assert ours.decode_bytes(ours.encode(bytes(range(256)))) == bytes(range(256))


def test_merges_may_be_written_as_texts(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    assert same(BytePairTokenizer.load(tmp_path / "tokenizer.json"), tokenizer)


def test_the_spelling_is_gpt2s():
    assert spell(b" the\n") == "ĠtheĊ" and unspell("ĠtheĊ") == b" the\n"
    assert [LETTERS[byte] for byte in (0, 32, 33, 126, 127, 160, 173, 255)] == [*"ĀĠ!~ġłŃÿ"]
    assert sorted(LETTERS) == list(range(256)) and len(set(LETTERS.values())) == 256
    assert bytes(range(256)).translate(BYTE_IDS) == bytes(BYTES.index(bytes([byte])) for byte in range(256))


def test_the_spelling_is_hugging_faces():
    tokenizers = pytest.importorskip("tokenizers")
    assert sorted(LETTERS.values()) == sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in ("é \n\0", "日本😀", "".join(map(chr, range(256)))):
        assert spell(text.encode()) == level.pre_tokenize_str(text)[0][0]


@pytest.fixture
def gpt2(tokenizer, tmp_path):
    """A vocab.json and a merges.txt as GPT-2 has them: <|endoftext|> is the last token."""
    learned = BytePairTokenizer.train(SAMPLE, 400, ["<|endoftext|>"])
    spelled = [spell(token) for token in learned.tokens]
    vocabulary = {text: i for i, text in enumerate(spelled)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    lines = ["#version: 0.2", *(f"{spelled[left]} {spelled[right]}" for left, right in learned.merges)]
    (tmp_path / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return learned, tmp_path / "vocab.json", tmp_path / "merges.txt"


def test_gpt2s_files(gpt2):
    learned, *paths = gpt2
    assert same(BytePairTokenizer.from_gpt2(*paths), learned)
    paths[1].write_bytes(paths[1].read_bytes().replace(b"\n", b"\r\n"))
    assert same(BytePairTokenizer.from_gpt2(*paths), learned)


def test_gpt2s_files_are_read_as_by_hugging_face(gpt2):
    tokenizers = pytest.importorskip("tokenizers")
    _, *paths = gpt2
    theirs = tokenizers.ByteLevelBPETokenizer(*map(str, paths))
    theirs.add_special_tokens(["<|endoftext|>"])
    assert BytePairTokenizer.from_gpt2(*paths).encode(SAMPLE) == theirs.encode(SAMPLE).ids


def test_a_merge_of_number_signs_is_no_comment(gpt2):
    _, vocabulary, merges = gpt2
    tokenizer = BytePairTokenizer.train("## ", 257)
    vocabulary.write_text(json.dumps({spell(token): i for i, token in enumerate(tokenizer.tokens)}))
    merges.write_text("#version: 0.2\n# #\n")
    assert same(BytePairTokenizer.from_gpt2(vocabulary, merges, specials=[]), tokenizer)


# -- damage --------------------------------------------------------------------------------------------------------


def set_entry(path, value):
    def change(content):
        *places, last = path
        for name in places:
            content = content[name]
        content[last] = value

    return change


def forget(path):
    def change(content):
        *places, last = path
        for name in places:
            content = content[name]
        del content[last]

    return change


MODEL = ("model",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_entry(["model", "type"], "WordPiece"), "model.type is 'WordPiece'"),
        (forget(["model"]), "model.type is None"),
        (set_entry(["normalizer"], {"type": "NFC"}), "normalizer is"),
        (set_entry(["truncation"], {"max_length": 3}), "truncation is"),
        (set_entry(["pre_tokenizer"], None), "pre_tokenizer.type is None"),
        (set_entry(["pre_tokenizer", "add_prefix_space"], True), "pre_tokenizer.add_prefix_space is True"),
        (set_entry(["pre_tokenizer", "use_regex"], False), "pre_tokenizer.use_regex is False"),
        (set_entry(["post_processor"], {"type": "TemplateProcessing"}), "post_processor.type is 'TemplateProcessing'"),
        (set_entry(["model", "dropout"], 0.1), "model.dropout is 0.1"),
        (set_entry(["model", "ignore_merges"], True), "model.ignore_merges is True"),
        (set_entry(["model", "vocab"], []), "model.vocab has to be a table"),
        (set_entry(["model", "merges"], {}), "model.merges a list"),
        (set_entry(["model", "vocab", "a"], 65), "'a' and 'b' both have id 65"),
        (set_entry(["model", "vocab", "a"], -1), "'a' has id -1"),
        (set_entry(["model", "vocab", "a"], 10**9), "'a' has id 1000000000"),
        (set_entry(["model", "vocab", "a"], "64"), "'a' has id '64'"),
        (set_entry(["model", "vocab", "a"], True), "'a' has id True"),
        (set_entry(["model", "vocab", "a"], 1.5), "'a' has id 1.5"),
        (set_entry(["model", "vocab", "日"], 700), "'日' does not spell bytes"),
        (forget(["model", "vocab", "a"]), "has id"),
        (
            set_entry(["model", "merges", 3], ["q", "q"]),
            r"merge 3, b'q' \+ b'q', makes b'qq', which the vocabulary lacks",
        ),
        (set_entry(["model", "merges", 3], ["日", "q"]), r"model.merges\[3\], '日 q', merges '日', which the vocab"),
        (set_entry(["model", "merges", 3], "q"), r"model.merges\[3\] is 'q'"),
        (set_entry(["model", "merges", 3], ["q"]), r"model.merges\[3\] is \['q'\]"),
        (set_entry(["model", "merges", 3], None), r"model.merges\[3\] is None"),
        (set_entry(["model", "merges", 3], [1, 2]), r"model.merges\[3\] is \[1, 2\]"),
        (forget(["model", "merges", 3]), "no merge makes .*, and it is not special"),
        (set_entry(["added_tokens"], [3]), r"added_tokens\[0\] is 3"),
        (set_entry(["added_tokens", 0, "id"], None), r"added_tokens\[0\] is"),
        (set_entry(["added_tokens", 0, "lstrip"], True), r"added_tokens\[0\] is .*lstrip"),
        (set_entry(["added_tokens"], []), "no merge makes b'<"),
    ],
)
def test_a_file_of_another_kind_is_refused(tokenizer, tmp_path, change, says):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    content = json.loads(path.read_text("utf-8"))
    change(content)
    if says == "'日' does not spell bytes":
        content["model"]["vocab"]["日"] = len(content["model"]["vocab"]) - 1
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match=says) as caught:
        BytePairTokenizer.load(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_cut_short_anywhere_is_refused(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"tokenizer.json: the file is damaged"):
            BytePairTokenizer.load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"3", b"[" * 100_000, b'{"a": '])
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"tokenizer.json: (the file is damaged|this has to be a JSON object)"):
        BytePairTokenizer.load(path)
    with pytest.raises(FileNotFoundError, match="none"):
        BytePairTokenizer.load(tmp_path / "none")


def test_gpt2s_files_that_do_not_belong_together_are_refused(gpt2):
    learned, vocabulary, merges = gpt2
    ids, lines = json.loads(vocabulary.read_text("utf-8")), merges.read_text("utf-8").split("\n")

    def refused(path, says, table=ids, rows=lines, **keywords):
        vocabulary.write_text(json.dumps(table), "utf-8")
        merges.write_text("\n".join(rows), "utf-8")
        with pytest.raises(ValueError, match=says) as caught:
            BytePairTokenizer.from_gpt2(vocabulary, merges, **keywords)
        assert str(caught.value).startswith(f"{path}: ")

    last = spell(learned.tokens[-2])
    refused(merges, f"no merge makes .* \\(id {len(ids) - 2}\\)", rows=lines[:-2])
    refused(merges, r"line 5, 'Ġ 日', merges '日', which the vocabulary lacks", rows=[*lines[:4], "Ġ 日", *lines[5:]])
    refused(merges, "line 5 is 'Ġ a b'", rows=[*lines[:4], "Ġ a b", *lines[5:]])
    refused(merges, "line 5 is 'Ġ'", rows=[*lines[:4], "Ġ", *lines[5:]])
    refused(merges, "stands there twice", rows=[*lines[:-1], lines[3]])
    refused(vocabulary, "special token '<x>' is not in it", specials=["<x>"])
    refused(merges, "no merge makes b'<|endoftext|>'", specials=[])
    shorter = {text: i for text, i in ids.items() if text != last and text != "<|endoftext|>"}
    refused(merges, "which the vocabulary lacks", table=shorter, specials=[])
    refused(vocabulary, "has id", table={text: i for text, i in ids.items() if text != "a"})
    refused(
        vocabulary,
        f"'a' and '{last}' both have id" if ids["a"] < ids[last] else "both have",
        table={**ids, last: ids["a"]},
    )
    without = {text: i for i, text in enumerate(text for text in ids if len(text) == 1 and text != "a")}
    refused(merges, "each of the 256 bytes has to be a token, but b'a' is none", table=without, rows=[], specials=[])
    merges.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"merges.txt: the file is damaged: byte 0 is no UTF-8"):
        vocabulary.write_text(json.dumps(ids), "utf-8")
        BytePairTokenizer.from_gpt2(vocabulary, merges)


def test_a_tokenizer_made_by_hand_is_checked():
    with pytest.raises(ValueError, match="each of the 256 bytes has to be a token, but b'!' is none"):
        BytePairTokenizer(BYTES[1:], [])
    with pytest.raises(ValueError, match="id 999 is not in the vocabulary"):
        BytePairTokenizer(BYTES, [(0, 999)])
    with pytest.raises(ValueError, match=r"merge 0, b'!' \+ b'!', makes b'!!', which the vocabulary lacks"):
        BytePairTokenizer(BYTES, [(0, 0)])
    with pytest.raises(ValueError, match=r"no merge makes b'xy' \(id 256\)"):
        BytePairTokenizer([*BYTES, b"xy"], [])
    for i in (256, 257, -1, 0):
        with pytest.raises(ValueError, match=rf"'<y>' is special, but id {i} has other bytes|b'!' is none"):
            BytePairTokenizer([*BYTES, b"<x>"], [], {"<y>": i})


# -- real text -----------------------------------------------------------------------------------------------------


def test_shakespeare_is_learned_and_encoded_as_by_hugging_face():
    path = data_root() / "tinyshakespeare" / "input.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    text = path.read_text("utf-8")
    ours, theirs = BytePairTokenizer.train(text, 1256), hugging_face(text, 1256)
    assert [spell(token) for token in ours.tokens] == [theirs.id_to_token(i) for i in range(1256)]
    assert ours.encode(text) == theirs.encode(text).ids


# -- WordPiece -----------------------------------------------------------------------------------------------------


@quick
@given(
    st.text("abé", min_size=1, max_size=9) | st.text("a", min_size=99, max_size=102),
    st.sets(st.tuples(st.booleans(), st.text("abé", min_size=1, max_size=3)), max_size=12),
)
def test_wordpiece_is_hugging_faces(word, pieces):
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0}
    for begins, text in sorted(pieces):
        vocabulary.setdefault(text if begins else "##" + text, len(vocabulary))
    model = tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    assert wordpiece(word, vocabulary) == [token.value for token in model.tokenize(word)]
