"""Spaces of one medium through the real commands: a library of texts alone, and one of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from encoders import load_space
from store.evaluation import evaluate
from store.library import Library, LibraryError, Term
from tests.commands import run, run_here
from tests.media import makers

MODEL = "test_resnet.r160_in1k"
WORDS = ["the", "of", "dog", "puppy", "cat", "rocket", "moon", "sea", "ship"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Tiny weights, files of three media, and a cache of its own."""
    place = tmp_path_factory.mktemp("spaces")
    patch = pytest.MonkeyPatch()
    patch.setenv("ANYFIND_CACHE", str(place / "cache"))
    rows = np.random.default_rng(0).standard_normal((len(WORDS), 16))
    rows[WORDS.index("puppy")] = rows[WORDS.index("dog")] + 0.05
    lines = [" ".join([w, *(f"{x:.5f}" for x in row)]) for w, row in zip(WORDS, rows, strict=True)]
    (place / "glove.txt").write_text("\n".join(lines) + "\n", "utf-8")
    torch.manual_seed(5)
    save_file(timm.create_model(MODEL).state_dict(), place / "tiny.safetensors")
    media = place / "media"
    media.mkdir()
    for colour in ("red", "blue", "green"):
        makers.make_jpeg(media / f"{colour} IMG_7.jpg", colour)
    makers.make_tone(media / "tone.wav", 440)
    (media / "pets.txt").write_text("The dog of the sea.", "utf-8")
    (media / "space.txt").write_text("The rocket. The moon.", "utf-8")
    yield place
    patch.undo()


def found(*arguments: str, data: Path) -> list[dict]:
    return json.loads(run(*arguments, "--json", data=data).stdout)


def test_a_library_of_texts(place):
    data, space = place / "texts", f"glove:{place / 'glove.txt'}"
    done = run_here("index", str(place / "media"), "--space", space, data=data)
    assert done.stdout == "2 added, 0 already there, 4 skipped.\n"
    assert "cannot embed image" in done.stderr
    assert "cannot embed audio" in done.stderr
    for words, title in (("puppy", "pets"), ("moon rocket", "space")):
        assert (
            found("search", words, "--space", space, "--no-exact", data=data)[0]["title"] == title
        )
    other = f"word2vec:{place / 'glove.txt'}"
    refused = run_here("search", "puppy", "--space", other, data=data, code=1).stderr
    assert f"--space {space}" in refused
    picture = str(place / "media" / "red IMG_7.jpg")
    assert (
        "cannot embed image"
        in run_here("similar", picture, "--space", space, data=data, code=1).stderr
    )


def test_a_library_of_pictures(place):
    data, space = place / "pictures", f"resnet:{MODEL}={place / 'tiny.safetensors'}"
    done = run_here("index", str(place / "media"), "--space", space, data=data)
    assert done.stdout == "3 added, 0 already there, 3 skipped.\n"
    assert "cannot embed text" in done.stderr
    picture = str(place / "media" / "red IMG_7.jpg")
    assert found("similar", picture, "--space", space, data=data)[0]["title"] == "red IMG_7"
    said = run_here("search", "a cat", "--space", space, data=data, code=1).stderr
    assert "reads no words" in said
    assert said.count("\n") == 1
    with Library(data, load_space(space)) as library:
        assert library.modalities == ["image", "film"]
        named = {hit.title for hit in library.search("IMG_7")}
        assert named == {"red IMG_7", "blue IMG_7", "green IMG_7"}
        assert library.search("IMG_7", "film") == []
        for terms, exact in (
            ([Term("red")], False),
            ([Term("red"), Term(Path(picture), "file")], True),
        ):
            with pytest.raises(LibraryError, match="reads no words"):
                library.find(terms, exact=exact)
        (first, *_) = library.items("image")
        assert first.id not in {hit.id for hit in library.similar(first.id)}
        assert library.find([Term("IMG_7")], k=2, offset=1).more is False
        assert not list((data / "vectors").glob("background-*"))
    with pytest.raises(LibraryError, match="reads no words"):
        evaluate(place / "pairs.csv", load_space(space))
    out = place / "pictures.jsonl"
    files = str(place / "media")
    assert "3 vectors of" in run_here("embed", files, "--space", space, "--out", str(out)).stdout


def test_an_empty_library_of_pictures_finds_nothing(place):
    with Library(
        place / "empty", load_space(f"resnet:{MODEL}={place / 'tiny.safetensors'}")
    ) as one:
        assert one.search("anything") == []
        with pytest.raises(LibraryError, match="empty"):
            one.search(" ")


def test_wrong_names_are_one_sentence(place):
    for name in ("glove:nowhere.txt", "resnet:resnet10t=nowhere.pth"):
        said = run_here("search", "x", "--space", name, data=place / "none", code=1).stderr
        assert said.count("\n") == 1
