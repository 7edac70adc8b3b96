"""PDF: pages, and what damaged, encrypted, scanned and hostile ones come to."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from media import MediaError, limits, open_media
from media import pdf as pdf_module
from tests.media import makers
from tests.media.makers import make_pdf, pdf_page
from tests.media.texts import read, refused, words, write

pytestmark = pytest.mark.usefixtures("quiet")


def rewrite_pdf(
    path: Path, password: str | None = None, owner: str = "o", algorithm: str = "AES-256"
) -> None:
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.add_metadata({"/Title": "The Title"})
    if password is not None:
        writer.encrypt(password, owner, algorithm=algorithm)
    with path.open("wb") as file:
        writer.write(file)


def test_pdf(tmp_path: Path) -> None:
    lines = [
        "The River",
        "The quick brown fox jumps over the lazy dog, and the riv-",
        "er flows on between the hills towards a small town where",
        "nobody lives any more.",
        "Another paragraph begins after a short line and it goes on",
        "until here.",
        "12",
    ]
    make_pdf(tmp_path / "a.pdf", [pdf_page(*lines), pdf_page("Page two says this.")])
    rewrite_pdf(tmp_path / "a.pdf")
    segments, details = read(tmp_path / "a.pdf")
    assert [dict(segment.place) for segment in segments] == [{"page": 1}, {"page": 2}]
    assert segments[0].words.split("\n") == [
        "The River",
        "The quick brown fox jumps over the lazy dog, and the river flows on between the hills "
        "towards a small town where nobody lives any more.",
        "Another paragraph begins after a short line and it goes on until here.",
    ]
    assert segments[1].words == "Page two says this."
    assert details == {"title": "The Title", "pages": 2, "words": 45, "passages": 2}


def test_pdf_under_another_name(tmp_path: Path) -> None:
    assert words(make_pdf(tmp_path / "a.bin", [pdf_page("hello there")])) == ["hello there"]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_encrypted_pdf(tmp_path: Path, algorithm: str) -> None:
    make_pdf(tmp_path / "a.pdf", [pdf_page("hello there")])
    rewrite_pdf(tmp_path / "a.pdf", "", algorithm=algorithm)  # may be read without a password
    assert words(tmp_path / "a.pdf") == ["hello there"]
    make_pdf(tmp_path / "b.pdf", [pdf_page("hello there")])
    rewrite_pdf(tmp_path / "b.pdf", "secret", algorithm=algorithm)
    refused(tmp_path / "b.pdf", "is encrypted: save it without its password")


def test_scanned_pdf(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 80), "white")
    image.save(tmp_path / "a.pdf", save_all=True, append_images=[image])
    refused(tmp_path / "a.pdf", r"has no text on its pages, as a scan has none: .*OCR")
    refused(make_pdf(tmp_path / "b.pdf", [b""]), "has no text on its pages")


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n%\xe2\xe3",
        b"%PDF-1.4\n" + makers.NOISE,
        b"%PDF-1.4\nstartxref\n9\n%%EOF",
        b"%PDF-1.4\ntrailer << /Root 1 0 R >>\n1 0 obj\n<< /Pages 1 0 R >>\nendobj\n%%EOF",
    ],
)
def test_damaged_pdf(tmp_path: Path, data: bytes) -> None:
    refused(write(tmp_path / "a.pdf", data), "is damaged|without pages|has no")


def test_cut_off_pdf(tmp_path: Path) -> None:
    whole = make_pdf(tmp_path / "a.pdf", [pdf_page(f"page {n} says this") for n in range(20)])
    data = whole.read_bytes()
    for length in (100, len(data) // 2, len(data) - 200):
        refused(write(tmp_path / "b.pdf", data[:length]), "is damaged")
    # where only its table of contents is wrong, it is searched for its pages
    start = data.index(b"startxref")
    lost = data[:start] + b"startxref\n7\n%%EOF\n"
    assert "page 3 says this" in " ".join(words(write(tmp_path / "c.pdf", lost)))


def test_a_damaged_page_does_not_spoil_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES", 1 << 16)
    pages = [pdf_page("first words"), b" " * (1 << 20), pdf_page("last words")]
    segments, details = read(make_pdf(tmp_path / "a.pdf", pages))
    assert [s.words for s in segments] == ["first words\nlast words"]
    assert details["note"] == "1 of its pages cannot be read"
    refused(make_pdf(tmp_path / "b.pdf", pages[1:2]), "has no page that can be read")


def test_pdf_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES", 1 << 20)
    blown = pdf_page("hello there") + b" " * (64 << 20)
    tracemalloc.start()
    try:
        refused(make_pdf(tmp_path / "a.pdf", [blown]), "has no page that can be read")
        del blown
        tracemalloc.clear_traces()
        # a form that draws itself, and one that draws another many times, and so on
        loop = b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 5 /Resources " + (
            b"<< /XObject << /X 4 0 R >> >> >>\nstream\n/X Do\nendstream"
        )
        path = make_pdf(tmp_path / "b.pdf", [pdf_page("hello there") + b" /X Do"], "", [loop])
        assert words(path) == ["hello there"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_unpacked_pages_are_let_go(tmp_path: Path) -> None:
    size = 2 << 20
    path = make_pdf(tmp_path / "a.pdf", [pdf_page(f"this is {n}") + b" " * size for n in range(10)])
    tracemalloc.start()
    try:
        assert "\n".join(words(path)) == "\n".join(f"this is {n}" for n in range(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * size


def test_a_page_tree_that_leads_back_to_itself(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [pdf_page("hello there")])
    data = path.read_bytes().replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")
    assert data != path.read_bytes()
    refused(write(path, data), "is damaged|without pages")


def test_pdf_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [pdf_page(f"this is page {n}") for n in range(30)])
    monkeypatch.setattr(limits, "MAX_PAGES", 3)
    segments, details = read(path)
    assert "page 2" in segments[-1].words
    assert details["pages"] == 30
    assert details["note"] == "only its first 3 pages are used (ANYFIND_MAX_PAGES)"
    monkeypatch.setattr(limits, "MAX_PDF_SECONDS", 1e-9)
    refused(path, "asks for more than a PDF should")
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1000)
    refused(path, "is larger .* than the limit for documents")


def test_the_time_bounds_the_pages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [pdf_page("hello there")] * 3)
    with open_media(path) as media:
        segments = media.segments()
        clock = itertools.count(0, 1000)
        monkeypatch.setattr(pdf_module.time, "monotonic", lambda: next(clock))
        with pytest.raises(MediaError, match="asks for more than a PDF should"):
            list(segments)
