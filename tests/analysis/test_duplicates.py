"""Duplicates are told from what is merely similar."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from analysis.alignment import (
    Square,
    align_pictures,
    align_sounds,
    align_texts,
    correlation,
    shingles,
    spectrogram,
)
from analysis.duplicates import (
    SAME,
    Forest,
    Stopped,
    find_copies,
    find_duplicates,
    near_pairs,
)
from store.library import Library, LibraryError
from tests.fakes import FakeSpace
from tests.media import makers

RATE = 44_100


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of coloured shapes."""
    chance = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(c) for c in chance.integers(0, 255, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = chance.integers(0, size[0]), chance.integers(0, size[1])
        w, h = chance.integers(10, 80, 2)
        colour = tuple(int(c) for c in chance.integers(0, 255, 3))
        (pen.ellipse if chance.random() < 0.5 else pen.rectangle)((x, y, x + w, y + h), colour)
    return image


def course(seed: int, seconds: float = 3.0) -> np.ndarray:
    """A sound of some tones that come and go."""
    chance = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE), np.float32)
    for _ in range(12):
        start = int(chance.integers(0, len(samples) * 3 // 4))
        part = makers.tone(float(chance.uniform(100, 4000)), float(chance.uniform(0.1, 0.6)), RATE)
        part = part[: len(samples) - start]
        samples[start : start + len(part)] += part
    return samples / np.abs(samples).max()


def changes(image: Image.Image) -> dict[str, Image.Image]:
    width, height = image.size
    return {
        "small": image.resize((width // 2, height // 2)),
        "crop": image.crop((20, 10, width - 30, height - 20)),
        "one side": image.crop((0, 0, width * 85 // 100, height)),
        "bright": ImageEnhance.Brightness(image).enhance(1.1),
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_picture_agrees_and_another_does_not(seed: int) -> None:
    image = scene(seed)
    for kind, other in changes(image).items():
        assert align_pictures(Square(image), Square(other)) > SAME["image"], kind
        assert align_pictures(Square(other), Square(image)) > SAME["image"], kind
    assert align_pictures(Square(image), Square(scene(seed + 50))) < 0.5
    assert align_pictures(Square(image), Square(image.rotate(180))) < 0.5
    red, blue = (Square(Image.new("RGB", (60, 60), colour)) for colour in ("red", "blue"))
    assert align_pictures(red, red) == pytest.approx(1)
    assert align_pictures(red, blue) < SAME["image"]


def test_a_trimmed_or_shifted_sound_agrees_and_another_does_not() -> None:
    sound = course(1)
    own = spectrogram(sound)
    assert own.shape[1] == 32
    silence = np.zeros(RATE // 3, np.float32)
    for changed in (0.3 * sound, sound[RATE // 3 :], np.concatenate([silence, sound])):
        assert align_sounds(own, spectrogram(changed)) > SAME["audio"]
        assert align_sounds(spectrogram(changed), own) > SAME["audio"]
    assert align_sounds(own, spectrogram(course(2))) < 0.6
    assert align_sounds(own, spectrogram(sound[: len(sound) // 2])) == 0, "a part is not the whole"
    assert len(spectrogram(sound[:50])) == 1


def test_texts_agree_by_their_runs_of_words() -> None:
    words = [f"word{number}" for number in range(100)]
    whole = shingles([" ".join(words)])
    assert align_texts(whole, shingles([" ".join(words[:50]).upper() + ",", *words[50:]])) == 1
    assert align_texts(whole, shingles([" ".join(words[:90])])) == pytest.approx(87 / 97)
    assert align_texts(whole, shingles([" ".join(reversed(words))])) == 0
    assert align_texts(shingles([]), shingles([])) == 0
    assert shingles(["Two words"]) == {("two", "words")}


def test_correlation_is_the_plain_one() -> None:
    a, b = np.random.default_rng(0).random((2, 20))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(np.ones(5), np.ones(5)) == 1


def test_near_pairs_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.duplicates.ROWS", 7)
    monkeypatch.setattr("analysis.duplicates.COLUMNS", 11)
    rows = np.random.default_rng(3).standard_normal((60, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    wanted = {
        (min(a, int(b)), max(a, int(b)))
        for a in range(60)
        for b in np.argsort(-cosines[a])[:3]
        if cosines[a, b] >= 0.5
    }
    assert near_pairs(rows, 0.5, 3) == wanted
    assert near_pairs(rows[:1], 0.5) == near_pairs(rows[:0], 0.5) == set()
    with pytest.raises(Stopped):
        near_pairs(rows, 0.5, stopped=lambda: True)


def test_a_forest_joins() -> None:
    forest = Forest(6)
    forest.join(4, 1)
    forest.join(5, 4)
    forest.join(2, 3)
    assert forest.groups() == [[1, 4, 5], [2, 3]]
    assert forest.root(5) == 1


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    media = tmp_path / "media"
    (media / "copies").mkdir(parents=True)
    for seed in range(2):
        scene(seed).save(media / f"scene {seed}.png")
    for kind, image in changes(scene(0)).items():
        image.save(media / "copies" / f"{kind}.png")
    makers.write_sound(media / "tune.wav", course(1))
    makers.write_sound(media / "cut.ogg", course(1)[RATE // 4 :])
    makers.write_sound(media / "other.wav", course(9))
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([media])
        yield library


def test_groups_name_the_best_first(library: Library) -> None:
    groups = find_duplicates(library)
    titles = [[item.title for item in group.items] for group in groups]
    assert [sorted(names) for names in titles] == [
        ["bright", "crop", "one side", "scene 0", "small"],
        ["cut", "tune"],
    ]
    assert titles[0][0] in ("scene 0", "bright")  # both have all the pixels
    assert titles[0][-1] == "small"
    assert titles[1][0] == "tune"
    assert len(find_duplicates(library, "audio")) == 1
    with pytest.raises(LibraryError, match="no medium"):
        find_duplicates(library, "smell")
    with pytest.raises(Stopped):
        find_duplicates(library, stopped=lambda: True)


def test_more_copies_than_neighbours_are_one_group(tmp_path: Path) -> None:
    image = scene(4)
    for number in range(14):
        image.save(tmp_path / f"{number}.jpg", quality=40 + 4 * number)
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([tmp_path])
        (group,) = find_duplicates(library)
        assert len(group.items) == 14


def test_the_same_bytes_in_several_places(library: Library, tmp_path: Path) -> None:
    media = tmp_path / "media"
    assert find_copies(library) == []
    twin = media / "twin.wav"
    twin.write_bytes((media / "tune.wav").read_bytes())
    library.add([media])
    ((item, paths),) = find_copies(library)
    assert item.title == "tune"
    assert paths == [media / "tune.wav", twin]
    assert find_copies(library, "image") == []
    twin.write_bytes(b"something else")
    assert find_copies(library) == []
