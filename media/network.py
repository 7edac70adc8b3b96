"""Graphs as files have them, read as streams into a Network: nodes, their attributes, their edges.

GraphML, GEXF, GML, node-link JSON and tables of edges. NetworkX reads the same formats, but takes
gigabytes for as many edges as are allowed here, and has no limits. Nothing is ever run or fetched:
an XML file that declares a document type, by which entities come in, is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

import numpy as np

from . import limits
from .encoding import find_encoding
from .medium import MediaError, check_size

Array = np.ndarray[Any, Any]
Attributes = dict[str, str | int | float]

LARGEST = 1e300  # of a number that is kept
_BLOCK = 1 << 16  # bytes read at a time
_DEEPEST = 100  # elements, blocks and lists inside each other
_LONGEST_KEY = 1_000  # characters of a node's id
_LONGEST_TIE = 80  # characters of an edge's words
_LABELS = ("label", "name", "title")
_WEIGHTS = ("weight", "value")
_SOURCES, _TARGETS = ("source", "from"), ("target", "to")

# Attributes that say how to draw, or repeat what is known.
_DRAWING = {
    *("id", "key", "source", "target", "from", "to", "directed", "start", "end"),
    *("x", "y", "z", "w", "h", "width", "height", "size", "r", "g", "b", "a", "color", "colour"),
    *("shape", "fill", "style", "font", "viz", "graphics", "nodegraphics", "edgegraphics"),
}
_NOT_SAID = _DRAWING.union(_LABELS, _WEIGHTS)
_ID = re.compile(
    r"(?:node|vertex|item|id|[a-z])?[\W_]*\d[\d\W_]*|[a-z]|"
    r"(?=[a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*",
    re.I | re.A,
)
_NO_WORDS = re.compile(
    r"\w+://.*|www\..*|mailto:.*|#[0-9a-f]{3,8}|true|false|yes|no|none|null|nan|undefined|"
    r"directed|undirected|mutual|"
    r"(?=.*\d)[\d\W_tze]+",  # 2011-04-05T14:30Z, 1e-4
    re.I | re.S,
)


def is_words(text: str) -> bool:
    """Does it say something, or is it a bare number, an id, an address or a colour?"""
    text = text.strip()
    return (
        any(map(str.isalpha, text))
        and not (len(text) < 64 and _ID.fullmatch(text))
        and not _NO_WORDS.fullmatch(text)
    )


@dataclass(frozen=True)
class Network:
    """A graph as it stood in its file. Edges may come twice or lead back to their node."""

    title: str
    """What the file calls it, or ""."""
    about: str
    """What the file says of it beside its title, or ""."""
    directed: bool
    keys: list[str]
    attributes: list[Attributes]
    """Of each node, its label not among them."""
    labels: list[str]
    """Of each node: what it is called, else its key."""
    edges: Array
    """int32 (m, 2): source and target, places in `keys`."""
    weights: Array
    """float32 (m,), not negative; 1 where the file has none."""
    ties: dict[int, str]
    """What an edge says, by its place, where it says something."""


class BrokenError(Exception):
    """What is the matter, as the rest of a sentence: "is cut off"."""


class Builder:
    """Takes nodes and edges as they are read and keeps the limits.

    A node that comes twice is one: what comes later fills in what was missing. An edge makes the
    nodes it names.
    """

    def __init__(self) -> None:
        self.title = self.about = ""
        self.directed = False
        self._places: dict[str, int] = {}
        self._attributes: list[Attributes] = []
        self._ends, self._weights = array("i"), array("f")
        self._ties: dict[int, str] = {}
        self._shared: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def node(self, key: str, attributes: Mapping[str, Any] | None = None) -> int:
        place = self._places.setdefault(key, len(self._places))
        if place == len(self._attributes):
            if not key.strip():
                raise BrokenError('has a node with an empty "id"')
            if len(key) > _LONGEST_KEY:
                raise BrokenError(f'has a node with an "id" of more than {_LONGEST_KEY:,} letters')
            if place >= limits.MAX_NODES:
                raise BrokenError(
                    f"has more nodes than the limit of {limits.MAX_NODES:,} (ANYFIND_MAX_NODES)"
                )
            self._attributes.append({})
        own = self._attributes[place]
        for given, value in (attributes or {}).items():
            name = self._shared.setdefault(given, one_line(given))
            if name not in own and (kept := _value(value)) is not None:
                own[name] = kept
        return place

    def edge(self, source: str, target: str, attributes: Mapping[str, Any]) -> None:
        count = len(self._weights)
        if count >= limits.MAX_EDGES:
            raise BrokenError(
                f"has more edges than the limit of {limits.MAX_EDGES:,} (ANYFIND_MAX_EDGES)"
            )
        self._ends.append(self.node(source))
        self._ends.append(self.node(target))
        plain = {name.lower(): value for name, value in attributes.items()}
        self._weights.append(next((_weight(plain[n]) for n in _WEIGHTS if n in plain), 1.0))
        said = [str(plain[name]) for name in _LABELS if name in plain]
        said += [str(v) for n, v in plain.items() if n not in _NOT_SAID]
        if words := ", ".join(dict.fromkeys(one_line(s) for s in said if is_words(s))):
            words = shorten(words, _LONGEST_TIE)
            self._ties[count] = self._shared.setdefault(words, words)

    def network(self) -> Network:
        """All of it. Raises BrokenError when there are no nodes."""
        if not self._places:
            raise BrokenError("holds no nodes")
        keys = list(self._places)
        return Network(
            title=one_line(self.title),
            about=one_line(self.about),
            directed=self.directed,
            keys=keys,
            labels=[_take_label(k, own) for k, own in zip(keys, self._attributes, strict=True)],
            attributes=self._attributes,
            edges=np.array(self._ends, np.int32).reshape(-1, 2),
            weights=np.array(self._weights, np.float32),
            ties=self._ties,
        )


def _take_label(key: str, attributes: Attributes) -> str:
    """What a node is called: the first of its label, name, title and key that is words."""
    named = {name.lower(): name for name in attributes}
    found = {named[n]: one_line(str(attributes[named[n]])) for n in _LABELS if n in named}
    for name, label in found.items():
        if is_words(label):
            del attributes[name]
            return label
    if is_words(key) or not found:
        return one_line(key)
    name, label = next(iter(found.items()))
    del attributes[name]
    return label or one_line(key)


def _value(value: Any) -> str | int | float | None:
    """An attribute's value as it is kept: words, a number, the words of a list; else None."""
    if isinstance(value, list):
        value = ", ".join(str(part) for part in value if isinstance(part, str | int | float))
    if isinstance(value, str):
        return _whole(value).strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        # of a whole number too large to be a float, nothing is kept
        return value if abs(value) < LARGEST else None
    return None


def _weight(value: Any) -> float:
    """1 for what is no number, 0 for what is below 0."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 1.0
    return min(max(number, 0.0), 1e30) if math.isfinite(number) else 1.0


def one_line(text: str) -> str:
    return " ".join(_whole(text).split())


def _whole(text: str) -> str:
    """Without halves of characters, which JSON can name and no database takes."""
    return text.encode("utf-8", "replace").decode()


def shorten(text: str, length: int) -> str:
    """At most so many characters, cut between words where there is a space."""
    if len(text) <= length:
        return text
    start, space, _ = text[:length].rpartition(" ")
    return (start if space else text[: length - 1]) + "…"


def is_drawing(name: str) -> bool:
    """Does an attribute of this name say how to draw a node, and nothing of what it is?"""
    return name.lower().rpartition(".")[2] in _DRAWING


# --- XML


class _Xml:
    """GraphML and GEXF in one: elements of the same name mean the same in both."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._depth = 0
        self._names: dict[tuple[str, str], str] = {}  # what attributes are called, by their keys
        self._class = ""  # what GEXF's list of attributes is of
        self._directed: list[bool] = []  # of the graphs that are open
        self._open: list[tuple[str, dict[str, Any]]] = []  # graphs, nodes and edges
        self._data: tuple[str, str] | None = None  # the element whose text is read, its key
        self._text: list[str] = []

    def start(self, tag: str, given: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BrokenError("has elements nested too deeply")
        name = tag.rpartition(":")[2]
        kind, own = self._open[-1] if self._open else ("", {})
        if name == "graph":
            ordered = given.get("edgedefault") or given.get("defaultedgetype")
            self._directed.append(ordered == "directed")
            self._open.append((name, {n: given[n] for n in _LABELS if n in given}))
        elif name in ("node", "edge"):
            self._open.append((name, dict(given)))
        elif name == "hyperedge":
            raise BrokenError("has edges between more than two nodes, which cannot be read")
        elif name == "key":
            self._names[given.get("for", "all"), given.get("id", "")] = given.get("attr.name", "")
        elif name == "attributes":
            self._class = given.get("class", "")
        elif name == "attribute":
            self._names[self._class, given.get("id", "")] = given.get("title", "")
        elif name == "attvalue":
            key = self._name(kind, given.get("for") or given.get("id", ""))
            own.setdefault(key, given.get("value", ""))
        elif name in ("data", "desc", "description", "NodeLabel", "EdgeLabel"):  # of yEd, the last
            self._data, self._text = (name, given.get("key", "")), []

    def end(self, tag: str) -> None:
        self._depth -= 1
        name = tag.rpartition(":")[2]
        if self._data and name == self._data[0]:
            self._keep(name, self._data[1], "".join(self._text).strip())
            self._data = None
        elif name in ("node", "edge", "graph") and self._open:
            _, own = self._open.pop()
            if name == "node":
                self._builder.node(_needed(own, "id", "a node"), own)
            elif name == "edge":
                source = _needed(own, "source", "an edge")
                target = _needed(own, "target", "an edge")
                ordered = own.get("directed") or own.get("type")
                one_way = {"true": True, "directed": True, "false": False, "undirected": False}
                outer = self._directed[-1] if self._directed else False
                self._builder.directed |= one_way.get(str(ordered), outer)
                self._builder.edge(source, target, own)
            else:
                self._builder.directed |= self._directed.pop()
                _take_title(self._builder, own)

    def text(self, text: str) -> None:
        if self._data:
            self._text.append(text)

    def _keep(self, name: str, key: str, text: str) -> None:
        kind, own = self._open[-1] if self._open else ("", {})
        if not self._open:
            if name == "description":  # in GEXF's `meta`
                self._builder.about = self._builder.about or text
        elif text:
            label = name.endswith("Label")
            own.setdefault(
                "label" if label else self._name(kind, key) if name == "data" else "description",
                text,
            )

    def _name(self, kind: str, key: str) -> str:
        return self._names.get((kind, key)) or self._names.get(("all", key)) or key


def _needed(own: dict[str, Any], name: str, what: str) -> str:
    value = own.pop(name, None)
    if value is None:
        raise BrokenError(f'has {what} without "{name}"')
    return value if isinstance(value, str) else _key(value)


def _take_title(builder: Builder, own: Mapping[str, Any]) -> None:
    """A graph's own name and description, from its attributes."""
    plain = {n.lower(): v for n, v in own.items() if isinstance(v, str) and is_words(v)}
    builder.title = builder.title or next((plain[n] for n in (*_LABELS, "id") if n in plain), "")
    builder.about = builder.about or plain.get("description", "")


def _read_xml(file: BinaryIO, builder: Builder) -> None:
    def refuse(*_: object) -> None:
        raise BrokenError(
            "declares a document type (<!DOCTYPE), which could bring in other files, so it is not "
            "read: take that line out"
        )

    reader = _Xml(builder)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    while block := file.read(_BLOCK):
        parser.Parse(block, False)
    parser.Parse(b"", True)


# --- GML

_TOKEN = re.compile(r'"([^"]*)"|([\[\]])|#[^\n]*|([^\s\[\]"]+)|(")')


class _Gml:
    """Blocks of keys and values. A value that is a block is read when it ends."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._open: list[tuple[str, dict[str, Any]]] = [("", {})]
        self._key = ""
        self.graphs = 0

    def word(self, text: str, quoted: bool) -> None:
        """A key, or the value after one. Where a key comes again, its first value is kept."""
        if self._key:
            self._open[-1][1].setdefault(self._key, text)
            self._key = ""
        elif quoted:
            raise BrokenError("is damaged: a value has no name")
        else:
            self._key = text.lower()

    def start(self) -> None:
        if not self._key:
            raise BrokenError("is damaged: a block has no name")
        if len(self._open) > _DEEPEST:
            raise BrokenError("has blocks nested too deeply")
        self._open.append((self._key, {}))
        self._key = ""

    def end(self) -> None:
        name, own = self._open.pop()
        if self._key or not self._open:
            raise BrokenError("is damaged: a block ends too soon")
        where = [name for name, _ in self._open[1:]]
        if name == "graph" and not where:
            self.graphs += 1
            self._builder.directed |= own.get("directed") == "1"
            _take_title(self._builder, own)
        elif name == "node" and where == ["graph"]:
            self._builder.node(_needed(own, "id", "a node"), own)
        elif name == "edge" and where == ["graph"]:
            source, target = (_needed(own, end, "an edge") for end in ("source", "target"))
            self._builder.edge(source, target, own)

    def close(self) -> None:
        if len(self._open) > 1 or self._key:
            raise BrokenError("is cut off or damaged: a block is not closed")
        if not self.graphs:
            raise BrokenError("holds no graph")


def _read_gml(file: BinaryIO, builder: Builder) -> None:
    reader = _Gml(builder)
    for match in _TOKEN.finditer(_decode(file.read())):
        quoted, bracket, plain, stray = match.groups()
        if bracket:
            reader.start() if bracket == "[" else reader.end()
        elif quoted is not None:
            reader.word(unescape(quoted), True)
        elif plain:
            reader.word(plain, False)
        elif stray:
            raise BrokenError("is cut off or damaged: a quotation mark is not closed")
    reader.close()


# --- JSON


def _read_json(file: BinaryIO, builder: Builder) -> None:
    data = file.read()
    # lists and objects take hundreds of times the memory of their two letters
    most = 4 * (limits.MAX_NODES + limits.MAX_EDGES)
    if data.count(b"{") + data.count(b"[") > most:
        raise BrokenError("has more lists and objects than a graph within the limits can have")
    whole = json.loads(_decode(data))
    del data
    links = next((whole[n] for n in ("links", "edges") if n in whole), None)
    nodes = whole.get("nodes")
    if not isinstance(nodes, list) or not isinstance(links, list):
        raise BrokenError(
            'is not a graph: it has no list of "nodes" with one of "links" or "edges"'
        )
    keys = []
    for place, node in enumerate(nodes):
        if not isinstance(node, dict):
            raise BrokenError(f"has a node that is not an object (number {place + 1:,})")
        keys.append(_key(node.get("id", place)))
        builder.node(keys[-1], {name: value for name, value in node.items() if name != "id"})
    for place, link in enumerate(links):
        if not isinstance(link, dict) or "source" not in link or "target" not in link:
            raise BrokenError(f"has an edge without source and target (number {place + 1:,})")
        source, target = (_end(link[end], keys, builder) for end in ("source", "target"))
        builder.edge(source, target, link)
    builder.directed = whole.get("directed") in (True, 1)
    about = whole.get("graph")
    _take_title(builder, about if isinstance(about, dict) else {})
    _take_title(builder, whole)


def _end(value: Any, keys: list[str], builder: Builder) -> str:
    """An edge's end: a node's id, or, where none is called so, its place (D3's older files)."""
    key = _key(value)
    if key not in builder and isinstance(value, int) and 0 <= value < len(keys):
        return keys[value]
    return key


def _key(value: Any) -> str:
    return _whole(value) if isinstance(value, str) else json.dumps(value)


# --- tables


def _columns(line: str) -> tuple[str, list[str], int, int] | None:
    """Delimiter, names, and the columns of source and target, by a table's first line."""
    for delimiter in "\t,;":
        try:
            names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
        except csv.Error:
            continue
        lower = [name.lower() for name in names]
        for source, target in zip(_SOURCES, _TARGETS, strict=True):
            if source in lower and target in lower:
                return delimiter, names, lower.index(source), lower.index(target)
    return None


def _read_table(file: BinaryIO, builder: Builder) -> None:
    encoding = find_encoding(file.read(_BLOCK))
    file.seek(0)
    lines = io.TextIOWrapper(file, encoding, "replace", newline="")
    found = _columns(lines.readline(_BLOCK))
    if found is None:
        raise BrokenError("is a table without columns called source and target, or from and to")
    delimiter, names, *ends = found
    for number, row in enumerate(_rows(csv.reader(lines, delimiter=delimiter)), start=2):
        cells = [cell.strip() for cell in row]
        source, target = (cells[end] if end < len(cells) else "" for end in ends)
        if source and target:
            builder.edge(source, target, dict(zip(names, cells, strict=False)))  # rows may be short
        elif source or target:
            builder.node(source or target)  # one without edges
        elif any(cells):
            raise BrokenError(f"has neither source nor target in row {number:,}")
    builder.directed = True
    lines.detach()


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise BrokenError(f"is damaged as a table ({error})") from error


# --- knowing and opening

_Reader = Callable[[BinaryIO, Builder], None]

_BEFORE_ROOT = re.compile(r"<\?.*?\?>\s*|<!--.*?-->\s*", re.S)
_ROOT = re.compile(r"<(?:!doctype\s+)?(?:[\w.-]+:)?([\w.-]+)", re.I)
_GML = re.compile(r'(?:\s|#[^\n]*\n|[A-Za-z]\w*\s+(?:"[^"]*"|[\w.+-]+)(?=\s))*graph\s*\[', re.I)
_JSON = re.compile(r'\{.*"(?:nodes|links|edges)"\s*:\s*\[', re.S)


def find_format(head: bytes) -> str:
    """By a file's first bytes "GraphML", "GEXF", "GML", "JSON" or "table"; "" for all else."""
    if b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ""
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if wide else "utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        root = _ROOT.match(_BEFORE_ROOT.sub("", text))
        return {"graphml": "GraphML", "gexf": "GEXF"}.get(root[1].lower() if root else "", "")
    if text.startswith("{"):
        return "JSON" if _JSON.match(text) else ""
    if _columns(text.splitlines()[0] if text else ""):
        return "table"
    return "GML" if _GML.match(text) else ""


SUFFIXES = {".graphml": "GraphML", ".gexf": "GEXF", ".gml": "GML"}
"""Not those of JSON and of tables: most such files are no graphs."""

_READERS: Mapping[str, _Reader] = {
    "GraphML": _read_xml,
    "GEXF": _read_xml,
    "GML": _read_gml,
    "JSON": _read_json,
    "table": _read_table,
}


def read_network(path: Path, file: BinaryIO, head: bytes) -> Network:
    """A graph from an open file.

    Raises MediaError when it is damaged, empty or beyond the limits.
    """
    kind = find_format(head) or SUFFIXES[path.suffix.lower()]
    check_size(path, file, "MAX_GRAPH_BYTES", "graphs")
    builder = Builder()
    try:
        _READERS[kind](file, builder)
        return builder.network()
    except BrokenError as error:
        raise MediaError(path, str(error)) from error
    except MemoryError as error:
        raise MediaError(path, "is too large for this machine's memory") from error
    except RecursionError as error:
        raise MediaError(path, "has lists nested too deeply") from error
    except (expat.ExpatError, ValueError) as error:
        line = getattr(error, "lineno", 0)
        where = f" (line {line:,})" if line else ""
        raise MediaError(path, f"is cut off or damaged, and no {kind}{where}") from error


def _decode(data: bytes) -> str:
    return data.decode(find_encoding(data[:_BLOCK]), "replace")
