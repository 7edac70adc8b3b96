"""Word vectors as a space: GloVe's and Word2Vec's files, read as gensim reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from encoders import SpaceError, load_space
from encoders.words import SMOOTHING, words_of

WORDS = ["the", "dog", "cat", "puppy", "rocket", "moon", "New_York", "naïve"]
DIM = 12


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYFIND_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def vectors() -> KeyedVectors:
    rows = np.random.default_rng(3).standard_normal((len(WORDS), DIM)).astype(np.float32)
    rows[WORDS.index("puppy")] = rows[WORDS.index("dog")] + 0.1
    known = KeyedVectors(DIM)
    known.add_vectors(WORDS, rows)
    return known


def save(vectors: KeyedVectors, path: Path, form: str) -> str:
    """As gensim writes it; the name of the space."""
    binary, header = form == "binary", form != "glove"
    vectors.save_word2vec_format(str(path), binary=binary, write_header=header)
    return f"{'word2vec' if header else 'glove'}:{path}"


@pytest.mark.parametrize("form", ["glove", "text", "binary"])
def test_a_lone_word_lies_where_its_file_says(tmp_path, vectors, form):
    space = load_space(save(vectors, tmp_path / "vectors", form))
    assert (space.dim, len(space)) == (DIM, len(WORDS))
    rows = space.encode_texts(WORDS)
    assert rows.dtype == np.float32
    expected = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, expected, atol=1e-4 if form != "binary" else 1e-6)


def test_a_zipped_file_is_read_like_a_plain_one(tmp_path, vectors):
    plain = tmp_path / "plain.txt"
    name = save(vectors, plain, "glove")
    zipped = tmp_path / "zipped.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    first, second = load_space(name), load_space(f"glove:{zipped}")
    assert first.version == second.version
    np.testing.assert_array_equal(first.encode_texts(WORDS), second.encode_texts(WORDS))


def test_a_text_is_the_weighted_mean_of_its_words(tmp_path, vectors):
    space = load_space(save(vectors, tmp_path / "vectors", "binary"))
    harmonic = np.log(len(WORDS)) + 0.5772
    weights = SMOOTHING / (SMOOTHING + 1 / (np.array([1, 2]) * harmonic))  # of the, dog
    total = weights @ space.encode_texts(["the", "dog"])
    np.testing.assert_allclose(
        space.encode_texts(["The  dog!"])[0], total / np.linalg.norm(total), atol=1e-5
    )
    near = space.encode_texts(["Puppy"]) @ space.encode_texts(WORDS).T
    assert WORDS[int(near.argmax())] in {"dog", "puppy"}


def test_an_unknown_word_is_like_itself_and_nothing_else(tmp_path, vectors):
    space = load_space(save(vectors, tmp_path / "vectors", "text"))
    rows = space.encode_texts(["Zyzzyva", "zyzzyva", "qwertz", "!?", " "])
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    assert abs(rows[0] @ rows[2]) < 0.95
    assert words_of("it's 3 o’clock") == ["it's", "3", "o’clock"]
    assert space.count_tokens(["The dog", ""]) == [2, 1]


def test_other_media_are_refused_in_a_sentence(tmp_path, vectors):
    space = load_space(save(vectors, tmp_path / "vectors", "glove"))
    with pytest.raises(SpaceError, match="holds words alone"):
        space.encode_images([None])
    with pytest.raises(SpaceError, match="holds words alone"):
        space.encode("audio", [None])


def test_a_later_start_reads_what_the_first_one_wrote(tmp_path, vectors, monkeypatch):
    name = save(vectors, tmp_path / "vectors", "glove")
    first = load_space(name)

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("encoders.words._write", refuse)
    again = load_space(name)
    assert again.version == first.version
    np.testing.assert_array_equal(again.encode_texts(WORDS), first.encode_texts(WORDS))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no word vectors"),
        (b"dog 1 2 3\ncat 1 2\n", "line 2 is not a word and 3 numbers"),
        (b"dog 1 2 three\n", "line 1 is not a word"),
        (b"dog 1 2 nan\n", "not finite"),
        (b"just words here\n", "line 1"),
        (b"\x1f\x8b broken", "cannot be read"),
        (b"2 3\ndog \x00\x01\x02", "ends after 0 of 2 words"),
        (b"a b\ndog \x00\x01\x02", "first line"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path, content, sentence):
    file = tmp_path / "vectors.bin"
    file.write_bytes(content)
    form = "word2vec" if b"\x00" in content else "glove"
    with pytest.raises(SpaceError, match=sentence) as told:
        load_space(f"{form}:{file}")
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "cache" / "words").iterdir()), "nothing half-made is left"


def test_no_file_is_one_sentence(tmp_path):
    for name in ("glove:", f"glove:{tmp_path}", f"word2vec:{tmp_path / 'gone'}"):
        with pytest.raises(SpaceError, match="There is no file"):
            load_space(name)
