"""Graphs: every format says the same, and whatever is broken is refused in one sentence."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest

from media import SUFFIXES, Media, MediaError, Segment, limits, open_media
from media.graph import HEIGHT, MEDIUM, WIDTH
from media.network import is_words, shorten
from tests.media.makers import ZOOS, make_gexf, make_gml, make_graphml, make_node_link

GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{}</graphml>'
GEXF = '<gexf xmlns="http://gexf.net/1.3" version="1.3">{}</gexf>'


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path) -> tuple[Media, Segment, dict[str | None, Segment]]:
    """The medium, the whole graph's part, and the nodes' parts by their labels."""
    with open_media(path) as media:
        whole, *nodes = media.segments()
        assert media.modality == "graph"
    return media, whole, {node.place["label"]: node for node in nodes}


@pytest.mark.parametrize("name", ZOOS)
def test_formats_say_the_same(tmp_path: Path, name: str) -> None:
    ZOOS[name](tmp_path / name)
    media, whole, nodes = read(tmp_path / name)
    assert media.details.pop("title") == "Friends of the zoo"
    assert media.details == {"nodes": 5, "edges": 4, "directed": 0, "words": 4}
    assert whole.node is None
    assert str(whole.content).endswith(": graph of 5 nodes: Goldfish, Lion, Tiger, Löwe & Söhne"), (
        whole.content
    )
    assert whole.tower == "text"
    assert list(nodes) == ["Lion", "Tiger", "Goldfish", "Löwe & Söhne", "n5"]
    lion = nodes["Lion"]
    assert lion.content == "Lion. a large cat"
    assert lion.words == "Lion\nabout: a large cat\nlegs: 4"
    assert lion.tower == "text"
    keys = [node.node for node in nodes.values()]
    assert lion.place["neighbours"] == [[keys[1], "Tiger", "hunts with"], [keys[2], "Goldfish", ""]]
    assert lion.place["ties"] == [[0, 1]]
    assert lion.place["degree"] == 2
    assert {n: str(v) for n, v in lion.place["attributes"].items()} == {
        "about": "a large cat",
        "legs": "4",
    }
    assert nodes["Tiger"].place["attributes"] == {"about": "a cat with stripes"}  # no colours
    assert "wordless" not in lion.place
    assert nodes["n5"].content == ""
    assert nodes["n5"].place["wordless"] is True
    edges, weights = media.structure
    assert (edges.dtype, weights.dtype) == (np.int32, np.float32)
    assert edges.tolist() == [[0, 1], [0, 2], [1, 2], [2, 4]]
    assert weights.tolist() == [3, 1, 0.5, 2]
    json.dumps([dict(node.place) for node in (whole, *nodes.values())])


@pytest.mark.parametrize("suffix", ["graphml", "gexf", "gml", "json"])
def test_as_networkx_reads_it(tmp_path: Path, suffix: str) -> None:
    """Its readers are the peer: the same nodes and edges of a random graph."""
    graph = networkx.gnm_random_graph(200, 600, seed=1, directed=True)
    for source, target, own in graph.edges(data=True):
        own["weight"] = float((source * 7 + target) % 13)
    path = tmp_path / f"random.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(networkx.node_link_data(graph, edges="edges")), "utf-8")
        known = networkx.node_link_graph(json.loads(path.read_text("utf-8")), edges="edges")
    else:
        getattr(networkx, f"write_{suffix}")(graph, path)
        known = getattr(networkx, f"read_{suffix}")(path)
    media, _, nodes = read(path)
    assert media.details["directed"] == 1
    place = {str(key): i for i, key in enumerate(known)}
    assert [node.node for node in nodes.values()] == list(place)
    expected: dict[tuple[int, int], float] = {}
    for source, target, weight in known.edges(data="weight"):
        low, high = sorted((place[str(source)], place[str(target)]))
        expected[low, high] = expected.get((low, high), 0) + weight
    edges, weights = media.structure
    found = {(int(a), int(b)): float(w) for (a, b), w in zip(edges, weights, strict=True)}
    assert found == expected
    for node, neighbours in networkx.Graph(known).adj.items():
        own = nodes[str(node)].place
        assert own["degree"] == len(neighbours)
        assert {key for key, _, _ in own["neighbours"]} == {str(key) for key in neighbours}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("a.csv", "source,target,kind,weight\nAlice,Bob,friend,2\nBob,Carol,,1\n"),
        ("a.tsv", "From\tTo\tKind\tValue\nAlice\tBob\tfriend\t2\nBob\tCarol\n"),
        ("a.csv", "\ufeffkind;TARGET;Source;weight\r\nfriend;Bob;Alice;2\r\n\r\n;Carol;Bob;1\r\n"),
        ("a.txt", 'id,source,target,kind,weight\n1,"Alice",Bob,friend,2\n2,Bob,Carol,17,1\n'),
    ],
)
def test_tables_of_edges(tmp_path: Path, name: str, table: str) -> None:
    media, whole, nodes = read(write(tmp_path / name, table))
    assert list(nodes)[:3] in (["Alice", "Bob", "Carol"], ["Alice", "Carol", "Bob"])
    assert media.details == {"nodes": 3, "edges": 2, "directed": 1, "words": 3, "title": "a"}
    assert whole.content == "a: graph of 3 nodes: Bob, Alice, Carol"
    neighbours = nodes["Bob"].place["neighbours"]
    assert neighbours == [["Alice", "Alice", "friend"], ["Carol", "Carol", ""]]
    assert media.structure[1].tolist() == [2, 1]


def test_a_row_with_one_end_is_a_node(tmp_path: Path) -> None:
    media, _, nodes = read(write(tmp_path / "a.csv", "source,target\nAlice,Bob\nCarol,\n,Dave"))
    assert list(nodes) == ["Alice", "Bob", "Carol", "Dave"]
    assert media.details["edges"] == 1


def test_suffixes() -> None:
    assert SUFFIXES[".graphml"] == SUFFIXES[".gexf"] == SUFFIXES[".gml"] == "graph"
    assert ".json" not in SUFFIXES  # folders are full of others
    assert SUFFIXES.get(".csv") != "graph"


@pytest.mark.parametrize(
    "text",
    [
        "name,price\napple,2\n",
        "Alice,Bob\nBob,Carol\n",
        "Source and target of this note are unknown.\n",
        '{"name": "package", "dependencies": {}}',
        '{"cells": [], "nodes": 3}',
        "graph {\n a -- b\n}\n",
        "<html><body>graphml</body></html>",
        "<svg><graphml/></svg>",
    ],
)
def test_other_texts_are_no_graphs(tmp_path: Path, text: str) -> None:
    for name in ("a.csv", "a.json", "a.txt", "a.xml"):
        head = write(tmp_path / name, text).read_bytes()
        assert not MEDIUM.recognise(head, Path(name).suffix)


def test_known_by_content_whatever_the_name(tmp_path: Path) -> None:
    for name, writer in ZOOS.items():
        writer(tmp_path / name)
        (tmp_path / name).replace(tmp_path / "a.jpg")
        assert read(tmp_path / "a.jpg")[0].details["nodes"] == 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.graphml", '<?xml version="1.0" encoding="UTF-16"?>' + GRAPHML),
        ("a.gml", 'graph [ node [ id 1 label "Äpfel für süße Gäste" ] ]'),
        ("a.json", '{"nodes": [{"id": 1, "label": "Äpfel für süße Gäste"}], "links": []}'),
        ("a.csv", "source,target\nÄpfel für süße Gäste,Äpfel für süße Gäste\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    if name == "a.graphml":
        text = text.replace("UTF-16", "utf-8" if encoding == "utf-8-sig" else encoding)
        text = text.format(
            '<graph><node id="1"><data key="label">Äpfel für süße Gäste</data></node></graph>'
        )
    _, _, nodes = read(write(tmp_path / name, text.encode(encoding)))
    assert list(nodes) == ["Äpfel für süße Gäste"]


# --- what is odd, and still a graph


def test_whatever_stands_twice(tmp_path: Path) -> None:
    """A node that comes twice is one, parallel edges are one edge, a self-loop is none."""
    text = GRAPHML.format(
        '<key id="l" for="node" attr.name="label"/><key id="w" for="edge" attr.name="weight"/>'
        '<graph edgedefault="directed"><node id="a"><data key="l">Apple</data></node>'
        '<node id="b"/><node id="a"><data key="l">Pear</data><data key="sort">fruit</data></node>'
        '<edge source="a" target="b"><data key="w">2</data></edge><edge source="b" target="a"/>'
        '<edge source="a" target="a"/><edge source="a" target="banana"/></graph>'
    )
    media, _, nodes = read(write(tmp_path / "a.graphml", text))
    assert list(nodes) == ["Apple", "b", "banana"]
    assert nodes["Apple"].content == "Apple. fruit"
    assert nodes["Apple"].place["degree"] == 2
    assert [key for key, *_ in nodes["Apple"].place["neighbours"]] == ["b", "banana"]
    assert media.details["edges"] == 4
    assert media.structure[0].tolist() == [[0, 1], [0, 2]]
    assert media.structure[1].tolist() == [3, 1]


def test_weights_that_are_none(tmp_path: Path) -> None:
    table = "source,target,weight\nAnna,Ben,-3\nAnna,Cleo,many\nAnna,Dora,nan\nAnna,Emil,1e99\n"
    media, _, _ = read(write(tmp_path / "a.csv", table))
    assert media.structure[1].tolist() == pytest.approx([0, 1, 1, 1e30])


def test_nodes_without_words(tmp_path: Path) -> None:
    graph = networkx.path_graph(3)
    networkx.write_graphml(graph, tmp_path / "three.graphml")
    media, whole, nodes = read(tmp_path / "three.graphml")
    assert media.details["words"] == 0
    assert whole.content == "three: graph of 3 nodes"
    assert all(node.content == "" and node.place["wordless"] for node in nodes.values())
    assert nodes["1"].words == "1"


def test_nodes_without_edges(tmp_path: Path) -> None:
    text = '{"nodes": [{"id": "pear"}, {"id": "plum"}], "links": []}'
    media, whole, nodes = read(write(tmp_path / "a.json", text))
    assert media.structure[0].shape == (0, 2)
    assert media.structure[1].shape == (0,)
    assert nodes["plum"].place["neighbours"] == nodes["plum"].place["ties"] == []
    assert whole.words == "a\ngraph of 2 nodes and 0 edges\npear, plum"


def test_links_by_place(tmp_path: Path) -> None:
    """As D3's examples had them: nodes without ids, or links that count the nodes."""
    for named in ({}, {"id": "x"}):
        nodes = [{"name": n} | {k: n[:1] + v for k, v in named.items()} for n in ("Myriel", "Geb")]
        text = json.dumps({"nodes": nodes, "links": [{"source": 1, "target": 0, "value": 8}]})
        media, _, found = read(write(tmp_path / "a.json", text))
        assert list(found) == ["Myriel", "Geb"]
        assert media.structure[1].tolist() == [8]


def test_a_graph_of_yed(tmp_path: Path) -> None:
    text = (
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
        'xmlns:y="http://www.yworks.com/xml/graphml">'
        '<key for="node" id="d6" yfiles.type="nodegraphics"/><graph edgedefault="directed">'
        '<node id="n0"><data key="d6"><y:ShapeNode><y:Fill color="#FFCC00"/>'
        '<y:NodeLabel alignment="center">Start here<y:LabelModel/></y:NodeLabel></y:ShapeNode>'
        '</data></node><node id="n1"/><edge source="n0" target="n1"><data key="d9">'
        "<y:PolyLineEdge><y:EdgeLabel>goes on</y:EdgeLabel></y:PolyLineEdge></data></edge>"
        "</graph></graphml>"
    )
    _, _, nodes = read(write(tmp_path / "a.graphml", text))
    assert nodes["Start here"].content == "Start here"
    assert nodes["Start here"].place["neighbours"] == [["n1", "n1", "goes on"]]


def test_a_graph_of_gephi(tmp_path: Path) -> None:
    text = GEXF.format(
        "<meta><creator>Gephi 0.10</creator><description>Who wrote to whom</description></meta>"
        '<graph defaultedgetype="undirected"><attributes class="node"><attribute id="0" '
        'title="Trade" type="string"/></attributes><nodes><node id="0" label="Ada"><attvalues>'
        '<attvalue for="0" value="mathematician"/></attvalues><viz:size value="10"/></node>'
        '<node id="1" label="Charles"/></nodes><edges><edge id="7" source="0" target="1" '
        'type="directed" weight="2.5" label="letters"/></edges></graph>'
    )
    media, whole, nodes = read(write(tmp_path / "a.gexf", text))
    assert whole.content == "a: graph of 2 nodes: Ada, Charles. Who wrote to whom"
    assert nodes["Ada"].words == "Ada\nTrade: mathematician"
    assert nodes["Ada"].place["neighbours"] == [["1", "Charles", "letters"]]
    assert media.details["directed"] == 1
    assert media.structure[1].tolist() == [2.5]


def test_gml_as_people_write_it(tmp_path: Path) -> None:
    text = """# a comment with a [ and a "
Creator "someone"
Version 1
graph
[
  directed 1 label "Two &amp; two"
  node [ id 1 label "same" graphics [ x 1.0 type "ellipse" ] ]
  node [ id 2 label "same" note "over
two lines" ]
  edge [ source 1 target 2 label "to" ] edge [ source 1 target 2 value 4 ]
]
"""
    with open_media(write(tmp_path / "a.gml", text)) as media:
        parts = list(media.segments())
    assert media.details == {
        **{"nodes": 2, "edges": 2, "directed": 1, "words": 2},
        "title": "Two & two",
    }
    assert [part.content for part in parts[1:]] == ["same", "same. over two lines"]
    assert media.structure[1].tolist() == [5]


def test_many_neighbours(tmp_path: Path) -> None:
    graph = networkx.complete_graph(100)
    networkx.write_gexf(graph, tmp_path / "a.gexf")
    _, _, nodes = read(tmp_path / "a.gexf")
    own = nodes["0"].place
    assert own["degree"] == 99
    assert len(own["neighbours"]) == 24
    assert len(own["ties"]) == 60
    assert max(map(max, own["ties"])) < 24


def test_long_words_are_cut(tmp_path: Path) -> None:
    node = {"id": "a" * 300, "label": "word " * 1000, "text": "more words " * 10_000}
    _, whole, nodes = read(
        write(
            tmp_path / "a.json", json.dumps({"nodes": [node], "links": [], "name": "name " * 999})
        )
    )
    (only,) = nodes.values()
    for part in (whole, only):
        assert len(str(part.content)) <= 2000
        assert len(part.words) <= 4000
    assert len(json.dumps(dict(only.place))) < 1000


def test_halves_of_characters_are_left_out(tmp_path: Path) -> None:
    text = r'{"nodes": [{"id": "\ud800", "name": "a\ud800bc", "\udfff": "de\ud800"}], "links": []}'
    media, whole, nodes = read(write(tmp_path / "a.json", text))
    (node,) = nodes.values()
    assert (node.node, node.content, node.words) == ("?", "a?bc. de?", "a?bc\n?: de?")
    json.dumps([dict(node.place), dict(whole.place), media.details], ensure_ascii=False).encode()


def test_is_words() -> None:
    for text in ("Alice", "the 39 steps", "B-52 bomber", "猫", "Zürich", "x-ray", "e-mail", "HTTP"):
        assert is_words(text), text
    for text in (
        *("", " ", "12", "-3.5e7", "n12", "node_7", "Node 7", "x", "#ff8800", "http://a.b/c d"),
        *("www.example.org", "true", "None", "2011-04-05T14:30:00Z", "deadbeef01", "Q42"),
        *("123e4567-e89b-12d3-a456-426614174000", "directed"),
    ):
        assert not is_words(text), text


def test_shorten() -> None:
    assert shorten("one two", 7) == "one two"
    assert shorten("one two three", 9) == "one two…"
    assert shorten("undividable", 5) == "undi…"


# --- the preview


def test_preview(tmp_path: Path) -> None:
    make_graphml(tmp_path / "zoo.graphml")
    with open_media(tmp_path / "zoo.graphml") as media:
        list(media.segments())
        pictures = [media.preview(), media.preview()]
    assert pictures[0].mode == "RGB"
    assert pictures[0].size == (WIDTH, HEIGHT)
    assert pictures[0].tobytes() == pictures[1].tobytes()
    colours = {colour for _, colour in pictures[0].getcolors(1 << 20) or []}
    assert {(0xF8, 0xF9, 0xFC), (0x4F, 0x5B, 0xD5)} <= colours


@pytest.mark.parametrize(
    "graph",
    [
        networkx.empty_graph(1),
        networkx.empty_graph(7),
        networkx.star_graph(2000),
        networkx.disjoint_union_all([networkx.cycle_graph(5)] * 12),
    ],
    ids=["one", "apart", "star", "parts"],
)
def test_preview_of_any_graph(tmp_path: Path, graph: networkx.Graph[int]) -> None:
    networkx.write_gexf(graph, tmp_path / "a.gexf")
    with open_media(tmp_path / "a.gexf") as media:
        list(media.segments())
        assert len(media.preview().getcolors(1 << 20) or []) > 2


# --- what is broken

LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
FILE = '<!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
NODE = '<graph><node id="a"><data key="label">{}</data></node></graph>'


def cut(writer: Callable[[Path], None], share: float) -> Callable[[Path], Any]:
    def make(path: Path) -> None:
        writer(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return make


def text(content: str | bytes) -> Callable[[Path], Any]:
    return lambda path: write(path, content)


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut.graphml": (cut(make_graphml, 0.7), "is cut off or damaged, and no GraphML"),
    "cut.gexf": (cut(make_gexf, 0.7), "is cut off or damaged, and no GEXF"),
    "cut.gml": (cut(make_gml, 0.7), "is cut off or damaged"),
    "cut.json": (cut(make_node_link, 0.7), "is cut off or damaged, and no JSON"),
    "head.graphml": (cut(make_graphml, 0.05), "is cut off or damaged"),
    "doctype.graphml": (
        text('<!DOCTYPE graphml SYSTEM "graphml.dtd">' + GRAPHML.format(NODE.format("a"))),
        "declares a document type",
    ),
    "laughs.graphml": (
        text(f'<!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]>' + GRAPHML.format(NODE.format("&l9;"))),
        "declares a document type",
    ),
    "file.graphml": (
        text(FILE + GRAPHML.format(NODE.format("&x;"))),
        "declares a document type",
    ),
    "file.gexf": (text(FILE + GEXF.format("&x;")), "declares a document type"),
    "unknown entity.graphml": (text(GRAPHML.format(NODE.format("&x;"))), "is cut off or damaged"),
    "deep.graphml": (text(GRAPHML.format("<a>" * 100_000)), "nested too deeply"),
    "deep.gml": (text("graph [ " + "a [ " * 100_000), "nested too deeply"),
    "deep.json": (text('{"nodes": [' + "[" * 100_000), "nested too deeply"),
    "empty.graphml": (text(GRAPHML.format('<graph edgedefault="directed"/>')), "holds no nodes"),
    "empty.gexf": (text(GEXF.format("<graph><nodes/></graph>")), "holds no nodes"),
    "empty.gml": (text("graph [ directed 0 ]"), "holds no nodes"),
    "empty.json": (text('{"nodes": [], "links": []}'), "holds no nodes"),
    "empty.csv": (text("source,target\n"), "holds no nodes"),
    "nothing.gml": (text('Creator "me"\n'), "holds no graph"),
    "words.gml": (text("These are words, no graph"), "is cut off or damaged"),
    "words.graphml": (text("These are words, no graph"), "is cut off or damaged, and no GraphML"),
    "stray.gml": (text("graph [ ] ]"), "a block ends too soon"),
    "unnamed.gml": (text('graph [ "a" 1 ]'), "a value has no name"),
    "block.gml": (text("graph [ [ ] ]"), "a block has no name"),
    "quote.gml": (text('graph [ node [ id 1 label "a ] ]'), "a quotation mark is not closed"),
    "id.gml": (text('graph [ node [ label "a" ] ]'), 'has a node without "id"'),
    "end.gml": (text("graph [ node [ id 1 ] edge [ source 1 ] ]"), 'an edge without "target"'),
    "id.graphml": (text(GRAPHML.format("<graph><node/></graph>")), 'has a node without "id"'),
    "end.gexf": (
        text(GEXF.format('<graph><edges><edge target="1"/></edges></graph>')),
        'has an edge without "source"',
    ),
    "hyper.graphml": (
        text(GRAPHML.format("<graph><hyperedge/></graph>")),
        "edges between more than two nodes",
    ),
    "no links.json": (text('{"nodes": [{"id": 1}]}'), "is not a graph"),
    "no nodes.json": (text('{"links": [{"source": 1, "target": 2}]}'), "is not a graph"),
    "odd nodes.json": (text('{"nodes": [1, 2], "links": []}'), "a node that is not an object"),
    "odd links.json": (
        text('{"nodes": [{"id": 1}], "links": [{"source": 1}]}'),
        "an edge without source and target",
    ),
    "blank.json": (text('{"nodes": [{"id": " "}], "links": []}'), 'a node with an empty "id"'),
    "long.csv": (text("source,target\nAnna," + "b" * 1001), "more than 1,000 letters"),
    "number.json": (text('{"nodes": [{"id": ' + "1" * 5000 + '}], "links": []}'), "is cut off"),
    "row.csv": (
        text("source,target,kind\nAnna,Ben,x\n,,y\n"),
        "neither source nor target in row 3",
    ),
    "cell.csv": (text("source,target\nAnna," + "b" * 200_000), "is damaged as a table"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.timeout(20)
def test_broken_graphs_give_one_sentence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, said = BROKEN[name]
    make(tmp_path / name)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with pytest.raises(MediaError) as caught:
        read(tmp_path / name)
    assert said in caught.value.reason
    assert all(c.isprintable() for c in str(caught.value))
    assert len(caught.value.reason) < 200
    assert capfd.readouterr() == ("", "")
    del caught
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("limit", "most", "said"),
    [
        ("MAX_NODES", 4, "has more nodes than the limit of 4 (ANYFIND_MAX_NODES)"),
        ("MAX_EDGES", 3, "has more edges than the limit of 3 (ANYFIND_MAX_EDGES)"),
        ("MAX_GRAPH_BYTES", 50, "than the limit for graphs of 50 bytes (ANYFIND_MAX_GRAPH_BYTES)"),
    ],
)
@pytest.mark.parametrize("name", ZOOS)
def test_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: str, most: int, said: str
) -> None:
    ZOOS[name](tmp_path / name)
    monkeypatch.setattr(limits, limit, most)
    with pytest.raises(MediaError) as caught:
        read(tmp_path / name)
    assert said in caught.value.reason
    monkeypatch.setattr(limits, limit, 10_000)
    assert read(tmp_path / name)[0].details["nodes"] == 5


def test_a_flood_of_lists_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_NODES", 100)
    monkeypatch.setattr(limits, "MAX_EDGES", 100)
    path = write(tmp_path / "a.json", '{"nodes": [' + "[]," * 1000)
    with pytest.raises(MediaError, match="more lists and objects"):
        open_media(path)


@pytest.mark.timeout(20)
def test_what_repeats_takes_no_longer(tmp_path: Path) -> None:
    """Neither keys nor spaces nor quotes without end make a reader slow."""
    started = time.process_time()
    for name, content in (
        ("keys.gml", "graph [ node [ id 1 " + "a b " * 200_000),
        ("spaces.gml", "graph" + " " * 1_000_000),
        ("head.gml", "a 1 " * 1020 + "graf ["),
        ("strings.gml", "graph [ " + '"' * 999_999),
        ("comments.gml", "#" * 500_000 + "\n#" * 500_000),
        ("text.graphml", GRAPHML.format("<graph><node id='a'><data>" + "x&#65;" * 200_000)),
        ("names.graphml", GRAPHML.format("<graph " + " ".join(f'a{i}=""' for i in range(50_000)))),
    ):
        with pytest.raises(MediaError):
            open_media(write(tmp_path / name, content))
    assert time.process_time() - started < 10


def test_a_large_graph_is_read_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    random = np.random.default_rng(0)
    ends = random.integers(0, 2000, (10_000, 2))
    rows = "".join(
        f'<edge id="e{i}" source="n{a}" target="n{b}"/>' for i, (a, b) in enumerate(ends)
    )
    path = write(tmp_path / "a.graphml", GRAPHML.format(f"<graph>{rows}</graph>"))
    tracemalloc.start()
    with open_media(path) as media:
        assert media.details["edges"] == 10_000
        assert media.details["nodes"] == len({*ends.ravel().tolist()})
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()
