from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from store import ingest, records
from store.files import safe_suffix
from store.ingest import UnfitVectorError, unit_rows
from store.library import AddEvent, Library
from tests.fakes import FakeSpace
from tests.media import makers
from tests.store.spaces import FaultySpace, HashSpace, PictureSpace

Open = Callable[..., Library]
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX systems")


def paths(report: records.Report, kind: str) -> list[str]:
    return sorted(path.name for path, _ in getattr(report, kind))


def many_pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    files = [folder / f"{number:04}.png" for number in range(count)]
    for file in files:
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file)
    return files


def test_a_report_tells_of_every_file(library: Library, folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "notes.xyz").write_text("not asked for")
    events: list[AddEvent] = []
    report = library.add([folder, folder / "not there.png"], progress=events.append)
    assert report.counts == {"added": 5, "present": 0, "skipped": 2}
    assert {item.title for item in report.added} == {"red", "blue", "00ff00", "low", "high"}
    assert paths(report, "skipped") == ["broken.jpg", "not there.png"]
    assert report.summary() == "5 added, 0 already there, 2 skipped."
    assert [event.done for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert events[-1].total == 7
    assert {event.state for event in events} == {"added", "skipped"}
    assert all((event.item is None) == (event.state == "skipped") for event in events)
    assert all("\n" not in reason for _, reason in report.skipped)


def test_adding_twice_changes_nothing(library: Library, folder: Path) -> None:
    library.add([folder])
    before = library.items(), library.search("red")
    report = library.add([folder, folder / "red.jpg", folder])
    assert report.counts == {"added": 0, "present": 6, "skipped": 0}
    assert (library.items(), library.search("red")) == before


def test_unchanged_files_are_not_even_opened(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([folder])
    monkeypatch.setattr(ingest.media, "open_media", None)
    monkeypatch.setattr(ingest, "hash_file", None)
    assert library.add([folder]).counts == {"added": 0, "present": 5, "skipped": 0}


def test_the_same_bytes_twice_are_one_item(library: Library, folder: Path) -> None:
    for number in range(20):
        shutil.copy(folder / "red.jpg", folder / f"red again {number}.jpg")
    report = library.add([folder])
    assert report.counts == {"added": 5, "present": 20, "skipped": 0}
    assert library.count() == 5
    assert {item.title[:3] for _, item in report.present} == {"red"}
    assert len({item.id for _, item in report.present}) == 1


def test_twins_of_a_broken_file_are_skipped_too(library: Library, tmp_path: Path) -> None:
    makers.BROKEN["cut.png"](tmp_path / "a.png")
    for name in "bcd":
        shutil.copy(tmp_path / "a.png", tmp_path / f"{name}.png")
    report = library.add([tmp_path / f"{name}.png" for name in "abcd"])
    assert report.counts == {"added": 0, "present": 0, "skipped": 4}


def test_a_renamed_file_keeps_its_vector(open_library: Open, folder: Path) -> None:
    library = open_library()
    before = library.add([folder / "red.jpg"]).added[0]
    (folder / "red.jpg").rename(folder / "rose.jpg")
    report = library.add([folder / "rose.jpg"])
    assert report.counts == {"added": 0, "present": 1, "skipped": 0}
    after = library.get(before.id)
    assert after is not None
    assert after.path == str(folder / "rose.jpg")
    assert not after.missing
    assert after.added == before.added
    assert library.search("red")[0].path == after.path
    assert library.settle()
    index = library._keeper._index
    assert index is not None
    stored = index._collections["image"].get([after.id], include=["metadatas"])
    assert stored["metadatas"][0]["path"] == after.path


def test_a_missing_item_comes_back_by_another_known_file(library: Library, folder: Path) -> None:
    shutil.copy(folder / "red.jpg", folder / "twin.jpg")
    item = library.add([folder / "red.jpg", folder / "twin.jpg"]).added[0]
    Path(item.path).unlink()
    library.add([folder])
    assert library.original(item.id) is not None


def test_a_changed_file_replaces_its_item(library: Library, folder: Path) -> None:
    before = library.add([folder / "red.jpg"]).added[0]
    makers.make_jpeg(folder / "red.jpg", (0, 0, 250))
    os.utime(folder / "red.jpg", (1, 1))
    report = library.add([folder / "red.jpg"])
    assert report.counts["added"] == 1
    assert library.get(before.id) is None
    assert [item.id for item in library.items()] == [report.added[0].id]
    assert not (library.data / "previews" / f"{before.id}.jpg").exists()


def test_a_changed_file_leaves_an_item_that_lies_elsewhere_too(
    library: Library, folder: Path
) -> None:
    shutil.copy(folder / "red.jpg", folder / "spare.jpg")
    item = library.add([folder / "red.jpg"]).added[0]
    library.add([folder / "spare.jpg"])
    makers.make_jpeg(folder / "red.jpg", (0, 0, 250))
    os.utime(folder / "red.jpg", (1, 1))
    library.add([folder / "red.jpg"])
    kept = library.get(item.id)
    assert kept is not None
    assert kept.path == str(folder / "spare.jpg")
    assert library.count() == 2


def test_copies_live_in_the_library(library: Library, folder: Path) -> None:
    shutil.copy(folder / "red.jpg", folder / "red.HTML")
    report = library.add([folder / "red.HTML", folder / "sounds" / "low.wav"], copy=True)
    names = {Path(item.path).name for item in report.added}
    assert names == {
        f"{item.id}.{'bin' if item.modality == 'image' else 'wav'}" for item in report.added
    }
    shutil.rmtree(folder)
    for item in report.added:
        assert item.copied
        assert library.original(item.id) is not None


def test_a_copy_mends_a_missing_item(library: Library, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "red.jpg", tmp_path / "upload.jpg")
    item = library.add([folder / "red.jpg"]).added[0]
    (folder / "red.jpg").unlink()
    report = library.add([tmp_path / "upload.jpg"], copy=True)
    assert report.counts["present"] == 1
    (tmp_path / "upload.jpg").unlink()
    original = library.original(item.id)
    assert original is not None
    assert original.parent == library.data / "media"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.jpg", ".jpg"), ("a.SVG", ".bin"), ("a", ".bin"), ("a.html", ".bin"), ("a.p/g", ".bin")],
)
def test_only_plain_suffixes_are_kept(name: str, suffix: str) -> None:
    assert safe_suffix(Path(name)) == suffix


def test_titles_can_be_given(library: Library, folder: Path) -> None:
    titles = {folder / "red.jpg": "A rose", folder / "blue.jpg": "The\nsea"}
    report = library.add([folder], titles=titles)
    assert {"A rose", "The sea", "low"} <= {item.title for item in report.added}


def test_every_good_file_is_added(library: Library, tmp_path: Path) -> None:
    for name, maker in makers.GOOD.items():
        maker(tmp_path / name)
    report = library.add([tmp_path / name for name in makers.GOOD])
    assert report.skipped == []
    assert report.counts["added"] + report.counts["present"] == len(makers.GOOD)


def test_broken_files_leave_the_library_as_it_was(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    library.add([folder])
    before = library.items(), library.search("red", k=50), library.stats().segments
    broken = tmp_path / "broken"
    broken.mkdir()
    for name, maker in makers.BROKEN.items():
        maker(broken / name)
    report = library.add([broken / name for name in makers.BROKEN], copy=True)
    assert report.counts == {"added": 0, "present": 0, "skipped": len(makers.BROKEN)}
    for _, reason in report.skipped:
        assert reason
        assert "\n" not in reason
    assert (library.items(), library.search("red", k=50), library.stats().segments) == before
    assert list((library.data / "media").iterdir()) == []
    assert len(list((library.data / "previews").iterdir())) == 5
    walked = library.add([broken])
    assert walked.counts["added"] == 0


@posix
def test_pipes_and_links_to_nowhere_are_refused(library: Library, tmp_path: Path) -> None:
    makers.make_fifo(tmp_path / "pipe.wav")
    makers.make_dangling(tmp_path / "dangling.jpg")
    makers.make_loop(tmp_path / "loop.jpg")
    report = library.add([tmp_path / name for name in ("pipe.wav", "dangling.jpg", "loop.jpg")])
    assert report.counts["skipped"] == 3


@pytest.mark.parametrize("name", ["a b.png", 'it\'s "quoted".png', "new\nline.png", "😀.png"])
@posix
def test_odd_names_are_fine(library: Library, tmp_path: Path, name: str) -> None:
    makers.make_picture(tmp_path / name)
    item = library.add([tmp_path / name]).added[0]
    assert item.path == str(tmp_path / name)
    assert library.original(item.id) == tmp_path / name
    assert "\n" not in item.title
    assert library.settle()


@posix
def test_names_that_are_no_text_are_fine(library: Library, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        makers.make_picture(path)
    except OSError:
        pytest.skip("this file system wants names that are text")
    item = library.add([path]).added[0]
    assert library.original(item.id) == path
    assert item.title == "caf?"
    assert library.settle()
    assert library.add([path]).counts["present"] == 1


@pytest.mark.parametrize("fault", ["raise", "zero", "nan"])
def test_a_space_that_fails_for_one_item_skips_that_one(
    open_library: Open, folder: Path, fault: str
) -> None:
    library = open_library(FaultySpace(fault))
    report = library.add([folder], copy=True)
    assert paths(report, "skipped") == ["blue.jpg"]
    assert "blue.jpg" in report.skipped[0][1]
    assert report.counts["added"] == 4
    assert len(list((library.data / "previews").iterdir())) == 4
    assert len(list((library.data / "media").iterdir())) == 4


def test_a_medium_the_space_lacks_is_skipped(open_library: Open, folder: Path) -> None:
    library = open_library(PictureSpace())
    report = library.add([folder])
    assert paths(report, "skipped") == ["high.wav", "low.wav"]
    assert "cannot embed audio" in report.skipped[0][1]
    assert library.count() == 3
    assert library.search("red")[0].title == "red"


def test_a_stop_keeps_what_is_done_and_adding_again_goes_on(
    open_library: Open, tmp_path: Path
) -> None:
    files = many_pictures(tmp_path / "many", 200)
    library = open_library(HashSpace())
    stop = threading.Event()

    def progress(event: AddEvent) -> None:
        if event.done == 20:
            stop.set()

    report = library.add(files, progress=progress, stop=stop)
    assert report.stopped
    assert report.summary().endswith("stopped before the end.")
    assert 20 <= report.counts["added"] < 200
    assert library.count() == report.counts["added"]
    again = library.add(files)
    assert again.counts["added"] == 200 - report.counts["added"]
    assert library.count() == 200


def test_what_is_added_is_found_while_a_long_file_is_read(
    open_library: Open, tmp_path: Path
) -> None:
    found = threading.Event()

    class Slow(HashSpace):
        def prepare(self, modality, content):  # type: ignore[no-untyped-def]
            if content.size == (30, 8):
                time.sleep(0.6)  # committed apart from the first, and soon after it
            if content.size == (31, 8):
                assert found.wait(20)
            return super().prepare(modality, content)

    files = [tmp_path / f"{width}.png" for width in (29, 30, 31)]
    for file in files:
        makers.make_picture(file, "red", (int(file.stem), 8))
    library = open_library(Slow())
    reports = []
    adding = threading.Thread(target=lambda: reports.append(library.add(files)))
    adding.start()
    try:
        until = time.monotonic() + 10
        while len(library.search("red")) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(library.search("red")) == 2
    finally:
        found.set()
        adding.join()
    assert reports[0].counts["added"] == 3


def test_an_interrupt_leaves_a_whole_library(open_library: Open, tmp_path: Path) -> None:
    files = many_pictures(tmp_path / "many", 200)

    class Interrupted(HashSpace):
        calls = 0

        def encode(self, modality, prepared):  # type: ignore[no-untyped-def]
            Interrupted.calls += 1
            if Interrupted.calls == 5:
                raise KeyboardInterrupt
            return super().encode(modality, prepared)

    library = open_library(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        library.add(files, copy=True)
    count = library.count()
    assert 0 < count < 200
    assert len(list((library.data / "media").iterdir())) == count
    assert len(list((library.data / "previews").iterdir())) == count
    assert len(library.search("red", k=500)) == count
    library.add(files, copy=True)
    assert library.count() == 200
    assert threading.active_count() < 10


def test_an_error_in_the_callers_progress_is_the_callers(library: Library, folder: Path) -> None:
    def progress(event: AddEvent) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        library.add([folder], progress=progress)
    assert library.add([folder]).counts["skipped"] == 0
    assert library.count() == 5


def test_walking(library: Library, folder: Path) -> None:
    (folder / ".hidden").mkdir()
    makers.make_jpeg(folder / ".hidden" / "a.jpg", (1, 2, 3))
    makers.make_jpeg(folder / ".b.jpg", (1, 2, 4))
    makers.make_jpeg(folder / "c.xyz", (1, 2, 5))
    assert library.add([folder]).counts["added"] == 5
    report = library.add([folder / ".b.jpg", folder / "c.xyz"])  # named: tried
    assert report.counts["added"] == 2


@posix
def test_loops_of_links_are_walked_once(library: Library, folder: Path) -> None:
    (folder / "sounds" / "up").symlink_to(folder)
    (folder / "here").symlink_to(folder / "sounds")
    report = library.add([folder])
    assert report.counts == {"added": 5, "present": 0, "skipped": 0}


def test_the_library_does_not_walk_itself(library: Library, folder: Path) -> None:
    library.add([folder], copy=True)
    assert library.add([library.data.parent]).counts == {"added": 0, "present": 5, "skipped": 0}


@posix
def test_unreadable_files_and_folders_are_reported(folder: Path) -> None:
    user = os.geteuid()
    # not below pytest's own folder, into which nobody but its owner may look
    with tempfile.TemporaryDirectory() as place:
        files = Path(shutil.copytree(folder, Path(place) / "files"))
        if user == 0:  # root may read everything
            for path in (Path(place), files, *files.rglob("*")):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        try:
            (files / "red.jpg").chmod(0)
            (files / "sounds").chmod(0)
            with Library(Path(place) / "data", FakeSpace()) as library:
                report = library.add([files])
            (files / "sounds").chmod(0o700)
        finally:
            os.seteuid(user)
    assert paths(report, "skipped") == ["red.jpg", "sounds"]
    assert report.counts["added"] == 2


def test_a_file_that_changes_while_it_is_read_is_not_added(
    open_library: Open, folder: Path
) -> None:
    class Meddling(FakeSpace):
        def prepare(self, modality, content):  # type: ignore[no-untyped-def]
            os.utime(folder / "red.jpg", (1, 1))
            return super().prepare(modality, content)

    library = open_library(Meddling())
    report = library.add([folder / "red.jpg"])
    assert "changed while it was being read" in report.skipped[0][1]
    assert list((library.data / "previews").iterdir()) == []


def test_a_long_sound_takes_little_memory(open_library: Open, tmp_path: Path) -> None:
    makers.make_tone(tmp_path / "long.wav", 110, 1800, rate=8000)  # 318 MB as it is prepared
    makers.make_jpeg(tmp_path / "red.jpg")

    class Frugal(FakeSpace):
        def prepare(self, modality, content):  # type: ignore[no-untyped-def]
            if modality == "audio":
                # a copy: a view would hold the whole window for as long as it waits
                content = content[:: len(content) // 4096].copy()
            return super().prepare(modality, content)

    library = open_library(Frugal())
    library.add([tmp_path / "red.jpg"])
    library.settle()  # what is imported for the index does not count
    tracemalloc.start()
    report = library.add([tmp_path / "long.wav"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.counts["added"] == 1
    assert library.stats().segments["audio"] == 359
    assert peak < 20e6  # seen: 11e6
    assert len(library.search("low", "audio")) == 1


def test_a_report_keeps_so_many_files_and_counts_all(
    open_library: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "REPORT_LIMIT", 10)
    report = open_library(HashSpace()).add(many_pictures(tmp_path / "many", 30))
    assert len(report.added) == 10
    assert report.counts["added"] == 30
    assert report.summary().startswith("30 added")


def test_rows_become_unit_rows_or_an_error() -> None:
    rows = np.array([[3.0, 4.0], [0, 2]])
    assert np.allclose(unit_rows(rows, 2, 2), [[0.6, 0.8], [0, 1]])
    assert unit_rows(rows, 2, 2).dtype == np.float32
    for bad in (rows[:1], np.zeros((2, 2)), np.full((2, 2), np.inf)):
        with pytest.raises(UnfitVectorError):
            unit_rows(bad, 2, 2)
