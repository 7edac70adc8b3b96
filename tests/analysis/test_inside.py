"""What is seen of a vector, and the galleries that ways of finding are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.comparison import Comparison, usual_gallery
from analysis.gallery import gather_passages, gather_pictures, has_passages, read_sentences
from analysis.inside import (
    Block,
    Concepts,
    change_picture,
    change_sound,
    change_words,
    look_inside,
    nearest_concepts,
    reachable,
    read_file,
    read_item,
    read_words,
)
from store.library import Library, LibraryError
from tests.fakes import FakeSpace
from tests.media import makers


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("inside")
    media = folder / "media"
    media.mkdir()
    for colour in ("red", "green", "blue"):
        makers.make_picture(media / f"{colour}.png", colour)
        makers.make_halves(media / f"half {colour}.png", (64 + len(colour), 96))
    makers.make_tone(media / "low.wav", 100, 2)
    for number in range(4):
        lines = [f"Paragraph {number} {at} speaks of red things. " * 12 for at in range(5)]
        (media / f"text {number}.txt").write_text("\n\n".join(lines))
    with Library(folder / "data", FakeSpace()) as opened:
        report = opened.add([media])
        assert not report.skipped
        yield opened


def item(library: Library, title: str):
    return next(one for one in library.items() if one.title == title)


def test_words_as_they_are_seen(library):
    found = look_inside(library, read_words(library, "  red low "), Concepts(library), 5)
    expected = library.space.encode_texts(["red low"])[0]
    assert found.vector == pytest.approx(expected, abs=1e-6)
    assert found.carrying == 2  # two words, each half of it
    assert found.subject.bytes == 7
    assert len(found.concepts) == 5
    assert any("red" in concept.text for concept in found.concepts)
    assert {change.what: change.cosine for change in found.changes}["in capitals"] == (
        pytest.approx(1, abs=1e-5)  # the fake reads small letters
    )
    assert [change.cosine for change in found.changes] == sorted(
        (change.cosine for change in found.changes), reverse=True
    )
    assert found.neighbour is None
    assert [block.name for block in found.blocks] == ["All numbers"]
    assert found.blocks[0].share == pytest.approx(1)
    assert found.as_dict()["vector"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_item_and_its_file_are_the_same(library):
    red = item(library, "red")
    inside = look_inside(library, read_item(library, red.id), Concepts(library))
    file = look_inside(library, read_file(library, Path(red.path)), Concepts(library))
    assert inside.vector == pytest.approx(file.vector, abs=1e-5)
    assert inside.neighbour is not None
    assert inside.neighbour[0].id != red.id
    assert file.neighbour is not None
    assert file.neighbour[0].id == red.id  # the file is not the item
    assert file.neighbour[1] == pytest.approx(1, abs=1e-3)
    assert {"mirrored", "without its colours"} <= {change.what for change in inside.changes}


def test_a_text_is_the_mean_of_its_passages(library):
    text = item(library, "text 0")
    found = look_inside(library, read_item(library, text.id), Concepts(library))
    rows = library.item_vectors(text.id)["text"]
    assert len(found.subject.rows) == len(rows) > 1
    assert found.length == pytest.approx(np.linalg.norm(rows.mean(axis=0)), abs=1e-5)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-5)


def test_a_sound_is_changed_too(library):
    low = item(library, "low")
    found = look_inside(library, read_item(library, low.id), Concepts(library))
    assert {change.what for change in found.changes} == {
        "backwards",
        "a tenth as loud",
        "its first half alone",
        "with noise in it",
    }
    assert found.neighbour is None  # it is the only one


def test_a_file_that_is_gone_cannot_be_changed(library, tmp_path):
    makers.make_tone(tmp_path / "gone.wav", 5000, 1)
    library.add([tmp_path])
    gone = item(library, "gone")
    Path(gone.path).unlink()
    found = look_inside(library, read_item(library, gone.id), Concepts(library))
    library.remove([gone.id])
    assert found.subject.content is None
    assert found.changes == ()
    assert len(found.concepts) == 12


@pytest.mark.parametrize("wrong", ["", "   ", "\n"])
def test_nothing_to_look_into(library, wrong):
    with pytest.raises(LibraryError):
        read_words(library, wrong)
    with pytest.raises(LibraryError):
        read_item(library, "0" * 32)


@pytest.mark.parametrize("odd", ["<b>", "\ud800", "?", "ab\0cd", "🙂" * 50, "x" * 100_000])
def test_odd_words(library, odd):
    look_inside(library, read_words(library, odd), Concepts(library))


def test_concepts_near_to_all_come_later():
    vector = np.array([1, 0], np.float32)
    rows = np.array([[0.9, 0.43589], [0.8, 0.6], [1, 0]], np.float32)
    crowding = np.array([0.9, 0.1, 0], np.float32)
    found = nearest_concepts(vector, ["hub", "own", "Itself"], rows, crowding, 5, "itself")
    assert [concept.text for concept in found] == ["own", "hub"]
    assert found[1].cosine == pytest.approx(0.9)
    assert found[1].corrected == pytest.approx(0.45)


def test_how_crowded_it_is_leaves_the_item_out(library):
    concepts = Concepts(library)
    subject = read_words(library, "red")
    assert not concepts.crowding(subject).any()  # words have no items
    assert not concepts.crowding(read_item(library, item(library, "red").id)).any()  # too few


def test_no_cosine_is_above_what_is_reachable():
    random = np.random.default_rng(0)
    blocks = [Block("a", 0, 3, 0.0), Block("b", 3, 8, 0.0)]
    for _ in range(50):
        one, other = random.standard_normal((2, 8))
        one[3:] *= 0.1
        one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
        assert one @ other <= reachable(one, other, blocks) + 1e-9
    assert reachable(one, one, blocks) == pytest.approx(1)


def test_words_are_changed_as_is_said():
    changed = change_words("a man bites a dog")
    assert changed["its first and last word change places"] == "a dog bites a man"
    assert changed["its words in the order of the alphabet"] == "a a bites dog man"
    assert changed["without the small words"] == "man bites dog"
    assert changed["with “not” before it"] == "not a man bites a dog"
    assert changed["its first half alone"] == "a man"
    assert set(change_words("dog")) == {"in capitals", "with “not” before it"}


def test_pictures_and_sounds_are_changed_as_is_said():
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 0, 0))
    changed = change_picture(picture)
    assert changed["mirrored"].getpixel((3, 0)) == (255, 0, 0)
    assert changed["upside down"].getpixel((0, 1)) == (255, 0, 0)
    assert len(set(changed["without its colours"].getpixel((0, 0)))) == 1
    assert changed["its left half alone"].size == (2, 2)
    assert change_picture(Image.new("RGB", (1, 1)))["its left half alone"].size == (1, 1)
    sound = change_sound(np.array([0.1, 0.2, 0.4, 0.8], np.float32))
    assert sound["backwards"].tolist() == pytest.approx([0.8, 0.4, 0.2, 0.1])
    assert sound["a tenth as loud"].max() == pytest.approx(0.08)
    assert len(sound["its first half alone"]) == 2


# --- galleries --------------------------------------------------------------------------------


def test_passages_keep_their_vectors(library):
    gallery = gather_passages(library)
    assert len(gallery) == gallery.total == library.stats().segments["text"]
    expected = library.space.encode_texts(list(gallery.contents))
    assert gallery.vectors == pytest.approx(expected, abs=1e-5)


def test_a_large_library_is_sampled_from_all_over(library):
    whole, part = gather_passages(library), gather_passages(library, 3)
    assert len(part) == 3
    assert part.total == whole.total
    assert part.contents[0] == whole.contents[0]
    assert part.contents[-1] == whole.contents[-1]
    assert part.vectors == pytest.approx(library.space.encode_texts(list(part.contents)), abs=1e-5)
    assert len(gather_pictures(library, 2)) == 2


def test_pictures_keep_their_items(library):
    gallery = gather_pictures(library)
    assert len(gallery) == 6
    for content, one, vector in zip(gallery.contents, gallery.items, gallery.vectors, strict=True):
        assert content == library.preview(one.id)
        assert vector == pytest.approx(library.item_vectors(one.id)["image"][0])


def test_which_gallery_shows_most(library, tmp_path):
    assert has_passages(library, 8)
    assert not has_passages(library, 1_000)
    assert usual_gallery(library) in ("text", "example")
    with Library(tmp_path / "data", FakeSpace()) as empty:
        assert usual_gallery(empty) == "example"
        for among, what in (("text", "texts"), ("image", "pictures")):
            with pytest.raises(LibraryError, match=what):
                Comparison(empty, among)
        with pytest.raises(LibraryError, match="nonsense"):
            Comparison(empty, "nonsense")


def test_a_row_for_each_method(library):
    comparison = Comparison(library, "example")
    rows = {row.method.name: row for row in comparison.ask("KX-4417-B", 3)}
    assert list(rows) == ["onehot", "counts", "tfidf", "word2vec", "network"]
    sentences = read_sentences()
    for name in ("onehot", "counts", "tfidf"):
        assert "KX-4417-B" in sentences[rows[name].near[0].place]
    told = comparison.as_dict(rows["tfidf"])
    assert told["near"][0]["text"] == sentences[rows["tfidf"].near[0].place]
    assert told["near"][0]["id"] is None


def test_pictures_by_pictures_and_by_words(library):
    comparison = Comparison(library, "image")
    red = item(library, "red")
    query = Image.open(library.preview(red.id)).convert("RGB")
    rows = {row.method.name: row for row in comparison.ask(query, 5, red.id)}
    assert list(rows) == ["colours", "corners", "network"]
    for row in rows.values():
        assert red.id not in {comparison.gallery.items[near.place].id for near in row.near}
    words = {row.method.name: row for row in comparison.ask("red", 1)}
    assert len(words["colours"].vector) == len(words["corners"].vector) == 0
    assert comparison.gallery.items[words["network"].near[0].place].title == "red"


def test_passages_of_the_item_itself_are_left_out(library):
    text = item(library, "text 1")
    comparison = Comparison(library, "text")
    query = library.passages(text.id)[0]
    for row in comparison.ask(query, 100, text.id):
        assert text.id not in {comparison.gallery.items[near.place].id for near in row.near}
        assert row.near
