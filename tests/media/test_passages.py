"""Texts are cut at the borders of paragraphs and sentences; a passage tells where it lies."""

from __future__ import annotations

import random
from typing import Any

import pytest

from media.passages import (
    ENOUGH_WORDS,
    FEW_WORDS,
    MOST_CHARACTERS,
    MOST_WORDS,
    Paragraph,
    count_words,
    cut,
)
from tests.media.texts import JAPANESE, SENTENCE

pytestmark = pytest.mark.usefixtures("quiet")


def paragraphs(*texts: str, **marked: Any) -> list[Paragraph]:
    return [Paragraph(text, "line", ((0, n),), **marked) for n, text in enumerate(texts, 1)]


def test_short_paragraphs_are_joined() -> None:
    short = SENTENCE.strip()  # 14 words
    cuts = list(cut(paragraphs(*[short] * 7)))
    assert [passage.words for passage in cuts] == [42, 42, 14]
    assert cuts[0].text == "\n".join([short] * 3)
    assert [passage.place for passage in cuts] == [{"line": 1}, {"line": 4}, {"line": 7}]


def test_a_long_paragraph_is_cut_into_like_parts_at_sentence_ends() -> None:
    cuts = list(cut(paragraphs(SENTENCE * 16)))  # 224 words
    assert len(cuts) == 3
    for passage in cuts:
        assert passage.text.endswith("bank.")
        assert passage.text.startswith("The quick")
        assert 56 <= passage.words <= 98


def test_a_heading_stays_with_what_follows() -> None:
    before = Paragraph(SENTENCE * 2, "line", ((0, 1),))  # 28 words: joined, were there no heading
    heading = Paragraph("Of Rivers", "line", ((0, 5),), opens=True)
    after = Paragraph(SENTENCE * 3, "line", ((0, 6),))
    first, second = cut([before, heading, after])
    assert second.text.startswith("Of Rivers\nThe quick")
    assert second.place == {"line": 5}
    assert first.text == (SENTENCE * 2).strip()
    # and where there are enough words before, they do not take the heading along
    held = Paragraph("word " * (ENOUGH_WORDS - 1), "line", ((0, 1),))
    assert [p.text[:9] for p in cut([held, heading, after])] == ["word word", "Of Rivers"]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones at No. 5 of St. James St. on a Monday",
        "It costs 3.5 pounds, e.g. in London, i.e. far too much vs. last year",
        "J. S. Bach wrote it. and so on",
        "Wait... what was that",
    ],
)
def test_abbreviations_do_not_end_sentences(text: str) -> None:
    from media.passages import _sentences

    assert len(list(_sentences(text))) == 1


def test_sentences_end() -> None:
    from media.passages import _sentences

    text = 'He said: "Go!" She went. Why? Nobody knew… Then it rained.'
    found = [text[a:b].strip() for a, b in _sentences(text)]
    assert found == ['He said: "Go!"', "She went.", "Why?", "Nobody knew…", "Then it rained."]


def test_no_word_is_cut_and_none_is_lost() -> None:
    random_ = random.Random(3)
    for _ in range(60):
        texts = []
        for _ in range(random_.randrange(1, 6)):
            count = random_.choice([1, 5, 30, 200, 600])
            tokens = [
                "".join(random_.choice("abcdéß字") for _ in range(random_.randrange(1, 30)))
                + random_.choice(["", "", "", ".", ",", "? ", ";", "。"])
                for _ in range(count)
            ]
            texts.append(" ".join(" ".join(tokens).split()))
        cuts = list(cut(paragraphs(*texts)))
        joined = " ".join(passage.text for passage in cuts)
        # spaces between ideographs may go, the ones between words may not
        assert [w for w in joined.split() if w.isascii()] == [
            w for w in " ".join(texts).split() if w.isascii()
        ]
        assert "".join(joined.split()) == "".join("".join(texts).split())
        for passage in cuts:
            assert len(passage.text) <= MOST_CHARACTERS + len(texts)
            assert passage.words <= MOST_WORDS
            assert passage.words == count_words(passage.text)


def test_a_sentence_without_end_is_cut_after_a_comma() -> None:
    sentence = ", ".join(["and then they went on and on"] * 40)
    cuts = list(cut(paragraphs(sentence)))
    assert len(cuts) > 2
    assert all(passage.text.endswith((",", "on")) for passage in cuts)


def test_what_has_no_spaces() -> None:
    cuts = list(cut(paragraphs("x" * 5000)))
    assert "".join("".join(p.text.split()) for p in cuts) == "x" * 5000
    assert max(len(p.text) for p in cuts) <= MOST_CHARACTERS
    cuts = list(cut(paragraphs(JAPANESE * 20)))
    assert "".join(p.text for p in cuts) == JAPANESE * 20
    assert all(p.text.endswith("。") for p in cuts)
    assert count_words("日本語 and English") == 5


def test_a_place_is_where_the_passage_begins() -> None:
    text = SENTENCE * 16
    marks = [(i * len(SENTENCE), 10 + i) for i in range(16)]
    for passage in cut([Paragraph(text, "line", marks)]):
        assert passage.place["line"] in range(10, 26)
    lines = [p.place["line"] for p in cut([Paragraph(text, "line", marks)])]
    assert lines == sorted(set(lines))
    assert lines[0] == 10


def test_few_words_are_kept_with_their_like() -> None:
    assert 0 < FEW_WORDS < ENOUGH_WORDS < MOST_WORDS
