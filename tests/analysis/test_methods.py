"""Ways of finding, held to plain arithmetic."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from analysis.methods import (
    ColourHistogram,
    Method,
    Network,
    VisualWords,
    Word2Vec,
    WordCounts,
    WordFile,
    words_of,
)
from store.records import LibraryError
from tests.media import makers

TEXTS = [
    "the dog sleeps and the dog dreams",
    "a dog barks",
    "the cat and the bird",
    "part KX-4417-B is missing",
    "",
]


def counted(name: str, text: str) -> dict[str, float]:
    """What a vector holds, the slow way."""
    own = Counter(words_of(text))
    if name == "onehot":
        own = Counter(set(own))
    total = {}
    for word, count in own.items():
        holders = sum(word in words_of(other) for other in TEXTS)
        rare = math.log((1 + len(TEXTS)) / (1 + holders)) + 1 if name == "tfidf" else 1.0
        total[word] = count * rare
    length = math.sqrt(sum(x * x for x in total.values())) or 1
    return {word: value / length for word, value in total.items()}


@pytest.mark.parametrize("name", ["onehot", "counts", "tfidf"])
def test_counting_words_is_what_it_says(name):
    method = WordCounts(name)
    method.fit(TEXTS)
    query = "the dog and the dog"
    asked = counted(name, query)
    row = method.ask(query, 10)
    assert dict(method.terms(row.vector)) == pytest.approx(asked, abs=1e-5)
    expected = {}
    for at, text in enumerate(TEXTS):
        other = counted(name, text)
        cosine = sum(value * other.get(word, 0) for word, value in asked.items())
        if cosine > 0:
            expected[at] = cosine
    assert {near.place: near.score for near in row.near} == pytest.approx(expected, abs=1e-5)
    ordered = sorted(expected.values(), reverse=True)
    assert [near.score for near in row.near] == pytest.approx(ordered, abs=1e-5)
    assert row.filled == 3
    assert row.near[0].why == (("the", "the"), ("dog", "dog"), ("and", "and"))


def test_words_alone_find_codes_and_nothing_else():
    method = WordCounts("tfidf")
    method.fit(TEXTS)
    assert [near.place for near in method.ask("kx-4417-b", 5).near] == [3]
    row = method.ask("puppy", 5)
    assert row.near == ()
    assert row.unknown == ("puppy",)
    assert row.filled == 0


@pytest.mark.parametrize("texts", [[""], ["!!!", "..."], ["one"]])
def test_texts_of_next_to_nothing(texts):
    for method in (WordCounts("onehot"), WordCounts("tfidf"), Word2Vec()):
        method.fit(texts)
        for query in ("one", "", "?"):
            assert len(method.ask(query, 3).near) <= 1


def test_what_is_left_out_is_not_found():
    method = WordCounts("counts")
    method.fit(TEXTS)
    assert [near.place for near in method.ask("dog", 5, without=[1]).near] == [0]


SENTENCES = [
    f"the {animal} {verb} in the {place}"
    for animal in ("dog", "puppy", "cat")
    for verb in ("sleeps", "eats", "plays")
    for place in ("garden", "house")
] + [
    f"the {thing} {verb} on the {way}"
    for thing in ("car", "lorry", "bus")
    for verb in ("drives", "stops", "turns")
    for way in ("road", "bridge")
]


@pytest.fixture(scope="module")
def trained() -> Word2Vec:
    method = Word2Vec()
    method.fit(SENTENCES)
    return method


def test_word2vec_learns_what_is_used_alike(trained):
    scores = trained.rows @ trained.encode(["puppy"])[0]
    animals = [at for at, text in enumerate(SENTENCES[:18]) if "puppy" not in text]
    assert scores[animals].mean() > scores[18:].mean() + 0.5


def test_word2vec_is_the_same_again(trained):
    again = Word2Vec()
    told = []
    again.fit(SENTENCES, lambda *event: told.append(event))
    assert np.array_equal(again.rows, trained.rows)
    assert told[0] == ("Training Word2Vec", 0, 50)
    assert len(told) == 50


def test_a_mean_of_words_weighs_rare_ones_more(trained):
    plain = Word2Vec()
    plain._vectors = trained._vectors
    plain._shares = {"the": 0.5, "dog": 0.001}
    weights = [1e-3 / (1e-3 + 0.5), 1e-3 / (1e-3 + 0.001)]
    mean = weights[0] * trained._vectors["the"] + weights[1] * trained._vectors["dog"]
    expected = mean / np.linalg.norm(mean)
    assert plain.encode(["the dog"])[0] == pytest.approx(expected, abs=1e-5)
    assert not plain.encode(["xyzzy"]).any()
    assert plain.unknown("the xyzzy") == ["xyzzy"]


@pytest.mark.parametrize("kind", ["word2vec.txt", "word2vec.bin", "glove.txt", "glove.txt.gz"])
def test_vectors_are_read_from_files(kind, trained, tmp_path):
    path = tmp_path / kind
    glove = kind.startswith("glove")
    plain = path.with_suffix("") if kind.endswith(".gz") else path
    trained._vectors.save_word2vec_format(
        str(plain), binary=kind.endswith(".bin"), write_header=not glove
    )
    if kind.endswith(".gz"):
        path.write_bytes(gzip.compress(plain.read_bytes()))
    method = WordFile(path)
    method.fit(SENTENCES)
    assert method.rows == pytest.approx(trained.rows, abs=1e-4)
    assert kind in method.title


BROKEN = {
    "empty": b"",
    "words": b"these are words and no numbers\nof any sort\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "short binary": b"100 50\nword " + b"\0" * 20,
    "short text": b"3 3\na 1 2 3\n",
    "ragged": b"a 1 2 3\nb 1 2\n",
    "too wide": b"100 900000\na 1\n",
    "cut.gz": gzip.compress(b"a 1 2 3\n" * 1000)[:-20],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_holds_no_vectors_is_told_in_a_sentence(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(LibraryError, match=name):
        WordFile(path)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "no.txt", tmp_path, Path("~nobody-of-this-name/x"), Path("a\0b")):
        with pytest.raises(LibraryError):
            WordFile(path)


# --- pictures ---------------------------------------------------------------------------------


def drawing(seed: int, size: tuple[int, int] = (200, 160)) -> Image.Image:
    """Rectangles: corners to be found again."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(int(x) for x in random.integers(0, 255, 3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(25):
        x, y, w, h = random.integers(5, 100, 4)
        pen.rectangle((x, y, x + w, y + h), tuple(int(c) for c in random.integers(0, 255, 3)))
    return picture


def test_histogram_is_of_the_colours():
    method = ColourHistogram()
    halves = Image.new("RGB", (10, 10), "red")
    halves.paste((0, 0, 255), (0, 0, 10, 5))
    rows = method.encode([Image.new("RGB", (8, 8), "red"), halves, Image.new("RGB", (8, 8))])
    assert sorted(rows[0])[-1] == pytest.approx(1)  # all in one bin
    red = int(rows[0].argmax())
    assert rows[1][red] == pytest.approx(math.sqrt(0.5))
    assert np.count_nonzero(rows[1]) == 2
    assert rows[0] @ rows[2] == 0
    shade = tuple(int(method.colours()[red][at : at + 2], 16) for at in (1, 3, 5))
    assert shade[0] > 2 * max(shade[1:])


def test_histogram_finds_the_same_colours_and_says_which():
    gallery = [Image.new("RGB", (8, 8), c) for c in ("red", "green", "#f01010")]
    method = ColourHistogram()
    method.fit(gallery)
    row = method.ask(gallery[0], 3, without=[0])
    assert [near.place for near in row.near] == [2]
    assert len(row.near[0].why) == 1


@pytest.fixture(scope="module")
def corners() -> VisualWords:
    method = VisualWords()
    method.fit([drawing(seed) for seed in range(8)])
    return method


def test_corners_find_a_picture_that_is_turned_and_grey(corners):
    for seed in range(8):
        changed = drawing(seed).transpose(Image.Transpose.ROTATE_90).convert("L")
        assert corners.ask(changed, 1).near[0].place == seed


def test_corners_are_the_same_again(corners):
    again = VisualWords()
    again.fit([drawing(seed) for seed in range(8)])
    assert np.array_equal(again.rows, corners.rows)


def test_pictures_without_corners_or_without_a_file(corners, tmp_path):
    flat, tiny = Image.new("RGB", (90, 90), "red"), Image.new("RGB", (3, 3))
    for picture in (flat, tiny, tmp_path / "gone.webp"):
        row = corners.ask(picture, 3)
        assert row.near == ()
        assert row.filled == 0
    broken = tmp_path / "broken.webp"
    broken.write_bytes(b"no picture")
    assert not ColourHistogram().encode([broken, tmp_path]).any()
    alone = VisualWords()
    alone.fit([flat, broken])
    assert alone.ask(drawing(0), 3).near == ()


def test_pictures_are_read_from_files_of_all_sorts(tmp_path):
    makers.make_palette(tmp_path / "palette.png")
    makers.make_transparent(tmp_path / "transparent.png")
    rows = ColourHistogram().encode(sorted(tmp_path.iterdir()))
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1)


def test_the_network_is_what_it_is_given():
    vectors = np.eye(3, dtype=np.float32)
    method: Method = Network("sees", vectors, lambda texts: np.array([[0.6, 0.8, 0]], np.float32))
    method.fit(["a", "b", "c"])
    row = method.ask("x", 3)
    assert [(near.place, near.score) for near in row.near] == [
        (1, pytest.approx(0.8)),
        (0, pytest.approx(0.6)),
    ]
