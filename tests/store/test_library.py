from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from store.library import Hit, Library, LibraryError, default_data, middle
from store.matrix import Matrix
from tests.fakes import FakeSpace
from tests.media import makers
from tests.store.spaces import PictureSpace

Open = Callable[..., Library]


def titles(hits: list[Hit]) -> list[str]:
    return [hit.title for hit in hits]


def test_words_find_pictures_and_sounds(library: Library, folder: Path) -> None:
    library.add([folder])
    assert titles(library.search("red"))[0] == "red"
    assert titles(library.search("a low hum"))[0] == "low"
    assert titles(library.search("high", "audio", 1)) == ["high"]
    assert {hit.modality for hit in library.search("high", "image")} == {"image"}
    scores = [hit.score for hit in library.search("blue")]
    assert scores == sorted(scores, reverse=True)
    assert len(library.search("red", k=2)) == 2
    assert library.search("red", k=0) == []


def test_a_hit_is_plain_json(library: Library, folder: Path) -> None:
    library.add([folder])
    hit = library.search("high", "audio", 1)[0].as_dict()
    assert list(hit) == [
        *("id", "score", "modality", "title", "path", "start", "end", "sure"),
        *("place", "text", "exact"),
    ]
    assert json.loads(json.dumps(hit)) == hit
    assert (hit["start"], hit["end"]) in {(0, 10), (5, 15), (10, 20), (13, 23)}
    assert library.search("red", "image", 1)[0].start is None


def test_windows_of_one_sound_are_one_hit(library: Library, tmp_path: Path) -> None:
    noise = makers.tone(110, 60)
    noise[30 * 44_100 : 35 * 44_100] = makers.tone(4000, 5, level=0.9)
    makers.write_sound(tmp_path / "long.wav", noise)
    makers.make_tone(tmp_path / "other.wav", 500)
    library.add([tmp_path / "long.wav", tmp_path / "other.wav"])
    hits = library.search("high", k=2)
    assert titles(hits) == ["long", "other"]
    assert hits[0].start is not None
    assert hits[0].start <= 30
    assert hits[0].end is not None
    assert hits[0].end >= 35
    assert library.stats().segments["audio"] == 12


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_query_is_refused_in_a_sentence(library: Library, text: str) -> None:
    with pytest.raises(LibraryError, match="query is empty"):
        library.search(text)


@pytest.mark.parametrize("text", ["red " * 2500, "红色的猫", "🐈", "\ud800", "a\0b"])
def test_odd_queries_are_answered(library: Library, folder: Path, text: str) -> None:
    assert library.search(text) == []
    library.add([folder])
    assert len(library.search(text)) == 5


def test_a_vector_that_is_none_is_refused(library: Library, folder: Path) -> None:
    library.add([folder])
    for vector in (np.zeros(16), np.full(16, np.nan), np.ones(3)):
        with pytest.raises(LibraryError, match="cannot be searched for"):
            library.nearest(vector)
    with pytest.raises(LibraryError, match='no medium "smell"'):
        library.search("red", "smell")


def test_a_lone_item_has_a_finite_modest_score(library: Library, folder: Path) -> None:
    library.add([folder / "red.jpg"])
    right, wrong = library.search("red")[0].score, library.search("low")[0].score
    assert -5 < wrong < right < 5


def test_similar_by_item_leaves_it_out(library: Library, folder: Path) -> None:
    makers.make_jpeg(folder / "also red.jpg", (250, 5, 5))
    report = library.add([folder])
    red = next(item for item in report.added if item.title == "red")
    assert titles(library.similar(red.id))[0] == "also red"
    assert red.id not in {hit.id for hit in library.similar(red.id, k=50)}
    with pytest.raises(LibraryError, match="no item nonesuch"):
        library.similar("nonesuch")


def test_similar_by_file_or_medium(library: Library, folder: Path, tmp_path: Path) -> None:
    from media import open_media

    library.add([folder])
    makers.make_jpeg(tmp_path / "query.jpg", (10, 10, 250))
    assert titles(library.similar(tmp_path / "query.jpg"))[0] == "blue"
    makers.make_tone(tmp_path / "query.flac", 2900, 31)
    assert titles(library.similar(tmp_path / "query.flac", "audio"))[0] == "high"
    with open_media(tmp_path / "query.jpg") as opened:
        assert titles(library.similar(opened))[0] == "blue"
    assert library.count() == 5
    (tmp_path / "words.jpg").write_text("words")
    for path in (tmp_path / "words.jpg", tmp_path / "not there.jpg"):
        with pytest.raises(LibraryError, match=path.name):
            library.similar(path)


def test_similar_by_a_medium_the_space_lacks(open_library: Open, folder: Path) -> None:
    library = open_library(PictureSpace())
    with pytest.raises(LibraryError, match="cannot embed audio"):
        library.similar(folder / "sounds" / "low.wav")


def test_items_counts_and_stats(library: Library, folder: Path) -> None:
    report = library.add([folder])
    assert library.count() == 5
    assert (library.count("image"), library.count("audio")) == (3, 2)
    newest = library.items()
    assert [item.id for item in newest] == [item.id for item in report.added][::-1]
    assert library.items(offset=1, limit=2) == newest[1:3]
    assert library.items(newest_first=False) == newest[::-1]
    assert {item.modality for item in library.items("audio")} == {"audio"}
    stats = library.stats()
    assert {name: n for name, n in stats.items.items() if n} == {"image": 3, "audio": 2}
    assert {name: n for name, n in stats.segments.items() if n} == {"image": 3, "audio": 5}
    assert (stats.space, stats.dim) == ("fake", 16)
    assert stats.bytes > 10_000
    picture = next(item for item in newest if item.title == "red")
    assert picture.details == {"width": 96, "height": 64}
    assert library.get(picture.id) == picture
    assert library.get("nonesuch") is None


def test_previews_are_jpeg_and_come_back(library: Library, folder: Path) -> None:
    for item in library.add([folder]).added:
        path = library.preview(item.id)
        with Image.open(path) as preview:
            assert preview.format == "JPEG"
            size = preview.size
        assert max(size) <= 768
        path.unlink()
        with Image.open(library.preview(item.id)) as preview:
            assert preview.size == size
    with pytest.raises(LibraryError, match="no item nonesuch"):
        library.preview("nonesuch")


def test_previews_of_an_older_library(library: Library, folder: Path) -> None:
    item = library.add([folder / "red.jpg"]).added[0]
    path = library.preview(item.id)
    older = path.with_suffix(".webp")
    with Image.open(path) as preview:
        preview.save(older)
    path.unlink()
    assert library.preview(item.id) == older
    library.remove([item.id])
    assert not older.exists()


def test_removal_is_complete(open_library: Open, folder: Path) -> None:
    library = open_library()
    added = {item.title: item for item in library.add([folder]).added}
    original = Path(added["high"].path)
    gone = [added["high"].id, added["red"].id]
    assert library.remove([*gone, "nonesuch", "../../etc/passwd"]) == gone
    assert original.exists()
    assert library.count() == 3
    assert not library.preview(added["low"].id).with_name(f"{gone[0]}.jpg").exists()
    assert {"high", "red"}.isdisjoint(titles(library.search("high red", k=50)))
    assert library.settle()
    library.close()
    library = open_library()
    assert library.count() == 3
    assert {"high", "red"}.isdisjoint(titles(library.search("high red", k=50)))
    assert library.add([folder]).counts == {"added": 2, "present": 3, "skipped": 0}
    assert titles(library.search("high"))[0] == "high"


def test_removing_a_copy_deletes_the_copy_only(library: Library, folder: Path) -> None:
    item = library.add([folder / "red.jpg"], copy=True).added[0]
    assert Path(item.path) == library.data / "media" / f"{item.id}.jpg"
    library.remove([item.id])
    assert list((library.data / "media").iterdir()) == []
    assert (folder / "red.jpg").exists()


def test_all_is_there_after_reopening(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.add([folder])
    before = library.search("red high", k=50)
    library.close()
    library.close()  # harmless
    assert open_library().search("red high", k=50) == before


def test_reopening_shows_the_same_items(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.add([folder], copy=True)
    items = library.items()
    library.close()
    assert open_library().items() == items


def test_a_closed_library_says_so(library: Library) -> None:
    library.close()
    for call in (library.count, lambda: library.search("red"), lambda: library.add([])):
        with pytest.raises(LibraryError, match="has been closed"):
            call()


def test_a_missing_original_is_shown_as_missing(library: Library, folder: Path) -> None:
    item = library.add([folder / "red.jpg"]).added[0]
    assert library.original(item.id) == folder / "red.jpg"
    (folder / "red.jpg").unlink()
    assert library.original(item.id) is None
    missing = library.get(item.id)
    assert missing is not None
    assert missing.missing
    assert titles(library.search("red")) == ["red"]
    assert library.preview(item.id).exists()
    assert library.original("nonesuch") is None


def test_another_space_is_refused_in_a_sentence(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.add([folder / "red.jpg"])
    library.close()
    with pytest.raises(LibraryError, match=r"space fake \(16 dimensions\), not pictures") as error:
        open_library(PictureSpace())
    assert "--space fake" in str(error.value)

    class Wider(FakeSpace):
        dim = 24

    with pytest.raises(LibraryError, match="24"):
        open_library(Wider())

    class Newer(FakeSpace):
        version = "2"

    with pytest.raises(LibraryError, match="another version of the space fake"):
        open_library(Newer())
    library = open_library()
    assert library.count() == 1  # and the lock was let go each time


def test_an_emptied_library_takes_a_new_space(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.remove([item.id for item in library.add([folder]).added])
    library.close()

    class Wider(FakeSpace):
        name, dim = "wider", 24

    library = open_library(Wider())
    library.add([folder])
    assert titles(library.search("red"))[0] == "red"
    assert library.settle()
    library.close()
    assert open_library(Wider()).stats().dim == 24


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="cannot be used"):
        Library(tmp_path / "file", FakeSpace())


def test_a_damaged_catalogue_is_named(open_library: Open, tmp_path: Path) -> None:
    open_library().close()
    (tmp_path / "data" / "catalogue.sqlite3").write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(LibraryError, match=r"catalogue.*cannot be opened.*backup"):
            open_library()


def test_a_newer_format_is_refused(open_library: Open, tmp_path: Path) -> None:
    import sqlite3

    open_library().close()
    connection = sqlite3.connect(tmp_path / "data" / "catalogue.sqlite3")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LibraryError, match="newer Anyfind"):
        open_library()


def test_what_a_killed_process_left_is_swept(open_library: Open, folder: Path) -> None:
    library = open_library()
    item = library.add([folder / "red.jpg"], copy=True).added[0]
    library.close()
    stray = [
        library.data / "previews" / ("0" * 32 + ".jpg"),
        library.data / "media" / ("0" * 32 + ".jpg"),
        library.data / "previews" / f"{item.id}.jpg.123.part",
    ]
    for path in stray:
        path.write_bytes(b"x")
    library = open_library()
    assert all(path.exists() for path in stray)  # closed in order: nobody looks
    library._catalogue.set_meta(state="open")
    library._closing.set()  # as if killed
    library._keeper.close()
    library._lock.release()
    library = open_library()
    assert not any(path.exists() for path in stray)
    assert library.original(item.id) is not None
    assert library.preview(item.id).exists()


@pytest.mark.parametrize("damage", ["delete", "cut rows", "cut vectors", "other bytes", "swap"])
def test_a_damaged_matrix_is_made_again(open_library: Open, folder: Path, damage: str) -> None:
    library = open_library()
    library.add([folder])
    before = library.search("red", k=50)
    library.close()
    vectors = library.data / "vectors"
    (rows,) = vectors.glob("image-*.rows")
    (matrix,) = vectors.glob("image-*.f32")
    if damage == "delete":
        shutil.rmtree(vectors)
    elif damage == "cut rows":
        os.truncate(rows, 20)
    elif damage == "cut vectors":
        os.truncate(matrix, 100)
    elif damage == "other bytes":
        matrix.write_bytes(b"\1" * matrix.stat().st_size)
    else:
        content = rows.read_bytes()
        rows.write_bytes(content[16:] + content[:16])
    assert open_library().search("red", k=50) == before


@pytest.mark.parametrize("damage", ["delete", "cut database", "cut graph", "no graph", "noise"])
def test_a_damaged_index_is_built_anew(
    open_library: Open, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    from store.index import Settings

    options = {"exact_limit": 0, "index": Settings(sync_threshold=2)}
    library = open_library(**options)
    library.add([folder])
    assert library.settle()
    before = library.search("red", k=3)
    library.close()
    (index,) = library.data.glob("index-*")
    graph = max(index.glob("*/*"), key=lambda path: path.stat().st_size)
    if damage == "delete":
        shutil.rmtree(index)
    elif damage == "cut database":
        os.truncate(index / "chroma.sqlite3", 5000)
    elif damage == "cut graph":
        os.truncate(graph, graph.stat().st_size // 2)
    elif damage == "no graph":
        shutil.rmtree(graph.parent)
    else:
        for path in index.glob("*/*"):
            path.write_bytes(b"\xff" * path.stat().st_size)
    steps: list[str] = []
    with caplog.at_level(logging.WARNING, "anyfind.store"):
        library = open_library(progress=lambda what, done, total: steps.append(what), **options)
        assert titles(library.search("red", k=3)) == titles(before)  # nobody waits for it
        assert library.settle()
    assert titles(library.search("red", k=3)) == titles(before)
    assert len(caplog.messages) == 1
    assert "building it anew" in caplog.messages[0]
    assert not index.exists()
    library.close()
    caplog.clear()
    assert len(open_library(**options).search("red", k=3)) == 3
    assert caplog.messages == []


def test_an_index_not_known_to_be_whole_is_never_opened(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.add([folder])
    assert library.settle()
    library._catalogue.set_meta(index_state="written")
    library._keeper._ready = False  # so that closing does not say otherwise
    library.close()
    library = open_library()
    assert library.settle()
    assert [path.name for path in library.data.glob("index-*")] == ["index-2"]


def test_a_clean_library_opens_without_chroma(open_library: Open, folder: Path) -> None:
    library = open_library()
    library.add([folder])
    library.close()
    library = open_library()
    assert titles(library.search("red"))[0] == "red"
    assert library._keeper._thread is None


def test_opening_a_library_loads_nothing_large() -> None:
    code = (
        "import sys, store.library; print(*sorted({'chromadb', 'torch', 'open_clip', "
        "'transformers', 'media', 'PIL', 'av', 'gradio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_a_full_disk_is_told_in_a_sentence(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([folder / "red.jpg"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Matrix, "_append", full)
        with pytest.raises(LibraryError, match="No space left on device"):
            library.add([folder])
    assert library.add([folder]).counts["skipped"] == 0
    assert titles(library.search("low"))[0] == "low"
    library._catalogue._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(LibraryError, match="disk is neither full nor read-only"):
        library.remove([library.items()[0].id])
    library._catalogue._writer.execute("PRAGMA query_only = OFF")


def test_searching_while_adding(library: Library, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    files = tmp_path / "many"
    files.mkdir()
    for number in range(300):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(files / f"{number}.png")
    errors: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                hits = library.search("red", k=5)
                assert len({hit.id for hit in hits}) == len(hits)
                for item in library.items(limit=3):
                    with contextlib.suppress(LibraryError):  # removed this moment
                        library.similar(item.id)
                library.stats()
        except BaseException as error:
            errors.append(error)

    def add(part: int) -> None:
        try:
            library.add(sorted(files.iterdir())[part::2])
            library.remove([item.id for item in library.items(limit=10)])
        except BaseException as error:
            errors.append(error)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    adders = [threading.Thread(target=add, args=(part,)) for part in range(2)]
    for thread in searchers + adders:
        thread.start()
    for thread in adders:
        thread.join()
    done.set()
    for thread in searchers:
        thread.join()
    assert errors == []
    library.add([files])
    assert library.count() == 300
    assert len(library.search("red", k=1000)) == 300


def test_closing_stops_what_is_being_added(open_library: Open, folder: Path) -> None:
    library = open_library()
    started = threading.Event()
    reports = []

    def add() -> None:
        def progress(event: object) -> None:
            started.set()

        reports.append(library.add([folder] * 1, progress=progress))

    thread = threading.Thread(target=add)
    thread.start()
    started.wait(10)
    library.close()
    thread.join()
    assert len(reports) == 1
    assert open_library().count() == reports[0].counts["added"]


def test_the_mean_direction_has_length_one() -> None:
    rows = np.eye(3, dtype=np.float32)[:2]
    assert middle(rows) == pytest.approx([2**-0.5, 2**-0.5, 0])
    assert middle(np.stack([rows[0], -rows[0]])) == pytest.approx(rows[0])


def test_the_data_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANYFIND_DATA", str(tmp_path))
    assert default_data() == tmp_path
    monkeypatch.delenv("ANYFIND_DATA")
    assert "anyfind" in str(default_data())
