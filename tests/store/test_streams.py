"""Films, texts, graphs and nodes in the library, beside pictures and sounds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from store import search as search_module
from store.catalogue import OLDER, TABLES, Catalogue
from store.library import MODALITIES, Filter, Library, LibraryError, Term
from store.likeness import Likeness
from store.streams import STREAMS, stream_name, usable_streams
from store.words import fuse, word_query
from tests.media import makers
from tests.store.spaces import PictureSpace

GRAPH = {
    "directed": False,
    "multigraph": False,
    "graph": {"name": "colours"},
    "nodes": [
        {"id": "a", "label": "red rose"},
        {"id": "b", "label": "blue sea"},
        {"id": "c", "label": "green leaf"},
        {"id": "d"},
    ],
    "links": [{"source": "a", "target": "b"}, {"source": "c", "target": "d"}],
}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A text of two passages, a table and a graph."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    low = " ".join(["A low voice says low things."] * 20)
    noise = " ".join(["Nothing but noise and a jabberwock."] * 20)
    (folder / "poem.txt").write_text(f"{low}\n\n{noise}\n")
    (folder / "table.csv").write_text("name,colour\nAnn,red\nBob,blue\n")
    (folder / "net.json").write_text(json.dumps(GRAPH))
    return folder


def add_all(library: Library, folder: Path) -> None:
    report = library.add([*folder.iterdir()])
    assert not report.skipped


def test_texts_are_found_by_passage_and_tell_its_place(library: Library, shelf: Path) -> None:
    add_all(library, shelf)
    hit = library.search("noise", "text")[0]
    assert (hit.title, hit.modality) == ("poem", "text")
    assert hit.place["line"] == 3
    assert hit.text is not None
    assert hit.text.startswith("Nothing but noise")
    assert library.search("low", "text")[0].place["line"] == 1
    assert len(library.search("low", "text")) == 2, "one hit a file"


def test_what_stands_around_a_passage(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "tale.txt"
    parts = [" ".join([f"Part {n} of the tale goes on and on."] * 10) for n in range(3)]
    path.write_text("\n\n".join(parts))
    (item,) = library.add([path]).added
    assert library.around(item.id, parts[1]) == (parts[0], parts[2])
    assert library.around(item.id, parts[0]) == ("", parts[1])
    assert library.around(item.id, parts[2]) == (parts[1], "")
    assert library.around(item.id, "not there") == ("", "")


def test_nodes_are_items_of_their_graph(library: Library, shelf: Path) -> None:
    add_all(library, shelf)
    first = library.search("blue", "node")[0]
    assert (first.title, first.modality) == ("blue sea", "node")
    assert "#node=b" in first.id
    node = library.get(first.id)
    assert node is not None
    assert node.parent is not None
    assert [key for key, *_ in node.details["neighbours"]] == ["a"]
    assert library.count("node") == 4
    assert library.count() == 3, "nodes are no files"
    assert {item.modality for item in library.items()} == {"text", "graph"}
    assert {item.modality for item in library.items("node")} == {"node"}
    with pytest.raises(LibraryError, match="remove the graph"):
        library.remove([first.id])
    assert library.preview(first.id) == library.preview(first.id.partition("#")[0])
    likes = library.similar(first.id, "node")
    assert first.id not in {hit.id for hit in likes}


def test_a_node_without_words_learns_from_its_neighbour(library: Library, shelf: Path) -> None:
    add_all(library, shelf)
    titles = [hit.title for hit in library.find([Term("green")], "node", exact=False).hits]
    assert set(titles[:2]) == {"green leaf", "d"}


def test_removal_leaves_no_trace(library: Library, shelf: Path, folder: Path) -> None:
    library.add([folder])
    before = library.stats().items, library.stats().segments
    added = library.add([*shelf.iterdir()]).added
    library.settle()
    assert library.stats().items["node"] == 4
    library.remove([item.id for item in added])
    assert (library.stats().items, library.stats().segments) == before
    assert library.find([Term("jabberwock")]).hits[0].exact is False
    assert library.settle()
    index = library._keeper._index
    assert index is not None
    assert {name: index.count(name) for name in STREAMS} == before[1]
    for item in added:
        assert not library._files.preview(item.id).exists()
    rows = library._catalogue._rows("SELECT count(*) FROM words")
    assert rows[0][0] == library.count(), "one row for each picture and sound"


def test_every_medium_finds_every_other(library: Library, shelf: Path, folder: Path) -> None:
    library.add([folder])
    add_all(library, shelf)
    for source in library.items():
        for modality in ("image", "audio", "text", "graph", "node"):
            hits = library.similar(source.id, modality)
            if (source.modality, modality) == ("graph", "graph"):
                continue  # there is no other
            assert hits, (source.title, modality)
            assert source.id not in {hit.id for hit in hits}
    red = next(item for item in library.items("image") if item.title == "red")
    assert library.similar(red.id, "node")[0].title == "red rose"
    assert library.similar(red.id, "text")[0].title == "table"


def test_words_that_only_the_text_has_are_found_exactly(library: Library, shelf: Path) -> None:
    add_all(library, shelf)
    hits = library.search("a jabberwock")
    assert (hits[0].title, hits[0].exact) == ("poem", True)
    assert hits[0].text is not None
    assert "jabberwock" in hits[0].text, "the passage that has the word"
    assert not any(hit.exact for hit in library.find([Term("jabberwock")], exact=False).hits)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_a_long_text_takes_one_place_among_exact_words(library: Library, tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("\n\n".join(["A wombat is here again. " * 12] * 60))
    (tmp_path / "short.txt").write_text("Of all the animals a wombat is the last.")
    library.add([tmp_path / "long.md", tmp_path / "short.txt"])
    found = library._catalogue.match_words('"wombat"', ["text"], 2)
    assert len({item for _, item, _ in found}) == 2


GRAPHML = '<?xml version="1.0"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
BROKEN = {
    "cut.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41\0\0\0\x08moov",
    "header.mkv": b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f",
    "noise.avi": b"RIFF\xff\xff\0\0AVI LIST" + bytes(range(256)) * 4,
    "blank.txt": b" \n\t\n",
    "binary.txt": bytes(range(256)) * 8,
    "broken.pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog",
    "broken.docx": b"PK\x03\x04\x14\0word/document.xml",
    "nothing.html": b"<html><script>1</script></html>",
    "header.csv": b"name,colour\n",
    "cut.graphml": GRAPHML.encode() + b'<graph><node id="a"',
    "entity.graphml": b'<?xml version="1.0"?><!DOCTYPE g [<!ENTITY x "y">]><graphml/>',
    "empty.graphml": (GRAPHML + "<graph/></graphml>").encode(),
    "cut.gexf": b'<?xml version="1.0"?><gexf><graph><nodes><node id="1"',
    "cut.gml": b"graph [ node [ id 1 label",
    "cut.json": b'{"nodes": [{"id": 1}], "links": [{"source":',
    "other.json": b'{"a": 1}',
}


def test_broken_files_are_told_of_and_leave_the_library_as_it_was(
    library: Library, shelf: Path, tmp_path: Path
) -> None:
    add_all(library, shelf)
    before = library.items(), library.search("low", k=50), library.stats().segments
    folder = tmp_path / "broken"
    folder.mkdir()
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
    report = library.add([folder / name for name in BROKEN], copy=True)
    told = {path.name: reason for path, reason in report.skipped}
    assert set(told) == set(BROKEN)
    for name, reason in told.items():
        assert reason.startswith(f'"{name}" ')
        assert "\n" not in reason
        assert "Error" not in reason, "a sentence, not an exception"
    assert (library.items(), library.search("low", k=50), library.stats().segments) == before
    assert list((library.data / "media").iterdir()) == []


def test_pages_follow_one_another(library: Library, shelf: Path, folder: Path) -> None:
    library.add([folder])
    add_all(library, shelf)
    every = library.find([Term("red")], k=50)
    assert not every.more
    pages = [library.find([Term("red")], k=3, offset=at) for at in range(0, len(every.hits), 3)]
    assert [hit for page in pages for hit in page.hits] == every.hits
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert library.find([Term("red")], offset=100).hits == []


def test_pages_follow_one_another_where_exact_words_count(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "FUSED", 6)
    for number in range(20):
        colour = (12 * number, 0, 255 - 12 * number)
        makers.make_jpeg(tmp_path / f"{'wolf' if number % 7 == 3 else 'x'} {number}.jpg", colour)
    library.add([tmp_path])
    every = library.find([Term("blue wolf")], k=50, exact=False).hits
    assert len(every) == 20
    for text in ("wolf", "blue"):
        whole = library.find([Term(text)], k=50).hits
        assert sum(hit.exact for hit in whole) == (3 if text == "wolf" else 0)
        pages = [library.find([Term(text)], k=4, offset=at).hits for at in range(0, 20, 4)]
        assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]
        assert len({hit.id for hit in whole}) == 20
        scores = [hit.score for hit in whole]
        assert scores == sorted(scores, reverse=True)


def test_filters_choose_what_may_be_found(library: Library, shelf: Path, folder: Path) -> None:
    library.add([folder])
    add_all(library, shelf)

    def titles(**asked: object) -> set[str]:
        return {hit.title for hit in library.find([Term("x")], k=50, chosen=Filter(**asked)).hits}

    assert titles(folder=str(folder / "sounds")) == {"low", "high"}
    assert titles(folder=str(folder.parent / "my")) == set(), "whole names of folders"
    assert titles(title="RE") == {"red", "green leaf", "red rose"}
    assert titles(longer=5) == {"high"}
    assert titles(shorter=5) == {"low"}
    assert titles(larger=10_000) == {"low", "high"}
    newest = max(item.added for item in library.items())
    assert titles(added_after=newest + 1) == set()
    assert len(titles(added_before=newest + 1)) == len(titles())
    exact = library.find([Term("jabberwock")], chosen=Filter(folder=str(folder)))
    assert not any(hit.exact for hit in exact.hits), "words are looked for in what is chosen"


def test_titles_are_filtered_whatever_their_capitals(library: Library, tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "Über rot.jpg", "red")
    library.add([tmp_path / "Über rot.jpg"])
    for title in ("Über", "über", "ROT"):
        assert len(library.find([Term("x")], chosen=Filter(title=title)).hits) == 1
    assert not library.find([Term("x")], chosen=Filter(title="a\ud800")).hits
    assert not library.find([Term("x")], chosen=Filter(larger=10**30)).hits


def test_a_renamed_document_is_still_found_by_its_own_title(
    library: Library, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<title>Zanzibar chronicle</title><p>Low voices.</p>")
    library.add([page])
    assert library.search("chronicle")[0].exact
    page.rename(tmp_path / "other.html")
    library.add([tmp_path / "other.html"])
    for word in ("chronicle", "other"):
        assert library.search(word)[0].exact


def test_terms_add_up(library: Library, folder: Path) -> None:
    library.add([folder])
    red = next(item for item in library.items("image") if item.title == "red")
    picture = Term(folder / "blue.jpg", "file")
    for terms, first in [
        ([Term("red"), Term("blue", weight=0.2)], "red"),
        ([Term("red", weight=0.2), Term("blue")], "blue"),
        ([Term("red"), Term("blue"), Term("red", weight=-1)], "blue"),
        ([picture, Term("red", weight=0.2)], "blue"),
        ([Term("white", weight=0.2), Term(red.id, "item", -1), Term("blue")], "blue"),
    ]:
        assert library.find(terms, "image").hits[0].title == first
    with pytest.raises(LibraryError, match="zero or not finite"):
        library.find([Term("red"), Term("red", weight=-1)])
    with pytest.raises(LibraryError, match="empty"):
        library.find([])
    with pytest.raises(LibraryError, match="no item"):
        library.find([Term("0" * 32, "item")])


def test_a_space_holds_what_it_has_towers_for(
    open_library: Callable[..., Library], shelf: Path, folder: Path
) -> None:
    assert usable_streams(PictureSpace()) == ["image", "film", "text", "graph", "node"]
    library = open_library(PictureSpace())
    assert "audio" not in library.modalities
    report = library.add([shelf, folder])
    assert {item.modality for item in report.added} == {"image", "text"}
    assert all("cannot embed audio" in reason for _, reason in report.skipped)


def test_streams_have_names_of_their_own() -> None:
    assert stream_name("film", "audio") == "soundtrack"
    assert stream_name("image", "") == "image"
    assert stream_name("image", "audio") is None
    assert set(MODALITIES) == {stream.modality for stream in STREAMS.values()}
    for name in STREAMS:
        assert not any(other.startswith(f"{name}-") for other in STREAMS), "files are named so"


def test_likeness_compares_with_what_is_usual_between_two_streams() -> None:
    random = np.random.default_rng(5)

    class Rows:
        def __init__(self, count: int) -> None:
            rows = random.standard_normal((count, 16)).astype(np.float32)
            self.vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)

        def __len__(self) -> int:
            return len(self.vectors)

        def rows(self) -> tuple[np.ndarray, np.ndarray]:
            return self.vectors, np.arange(len(self.vectors)) + 1000 * len(self.vectors)

    matrices = {"image": Rows(200), "audio": Rows(300)}
    likeness = Likeness(matrices)  # type: ignore[arg-type]
    usual, spread = likeness.usual("image", "audio")
    top = (matrices["image"].vectors @ matrices["audio"].vectors.T).max(axis=1)
    assert usual == pytest.approx(top.mean(), abs=0.02)
    assert spread == pytest.approx(top.std(), rel=0.3)
    itself, _ = likeness.usual("image", "image")
    assert itself < 0.95, "nothing is compared with itself"


def test_only_telling_words_are_asked_for() -> None:
    assert word_query("the sound of a piano") == '"piano"'
    assert word_query("IMG_2041") == '"IMG_2041"'
    assert word_query("of the") is None
    assert word_query('say "hello" (twice)\0') == '"say" "hello" "(twice)"'
    assert word_query("word " * 100) is None
    assert word_query("") is None


def test_rankings_are_fused_by_their_ranks() -> None:
    fused = fuse(["a", "b", "c"], ["c", "d"])
    assert [key for key, _ in fused] == ["c", "a", "b", "d"]
    assert dict(fused)["c"] == pytest.approx(1 / 63 + 1 / 61)


def test_a_library_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    old = TABLES.replace(
        "parent INTEGER REFERENCES items (number) ON DELETE CASCADE);", "gone INTEGER);"
    )
    old = old.replace("CREATE INDEX items_parent ON items (parent);", "")
    old = old.replace("vector BLOB NOT NULL, place TEXT", "vector BLOB NOT NULL")
    old = old.replace("stream", "modality").partition("CREATE VIRTUAL")[0]
    with sqlite3.connect(tmp_path / "catalogue.sqlite3") as connection:
        for statement in old.split(";"):
            connection.execute(statement)
        connection.execute("ALTER TABLE items DROP COLUMN gone")
        connection.execute("PRAGMA user_version=1")
        connection.execute(
            "INSERT INTO items (id, modality, title, path, copied, bytes, details, added) "
            "VALUES ('x', 'image', 'A fine cat', ?, 0, 1, '{}', 0)",
            (b"/somewhere/IMG_7.jpg",),
        )
        connection.execute(
            "INSERT INTO segments (id, item, modality, vector) VALUES ('x', 1, 'image', ?)",
            (np.ones(16, "<f4").tobytes(),),
        )
    connection.close()
    assert set(OLDER) == {1}
    catalogue = Catalogue(tmp_path)
    item = catalogue.get("x")
    assert item is not None
    assert (item.title, item.parent) == ("A fine cat", None)
    for words in ('"cats"', '"IMG_7"'):
        assert catalogue.match_words(words, ["image"], 10) == [(1, 1, "image")]
    assert catalogue.vectors("image", 0, 10)[0] == [(1, 1)]
    catalogue.close()


def test_a_long_text_and_a_picture_share_an_ingest(library: Library, tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("\n\n".join(f"Line {n} is low. " * 12 for n in range(300)))
    makers.make_jpeg(tmp_path / "red.jpg", "red")
    report = library.add([tmp_path / "long.md", tmp_path / "red.jpg"])
    assert report.counts["added"] == 2
    assert library.stats().segments["text"] > 100
    hit = library.search("Line 123", "text")[0]
    assert hit.text is not None
    assert "Line 123 " in hit.text
