"""Web pages: what they show as words. Nothing in them is run or fetched."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from .draft import LONGEST, LONGEST_TITLE, Details, Draft, add_note, clean, keep_title
from .lines import check_words
from .passages import Paragraph

_BLOCK = 1 << 16  # characters read at a time
_LONGEST_TAG = 1 << 20  # characters; html.parser may take 200 bytes for each
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BREAKS = _HEADINGS | {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"),
    *("dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"),
    *("hr", "html", "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "section"),
    *("summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
}
_UNSEEN = {
    *("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "audio"),
    *("video", "canvas", "select", "datalist", "noframes", "noembed"),
}


_ENCODED = re.compile(r"[A-Za-z0-9+/=%]{1024,}")  # pictures inside the page


class _Page(HTMLParser):
    """Gathers the visible text of a web page in `found`."""

    def __init__(self, details: Details) -> None:
        super().__init__(convert_charrefs=True)
        self.found: deque[Paragraph] = deque()
        self._details = details
        self._draft = Draft("line")
        self._spaced = self._heading = False
        self._unseen: list[str] = []
        self._titled: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            if len(self._unseen) < 100:
                self._unseen.append(tag)
        elif tag == "title" and not self._unseen:
            self._titled = []
        elif tag in _BREAKS:
            self.end()
            self._heading = tag in _HEADINGS
        elif tag in ("br", "td", "th"):
            self._spaced = True

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]
        elif tag == "title" and self._titled is not None:
            keep_title(self._details, "".join(self._titled))
            self._titled = None
        elif tag in _BREAKS:
            self.end()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._titled is not None:
            if len(self._titled) < 100:
                self._titled.append(data[:LONGEST_TITLE])
            return
        number = self.getpos()[0]
        for place, line in enumerate(data.split("\n")):
            text = clean(line)
            if text:
                spaced = self._spaced or place > 0 or line[0].isspace()
                self._draft.add(text, number + place, " " if spaced else "")
                self._spaced = line[-1].isspace()
            else:
                self._spaced = self._spaced or place > 0 or bool(line)
            if self._draft.length > LONGEST:
                self.end()

    def end(self) -> None:
        """The paragraph ends."""
        self.found.extend(self._draft.take(self._heading))
        self._spaced = self._heading = False


def read_web_page(path: Path, reader: io.TextIOWrapper, details: Details) -> Iterator[Paragraph]:
    """The paragraphs that a page shows; its title goes into `details`."""
    page = _Page(details)
    # twice as much next time where a tag has not ended yet, so that it is not gone over too often
    while block := reader.read(max(_BLOCK, len(page.rawdata))):
        check_words(path, block, page.getpos()[0])
        page.feed(_ENCODED.sub("", block))
        while page.found:
            yield page.found.popleft()
        if len(page.rawdata) > _LONGEST_TAG:
            add_note(
                details, f"only used to line {page.getpos()[0]:,}: what begins there has no end"
            )
            break
    if len(page.rawdata) <= _BLOCK:
        page.close()
    page.end()
    yield from page.found
