"""Duplicates are told from what is merely similar."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from analysis.alignment import (
    FINE,
    Shot,
    Square,
    align_films,
    align_pictures,
    align_sounds,
    align_texts,
    correlation,
    lay_pictures,
    shingles,
    spectrogram,
    worst_part,
)
from analysis.duplicates import (
    _COMPARERS,
    SAME,
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


def face(mouth: str, size: int = 360) -> Image.Image:
    """A smiley: all of them have the same head."""
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 20, size - 20, size - 20), (250, 205, 60), (120, 80, 10), 6)
    for x in (size // 3, 2 * size // 3):
        pen.ellipse((x - 18, 120, x + 18, 170), (60, 40, 20))
    box = (size // 3, 200, 2 * size // 3, 280)
    if mouth == "open":
        pen.ellipse(box, (110, 30, 30))
    else:
        pen.arc(box, *{"glad": (10, 170), "sad": (190, 350)}[mouth], (60, 40, 20), 10)
    return image


def clock(hour: int) -> Image.Image:
    image = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 10, 290, 290), (240, 245, 255), (20, 40, 200), 14)
    for part, length, width in ((0.0, 110, 6), (hour / 12, 70, 12)):
        x, y = np.sin(2 * np.pi * part), -np.cos(2 * np.pi * part)
        pen.line((150, 150, 150 + length * x, 150 + length * y), (20, 20, 20), width)
    return image


def recompressed(image: Image.Image, size: int, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=quality)
    return Image.open(stream)


TEMPLATES = {
    **{f"face {mouth}": face(mouth) for mouth in ("glad", "sad", "open")},
    **{f"clock {hour}": clock(hour) for hour in (3, 4, 10)},
}


def test_drawings_made_from_one_template_do_not_agree_but_their_copies_do() -> None:
    squares = {name: Square(image) for name, image in TEMPLATES.items()}
    for one, other in combinations(squares, 2):
        if one.split()[0] == other.split()[0]:
            laid = lay_pictures(squares[one], squares[other])
            assert laid is not None
            assert laid.whole > 0.75, "as a whole they are much alike"
            assert align_pictures(squares[one], squares[other]) < SAME["image"] - 0.1, (one, other)
    for name, image in TEMPLATES.items():
        for size, quality in ((180, 90), (90, 80), (240, 40), (520, 60)):
            copy = Square(recompressed(image, size, quality))
            assert align_pictures(squares[name], copy) > SAME["image"], (name, size, quality)


def test_the_worst_part_is_what_a_small_difference_is_told_by() -> None:
    whole = scene(7).resize((FINE + 1, FINE))
    image, moved = (whole.crop((x, 0, x + FINE, FINE)) for x in (0, 1))
    brighter = image.point(lambda level: round(20 + 0.8 * level))
    assert worst_part(image, image) == 1
    assert worst_part(image, brighter) > 0.99
    assert worst_part(image, moved) > 0.9
    spotted = image.copy()
    ImageDraw.Draw(spotted).rectangle((40, 40, 52, 52), "white")
    ImageDraw.Draw(spotted).line((40, 46, 52, 46), "black", 4)
    assert correlation(np.asarray(image, float), np.asarray(spotted, float)) > 0.95
    assert worst_part(image, spotted) < 0.5
    grey, darker, red = (
        Image.new("RGB", image.size, colour) for colour in ((90, 90, 90), (88, 88, 88), "red")
    )
    assert worst_part(grey, darker) == 1
    half = grey.copy()
    half.paste(red.crop((0, 0, FINE, FINE // 2)))
    assert worst_part(grey, half) < 0.5


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


def shown(scenes: list[int], *, seconds: float = 3.0, late: float = 0.0) -> list[Shot]:
    """A film of scenes, each seen for so long, whose first `late` seconds are missing."""
    shots = []
    for place, seed in enumerate(scenes):
        start, end = (max(0.0, seconds * at - late) for at in (place, place + 1))
        if end > start:
            shots.append(Shot(Square(scene(seed, (160, 120))), start, end))
    return shots


def test_a_trimmed_film_agrees_and_one_that_has_most_of_its_shots_does_not() -> None:
    film = shown([0, 1, 2, 3, 4, 5])
    assert align_films(film, film) == pytest.approx(1)
    for trimmed in (shown([0, 1, 2, 3, 4]), shown([0, 1, 2, 3, 4, 5], late=4)):
        assert align_films(film, trimmed) > SAME["film"]
        assert align_films(trimmed, film) > SAME["film"]
    for other in (
        [0, 1, 2, 3, 14, 15],
        [10, 1, 12, 3, 14, 5],
        [5, 4, 3, 2, 1, 0],
        [0, 1, 2],  # a part is not the whole
    ):
        assert align_films(film, shown(other)) < SAME["film"] - 0.2, other


def test_a_film_may_look_otherwise_for_a_moment() -> None:
    film = shown([0, 1, 2, 3])
    faded = [
        *film[:2],
        Shot(Square(scene(99, (160, 120))), 6, 7),
        Shot(film[2].square, 7, 9),
        film[3],
    ]
    assert align_films(film, faded) > SAME["film"]
    faded[2:4] = [Shot(faded[2].square, 6, 8), Shot(film[2].square, 8, 9)]
    assert align_films(film, faded) < SAME["film"]


def test_texts_agree_by_their_runs_of_words() -> None:
    words = [f"{letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst"]
    whole = shingles([" ".join(words)])
    assert align_texts(whole, shingles([" ".join(words[:50]).upper() + ",", *words[50:]])) == 1
    assert align_texts(whole, shingles([" ".join(words[:50]), "xa xb xc xd", *words[50:]])) > 0.95
    for trimmed in (words[:90], words[20:], words[5:85]):
        assert align_texts(whole, shingles([" ".join(trimmed)])) == 1
        assert align_texts(shingles([" ".join(trimmed)]), whole) == 1
    assert align_texts(whole, shingles([" ".join(words[:60])])) == 0, "a part is not the whole"
    mistyped = [*words[:40], "mistyped", *words[41:]]
    assert align_texts(whole, shingles([" ".join(mistyped)])) == pytest.approx(93 / 97)
    assert align_texts(whole, shingles([" ".join(reversed(words))])) == 0
    assert align_texts(shingles([]), shingles([])) == 0
    assert shingles(["Two words"]) == {("two", "words")}


def test_forms_that_are_filled_in_otherwise_are_not_the_same() -> None:
    words = [f"{letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst"]
    for one_of in (7, 10):
        other = ["other" if at % one_of == 3 else word for at, word in enumerate(words)]
        agreement = align_texts(shingles([" ".join(words)]), shingles([" ".join(other)]))
        assert agreement < SAME["text"] - 0.1
    bill, due = ([*words[:70], *amounts, *words[70:]] for amounts in (("3", "2024"), ("4", "2025")))
    assert align_texts(shingles([" ".join(bill)]), shingles([" ".join(due)])) < SAME["text"]
    assert align_texts(shingles([" ".join(bill)]), shingles([" ".join(bill[2:])])) == 1
    plain = shingles([" ".join(words)])
    assert align_texts(shingles([" ".join(bill)]), plain) > SAME["text"], "it has none"


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


def test_drawings_made_from_one_template_are_no_group(tmp_path: Path) -> None:
    for name, image in TEMPLATES.items():
        image.save(tmp_path / f"{name}.png")
    recompressed(TEMPLATES["face sad"], 150, 60).save(tmp_path / "face sad small.png")
    recompressed(TEMPLATES["clock 4"], 150, 60).save(tmp_path / "clock 4 small.png")
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([tmp_path])
        groups = find_duplicates(library)
    assert sorted([item.title for item in group.items] for group in groups) == [
        ["clock 4", "clock 4 small"],
        ["face sad", "face sad small"],
    ]


def test_a_film_coded_and_trimmed_is_found_and_one_that_shares_half_its_shots_is_not(
    tmp_path: Path,
) -> None:
    def write(name: str, scenes: list[int], **options: Any) -> None:
        shots = [(scene(seed), 1.0) for seed in scenes]
        makers.make_film(tmp_path / name, shots, **options)

    write("film.mp4", [0, 1, 2, 3, 4, 5], size=(256, 192))
    write("copy.webm", [0, 1, 2, 3, 4], size=(128, 96), rate=15, sound=None)
    write("half.mp4", [0, 1, 2, 13, 14, 15])
    write("mixed.mp4", [3, 0, 5, 1, 4, 2])
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([tmp_path])
        (group,) = find_duplicates(library, "film")
    assert [item.title for item in group.items] == ["film", "copy"]


def test_a_text_in_another_format_is_found_and_a_form_filled_in_otherwise_is_not(
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    words = ["".join(chance.choices("abdegilmnorstu", k=5)) for _ in range(480)]
    parts = [" ".join(words[at : at + 60]) + "." for at in range(0, 480, 60)]
    letter, form = parts[:4], parts[4:]
    makers.make_text(tmp_path / "letter.txt", letter)
    makers.make_text(tmp_path / "trimmed.docx", [*letter[:3], letter[3][:200]])
    other = [word if at % 10 else "other" for at, word in enumerate(words[:240])]
    makers.make_text(tmp_path / "other.html", [" ".join(other)])
    for name, number in (("first", 7), ("second", 9)):
        filled = [f"{name} {number} {part} {number + 100}" for part in form]
        makers.make_text(tmp_path / f"{name}.txt", filled)
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([tmp_path])
        (group,) = find_duplicates(library, "text")
    assert [item.title for item in group.items] == ["letter", "trimmed"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 3, 0)])
def test_all_of_a_group_agree_with_the_one_to_keep(
    order: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each agrees with the next and not with the one after that
    for number in range(4):
        Image.new("RGB", (60 - number, 60), "red").save(tmp_path / f"{number}.png")
    monkeypatch.setitem(
        _COMPARERS,
        "image",
        lambda library: lambda a, b: 1.0 if abs(int(a.title) - int(b.title)) == 1 else 0.0,
    )
    with Library(tmp_path / "data", FakeSpace()) as library:
        for number in order:
            library.add([tmp_path / f"{number}.png"])
        groups = find_duplicates(library)
    assert [[item.title for item in group.items] for group in groups] == [["0", "1"], ["2", "3"]]
    assert [group.agreement for group in groups] == [1, 1]


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
