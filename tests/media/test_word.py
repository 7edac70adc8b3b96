"""Word files: their words, and what damaged and hostile ones come to."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import docx
import pytest

from media import limits
from tests.media import makers
from tests.media.makers import make_docx
from tests.media.texts import SENTENCE, read, refused, words, write

pytestmark = pytest.mark.usefixtures("quiet")


def repack(path: Path, **parts: bytes | None) -> Path:
    """Change parts of a Word file: document=b"..."; None leaves it out."""
    names = {
        "document": "word/document.xml",
        "core": "docProps/core.xml",
        "types": "[Content_Types].xml",
    }
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for key, data in parts.items():
        held[names[key]] = data  # type: ignore[assignment]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def body(inner: str, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="http://schemas.openxmlformats.org/'
        f'wordprocessingml/2006/main"><w:body>{inner}</w:body></w:document>'
    ).encode()


def test_docx(tmp_path: Path) -> None:
    segments, details = read(make_docx(tmp_path / "a.docx", "The Title"))
    lines = "\n".join(segment.words for segment in segments).split("\n")
    assert lines[:4] == [
        "Of Rivers & Hills",
        "Run one, run two. After a tab.",
        "Name; Age",
        "Anna; 30",
    ]
    assert lines[4].startswith("After the table. The quick")
    assert details["title"] == "The Title"
    assert segments[0].place == {"paragraph": 1}
    assert "pages" not in details


def test_docx_holds_what_python_docx_finds(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    document = docx.Document()
    random_ = random.Random(5)
    for _ in range(20):
        document.add_paragraph(" ".join(random_.choices(SENTENCE.split(), k=random_.randrange(60))))
    document.save(str(path))
    found = " ".join(" ".join(words(path)).split())
    assert found == " ".join(p.text for p in docx.Document(str(path)).paragraphs if p.text)


def test_docx_without_suffix(tmp_path: Path) -> None:
    make_docx(tmp_path / "a.docx").rename(tmp_path / "a")
    assert words(tmp_path / "a")[0].startswith("Of Rivers")


def test_docx_details_of_the_format(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "a.docx")
    inner = (
        "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t> inserted</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
        '<w:r><mc:A xmlns:mc="m"><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>'
        "</w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p>"
        "</mc:Fallback></mc:A></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r>"
        "<w:t>inner</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc><w:tc><w:p><w:r><w:t>b</w:t>"
        "</w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    repack(path, document=body(inner), core=None)
    assert words(path) == ["box\nkept inserted\na inner; b"]


def add_notes(path: Path, kind: str, notes: str) -> None:
    """Give a Word file a part of notes ("footnote", ...); python-docx writes only comments."""
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml."
    named = f'<Override PartName="/word/{kind}s.xml" ContentType="{main}{kind}s+xml"/></Types>'
    with zipfile.ZipFile(path) as archive:
        types = archive.read("[Content_Types].xml").decode()
    repack(path, types=types.replace("</Types>", named).encode())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"word/{kind}s.xml", body(notes))


def paragraph(text: str, *references: str) -> str:
    marks = "".join(
        f'<w:r><w:{name}Reference w:id="{n}"/></w:r>' for name, n in map(str.split, references)
    )
    return f'<w:p><w:r><w:t xml:space="preserve">{text}</w:t></w:r>{marks}</w:p>'


def note(kind: str, number: int, *texts: str, more: str = "") -> str:
    return f'<w:{kind} w:id="{number}"{more}>{"".join(map(paragraph, texts))}</w:{kind}>'


def test_notes_follow_the_text_numbered_as_it_refers_to_them(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "a.docx")
    text = paragraph("First", "footnote 7", "endnote 2") + paragraph("Second", "footnote 3")
    repack(path, document=body(text))
    long = "Walrus " + SENTENCE * 3
    separator = note("footnote", -1, "no note", more=' w:type="separator"')
    unused = note("footnote", 5, "Deleted")
    of_seven = note("footnote", 7, long, "And so on.")
    add_notes(path, "footnote", separator + note("footnote", 3, "See below.") + unused + of_seven)
    add_notes(path, "endnote", note("endnote", 2, "The End"))
    segments, details = read(path)
    assert [(segment.words, dict(segment.place)) for segment in segments] == [
        ("First\nSecond", {"paragraph": 1}),
        (f"See below.\n{long.strip()}", {"footnote": 2}),
        ("And so on.", {"footnote": 1}),
        ("The End", {"endnote": 1}),
    ]
    assert "note" not in details


def test_comments(tmp_path: Path) -> None:
    document = docx.Document()
    for text in ("One", "Two"):
        run = document.add_paragraph(text).runs
        document.add_comment(run, f"On {text.lower()}: a wombat.", author="A. Nonymous")
    document.save(str(tmp_path / "a.docx"))
    first, second = read(tmp_path / "a.docx")[0]
    assert first.words == "One\nTwo"
    assert second.words == "On one: a wombat.\nOn two: a wombat."
    assert second.place == {"comment": 1}


@pytest.mark.parametrize("notes", ["<w:footnote", "<w:tbl><w:tr><w:tc>" * 5000, "&x;"])
def test_damaged_notes_do_not_spoil_the_text(tmp_path: Path, notes: str) -> None:
    path = repack(make_docx(tmp_path / "a.docx"), document=body(paragraph("Kept", "footnote 1")))
    add_notes(path, "footnote", note("footnote", 1, "So is this.") + notes)
    segments, details = read(path)
    assert segments[0].words == "Kept"
    assert details["note"] == "its footnotes cannot all be read"


def test_notes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_docx(tmp_path / "a.docx")
    repack(path, document=body(paragraph("Kept", "footnote 1")))
    add_notes(path, "footnote", note("footnote", 1, "words " * 100_000))
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1 << 19)
    segments, details = read(path)
    assert [segment.words for segment in segments] == ["Kept"]
    assert details["note"] == "its footnotes cannot all be read"


@pytest.mark.parametrize(
    ("inner", "before"),
    [
        ("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", '<!DOCTYPE a [<!ENTITY x "words">]>'),
        (
            "<w:p><w:r><w:t>&x;</w:t></w:r></w:p>",
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ),
        ("<w:p><w:r><w:t>words", ""),
        ("<w:tbl><w:tr><w:tc>" * 5000, ""),
        ("<w:p><w:r><w:t>words</w:t></w:r></w:p><w:p " + "a" * (3 << 20), ""),
    ],
)
def test_docx_that_is_not_right(tmp_path: Path, inner: str, before: str) -> None:
    path = repack(make_docx(tmp_path / "a.docx"), document=body(inner, before))
    refused(path, "is damaged")


def test_damaged_docx(tmp_path: Path) -> None:
    data = make_docx(tmp_path / "a.docx").read_bytes()
    damaged = "is damaged, or not a Word document"
    refused(write(tmp_path / "b.docx", data[: len(data) // 2]), damaged)
    refused(write(tmp_path / "b.docx", b"PK\x03\x04" + makers.NOISE), damaged)
    spoilt = bytearray(data)
    place = data.index(b"word/document.xml") + 400
    spoilt[place : place + 200] = bytes(200)
    refused(write(tmp_path / "b.docx", bytes(spoilt)), "is damaged")
    refused(repack(make_docx(tmp_path / "b.docx"), document=None), damaged)
    refused(repack(make_docx(tmp_path / "b.docx"), types=b"<Types/>"), "is a zip archive, and not")
    with zipfile.ZipFile(tmp_path / "b.docx", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "b.docx", damaged)
    (tmp_path / "b.docx").rename(tmp_path / "b.zip")
    refused(tmp_path / "b.zip", "is a zip archive: unpack it")


def test_docx_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_docx(tmp_path / "a.docx")
    blown = body("<w:p><w:r><w:t>" + "words " * 100_000 + "</w:t></w:r></w:p>")
    repack(path, document=blown)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1 << 19)
    refused(path, "unpacks to .* bytes of text, more than the limit")
    # an endless paragraph is given in parts, an endless row too, and empty cells are nothing
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1 << 24)
    _, details = read(path)
    assert details["words"] == 100_000
    cell = "<w:tc><w:p><w:r><w:t>words </w:t></w:r></w:p></w:tc>"
    repack(path, document=body(f"<w:tbl><w:tr>{cell * 12_000}{'<w:tc/>' * 100_000}</w:tr></w:tbl>"))
    _, details = read(path)
    assert details["words"] == 12_000
    # a table of contents of many entries is not read
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    data = data[: end + 12] + struct.pack("<I", 1 << 27) + data[end + 16 :]
    refused(write(path, data), "is damaged, or not a Word document")


def test_a_docx_that_lies_about_its_size(tmp_path: Path) -> None:
    path = repack(make_docx(tmp_path / "a.docx"), document=body("<w:p/>" + " " * 100_000))
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", len(body("<w:p/>" + " " * 100_000)))
    for _ in range(2):  # in the entry and in the table of contents
        place = data.index(size)
        data[place : place + 4] = struct.pack("<I", 50)
    refused(write(path, bytes(data)), "is damaged")
