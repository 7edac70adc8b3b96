"""What the tests of texts share: sentences, and all that the library does with a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from media import MediaError, Segment, open_media
from media.passages import MOST_CHARACTERS

SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank. "
GERMAN = "Der Bär läuft über die grüne Straße, und die Möwen schreien laut über den Dächern. "
RUSSIAN = "Сегодня утром мы долго гуляли по тихому лесу и слушали пение птиц над рекой. "
GREEK = "Η θάλασσα ήταν ήρεμη και ο ήλιος έλαμπε πάνω από το μικρό λευκό χωριό. "
JAPANESE = "今日は天気がとても良いので、友達と一緒に公園へ散歩に行きました。"
CHINESE = "今天天气很好，我们一起去公园散步，看见了许多漂亮的花和小鸟。"


def read(path: Path) -> tuple[list[Segment], dict[str, Any]]:
    """Everything the library does with a text."""
    with open_media(path) as media:
        assert media.modality == "text"
        segments = list(media.segments())
        for segment in segments:
            assert segment.tower == "text"
            assert segment.content == segment.words
            assert segment.words.strip() == segment.words != ""
            assert len(segment.words) <= MOST_CHARACTERS
            assert (segment.start, segment.end, segment.node) == (None, None, None)
        preview = media.preview()
        assert (preview.mode, preview.size) == ("RGB", (384, 512))
        assert media.details["passages"] == len(segments)
        return segments, media.details


def words(path: Path) -> list[str]:
    return [segment.words for segment in read(path)[0]]


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def refused(path: Path, said: str) -> None:
    with pytest.raises(MediaError, match=said) as caught:
        read(path)
    sentence = str(caught.value)
    assert sentence.startswith(f'"{path.name}" ')
    assert all(c.isprintable() for c in sentence)
    assert len(sentence) < 250
