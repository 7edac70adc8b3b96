"""Concepts, and two things beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.concepts import Concepts, read_concepts, shared
from analysis.pairing import compare
from analysis.reference import Reference
from analysis.things import read_things
from store.library import Library, LibraryError, Term
from tests.fakes import FakeSpace
from tests.media import makers


class CountingSpace(FakeSpace):
    """Counts how many texts it reads."""

    def __init__(self) -> None:
        self.read = 0

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.read += len(texts)
        return super().encode_texts(texts)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    media = tmp_path / "media"
    media.mkdir()
    for colour in ("red", "blue", "#00ff00", "white"):
        for width in (64, 96):
            makers.make_picture(media / f"{colour.strip('#')} {width}.png", colour, (width, 64))
    with Library(tmp_path / "data", CountingSpace()) as opened:
        opened.add([media])
        yield opened


def item(library: Library, title: str) -> Term:
    return Term(next(i.id for i in library.items(limit=99) if i.title == title), "item")


def test_the_vocabulary_says_everything_once() -> None:
    names = read_concepts()
    assert 1_000 < len(names) < 3_000
    assert len({name.lower().rstrip("s") for name in names}) == len(names)
    assert {"meals", "musical instruments", "cats"} <= set(names)
    assert "cat" not in names, "it is one with cats"
    assert not any(name.startswith(("a ", "an ")) for name in names)


def test_the_vocabulary_is_encoded_once(library: Library) -> None:
    things = read_things(library, [item(library, "red 64")])
    Concepts(library, Reference(library)).strengths(things[0])
    before = library.space.read
    Concepts(library, Reference(library)).strengths(things[0])
    assert library.space.read == before
    assert list((library.data / "vectors").glob("concepts-*.npy"))


def test_things_call_up_their_concepts(library: Library) -> None:
    concepts = Concepts(library, Reference(library))
    (red, blue, word) = read_things(
        library, [item(library, "red 64"), item(library, "blue 64"), Term("red things")]
    )
    for thing, colour in [(red, "red things"), (blue, "blue things"), (word, "red things")]:
        strengths = concepts.strengths(thing)
        assert concepts.names[int(strengths.argmax())] in (colour, colour.split()[0])
    strongest = concepts.strongest(concepts.strengths(red), ["A red thing"], 3)
    assert len(strongest) <= 3
    assert "red things" not in dict(strongest), "needs no saying"
    assert concepts.strongest(np.full(len(concepts.names), -1.0)) == []


def test_shared_is_what_each_has_to_do_with() -> None:
    strengths = [np.array([3.0, 5.0, 2.0, -1.0]), np.array([3.0, 0.2, 4.0, -2.0])]
    np.testing.assert_allclose(shared(strengths), [3.0, 0.0, 2.5, 0.0])


def test_two_reds_are_nearer_than_red_and_blue(library: Library) -> None:
    terms = [item(library, title) for title in ("red 64", "red 96", "blue 64")]
    red, other, blue = read_things(library, terms)
    same, apart = compare(library, red, other), compare(library, red, blue)
    assert same.nearer is not None
    assert apart.nearer is not None
    assert same.nearer > 0.8 > apart.nearer
    assert same.pairs == 8 * 8 - 2 * 8, "neither a picture beside itself, nor its double"
    back = compare(library, blue, red)
    assert (back.left, back.right) == (apart.right, apart.left)
    assert (back.nearer, back.shared) == (apart.nearer, apart.shared)
    assert any("red" in name for name, _ in apart.left)
    assert any("blue" in name for name, _ in apart.right)


def test_words_are_measured_by_everyday_words(library: Library) -> None:
    found = compare(library, *read_things(library, [Term("red"), Term("red sky")]))
    assert found.pairs > 100_000
    told = found.as_dict(*read_things(library, [Term("red"), Term("red sky")]))
    assert (told["left"], told["right"], told["media"]) == ("red", "red sky", ["words", "words"])


def test_without_enough_pairs_no_share_is_told(tmp_path: Path) -> None:
    makers.make_picture(tmp_path / "a.png", "red", (64, 64))
    with Library(tmp_path / "data", FakeSpace()) as library:
        things = read_things(library, [Term(tmp_path / "a.png", "file")] * 2)
        found = compare(library, *things)
        assert (found.nearer, found.pairs) == (None, 0)


def test_a_space_without_words_has_no_concepts(library: Library, monkeypatch) -> None:
    monkeypatch.setattr(library.space, "reads_text", False, raising=False)
    things = read_things(library, [item(library, "red 64"), item(library, "blue 64")])
    found = compare(library, *things)
    assert found.nearer is not None
    assert found.shared == found.left == found.right == []
    with pytest.raises(LibraryError, match="reads no words"):
        read_things(library, [Term("red")])
