"""One query, one vector for each medium: the mean over the medium's wordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from store.library import Library
from store.wordings import encode_queries, read_wordings, space_kind
from tests.fakes import FakeSpace


class Listening(FakeSpace):
    """Remembers what it was asked to read, call by call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        return super().encode_texts(texts)


def test_each_medium_gets_the_mean_of_its_wordings_in_one_call() -> None:
    space = Listening()
    wordings = {"image": ["{}", "a photo of {}"], "audio": ["{}"]}
    found = encode_queries(space, ["red", "a low hum"], wordings)
    assert len(space.calls) == 1
    assert sorted(space.calls[0]) == ["a low hum", "a photo of a low hum", "a photo of red", "red"]
    for modality, templates in wordings.items():
        for row, text in zip(found[modality], ["red", "a low hum"], strict=True):
            each = [FakeSpace().encode_texts([t.replace("{}", text)])[0] for t in templates]
            mean = np.mean(each, axis=0)
            np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)
        assert found[modality].dtype == np.float32


def test_a_text_with_braces_is_no_template() -> None:
    space = Listening()
    encode_queries(space, ["{} {0}"], {"image": ["a photo of {}"]})
    assert space.calls == [["a photo of {} {0}"]]


@pytest.mark.parametrize("name", ["embedded", "ViT-B-32/laion2b_s34b_b79k", "local-dir:/x"])
def test_every_space_has_wordings_with_a_place_for_the_text(name: str) -> None:
    wordings = read_wordings(space_kind(name))
    assert set(wordings) == {"image", "audio", "text"}
    assert all(template.count("{}") == 1 for every in wordings.values() for template in every)


def test_a_query_is_read_once_for_all_media(
    open_library: Callable[..., Library], folder: object
) -> None:
    space = Listening()
    library = open_library(space)
    library.add([folder])
    library.search("red")  # the bank has been read by now
    space.calls.clear()
    wordings = read_wordings("open_clip")
    both = {template.replace("{}", "blue") for each in wordings.values() for template in each}
    pictures, sounds = library.search("blue", "image"), library.search("blue", "audio")
    assert [sorted(call) for call in space.calls] == [sorted(both)]
    everything = library.search("blue")
    assert {hit.id for hit in everything} == {hit.id for hit in [*pictures, *sounds]}
    library.search("green")
    assert len(space.calls) == 2
    assert library.search("blue", "image") == pictures
    assert len(space.calls) == 3


def test_a_space_without_sounds_is_not_asked_for_their_wordings(
    open_library: Callable[..., Library],
) -> None:
    space = Listening()
    space.modalities = frozenset({"image"})
    library = open_library(space)
    library.search("red")
    wordings = read_wordings("open_clip")
    asked = {template.replace("{}", "red") for t in ("image", "text") for template in wordings[t]}
    assert set(space.calls[-1]) == asked
