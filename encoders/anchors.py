"""Anchors: words, pictures and sounds of the embedded space, by their likeness to known concepts.

The text tower learned from text alone: for it "a cat" is nearly as close to "a dog" as to "a
Siamese cat". So a text is described by its attention to a bank of anchor texts, a softmax over
its cosines, and a picture or a sound by how far it shows each anchor; both are compared there
(relative representations, Moschella et al. 2023). There are two banks: what the image network
can tell apart, ImageNet's classes and the kinds that WordNet puts them into; and what is heard
in the corpus of sounds, its captions. Of each bank a pair of linear maps, one of the texts' side,
one of the media's, keeps in fewer numbers what tells common words and the labels apart. The parts
of both banks beside each other are the vector. A text has a third part, its principal components
in the text encoder's own space, by which texts find texts; pictures and sounds have none of it.

    python -m encoders.anchors DATA.NOUN PICTURES.CSV [--out FILE]

fits them again: DATA.NOUN is that file of WordNet 3.0 (Debian: wordnet-base), PICTURES.CSV what
benchmarks/pictures.py makes.
"""

from __future__ import annotations

import csv
import json
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from encoders.adapter import embed_captions, shipped_corpus

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]
Encode = Callable[[Sequence[str]], Array]

IMAGE_DIM, SOUND_DIM = 640, 128
WORDS_DIM = 128
DIM = IMAGE_DIM + SOUND_DIM + WORDS_DIM
IMAGE_TEMPERATURE, SOUND_TEMPERATURE = 0.12, 0.15
"""Of a text's attention to the anchors."""
LABEL_TEMPERATURE = 0.05
"""Of the attention by which a label of one bank is placed in the other."""
KIND_WEIGHT = 0.5
"""How much the kinds ("dog", "animal") count beside the classes themselves."""
ROOT = 0.25
"""Power to which probabilities are raised as evidence: with 1 only a picture's most likely class
would count, with 0 none more than another; of 0.1 to 0.6 this did best on photographs."""
OTHER_WEIGHT = 0.15
"""Length of a picture's part in the bank of sounds, and of a sound's in the bank of pictures:
they make pictures and sounds comparable, and should count little when words are looked for."""
WORDS_WEIGHT = 2.8
"""Length of a text's own part, the other two being 1 long: between texts it decides nearly alone,
and against pictures and sounds it changes no order, where all texts have as much of it."""
SMALLEST_KIND, LARGEST_KIND = 2, 450
"""Classes of a kind: "entity" tells nothing apart."""
WORDS = 6_000
"""Common nouns that the linear maps are fitted to."""
SENTENCES = 8_000
"""Definitions that the principal components of texts are fitted to, and as many nouns."""


@dataclass(frozen=True)
class Bank:
    """Anchors of one sort, and the maps of both sides."""

    names: tuple[str, ...]
    """(anchors,)"""
    centre: Array
    """(anchors,): the mean attention, subtracted from every text's."""
    text_map: Array
    """(anchors, dim): from a text's attention, less its centre."""
    evidence_map: Array
    """(anchors, dim): from a picture's or a sound's evidence, less its centre."""


@dataclass(frozen=True)
class Anchors:
    """What the towers' heads are built of."""

    image: Bank
    """ImageNet's classes, then the kinds."""
    sound: Bank
    """The captions of the corpus of sounds."""
    members: Array
    """(classes, kinds): 1 where a class is of a kind, else 0."""
    evidence_centre: Array
    """(classes + kinds,): mean evidence of pictures."""
    class_sounds: Array
    """(classes, SOUND_DIM): where the classes' names lie in the bank of sounds."""
    words_centre: Array
    """(d,): the mean of the text encoder's output."""
    words_map: Array
    """(d, WORDS_DIM): the text encoder's principal components."""

    def save(self, path: Path) -> None:
        """Write them, in float16."""
        tensors = {name: np.asarray(getattr(self, name)) for name in _TENSORS}
        for bank in _BANKS:
            for name in _BANK_TENSORS:
                tensors[f"{bank}.{name}"] = getattr(getattr(self, bank), name)
        narrow: dict[str, Array] = {
            name: np.ascontiguousarray(t, np.float16) for name, t in tensors.items()
        }
        narrow["members"] = np.packbits(self.members.astype(bool), axis=1)
        save_file(narrow, path, {bank: json.dumps(getattr(self, bank).names) for bank in _BANKS})

    @classmethod
    def load(cls, path: Path) -> Anchors:
        """Read what `save` wrote."""
        with safe_open(path, framework="numpy") as opened:
            about = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        members = np.unpackbits(tensors.pop("members"), axis=1)
        wide = {name: t.astype(np.float32) for name, t in tensors.items()}
        banks = {
            bank: Bank(
                tuple(json.loads(about[bank])), *(wide[f"{bank}.{name}"] for name in _BANK_TENSORS)
            )
            for bank in _BANKS
        }
        kinds = len(wide["evidence_centre"]) - len(members)
        return cls(
            banks["image"],
            banks["sound"],
            members[:, :kinds].astype(np.float32),
            wide["evidence_centre"],
            wide["class_sounds"],
            wide["words_centre"],
            wide["words_map"],
        )


_BANKS = ("image", "sound")
_BANK_TENSORS = ("centre", "text_map", "evidence_map")
_TENSORS = ("members", "evidence_centre", "class_sounds", "words_centre", "words_map")


@cache
def shipped_anchors() -> Anchors:
    """The anchors that come with the project."""
    return Anchors.load(_shipped())


@cache
def anchors_digest() -> str:
    """Names the shipped anchors' content, short: networks made of other ones are of no use."""
    return f"{zlib.crc32(_shipped().read_bytes()):08x}"


def _shipped() -> Path:
    return Path(str(files("assets").joinpath("anchors.safetensors")))


def attend(texts: Array, anchors: Array, temperature: float) -> Array:
    """Attention of texts (n, d) to anchors (m, d), unit rows all: (n, m), rows of sum 1."""
    cosines = texts @ anchors.T / temperature
    powers = np.exp(cosines - cosines.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def find_evidence(probabilities: Array, members: Array) -> Array:
    """How far pictures show each anchor.

    Roots, so that what a picture shows besides its most likely class is not lost.

    Args:
        probabilities: (n, classes), rows of sum 1.
        members: (classes, kinds), as in Anchors.

    Returns:
        (n, classes + kinds)
    """
    kinds = KIND_WEIGHT * (probabilities @ members) ** ROOT
    return np.concatenate([probabilities**ROOT, kinds], axis=1)


# --- the towers' heads ------------------------------------------------------------------------


def text_head(anchors: Anchors, image_texts: Array, caption_texts: Array) -> torch.nn.Module:
    """From the text encoder's output (n, d) to the space (n, DIM).

    Args:
        anchors: the maps.
        image_texts: (classes + kinds, d): the text encoder's output for these anchors.
        caption_texts: (captions, d).
    """
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    class Attention(nn.Module):
        def __init__(self, bank: Bank, texts: Array, temperature: float) -> None:
            super().__init__()
            self.texts = nn.Buffer(torch.from_numpy(texts.T.copy()))
            self.centre = nn.Buffer(torch.from_numpy(bank.centre))
            self.map = nn.Buffer(torch.from_numpy(bank.text_map))
            self.temperature = temperature

        def forward(self, text: torch.Tensor) -> torch.Tensor:
            attention = (text @ self.texts / self.temperature).softmax(dim=-1)
            return normalize((attention - self.centre) @ self.map, dim=-1)

    class TextHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = Attention(anchors.image, image_texts, IMAGE_TEMPERATURE)
            self.sound = Attention(anchors.sound, caption_texts, SOUND_TEMPERATURE)
            self.centre = nn.Buffer(torch.from_numpy(anchors.words_centre))
            self.map = nn.Buffer(torch.from_numpy(anchors.words_map))

        def forward(self, text: torch.Tensor) -> torch.Tensor:
            text = normalize(text, dim=-1)
            words = normalize((text - self.centre) @ self.map, dim=-1)
            return torch.cat([self.image(text), self.sound(text), WORDS_WEIGHT * words], dim=-1)

    return TextHead().eval()


def probability_head(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Module:
    """From the image network's last map (n, channels, height, width) to probabilities (n, classes).

    Those of the whole picture, their mean over its cells and their largest over its cells in
    equal parts: small things in a large picture are seen as well.

    Args:
        weight: (classes, channels) of the network's classifier.
        bias: (classes,).
    """
    from torch import nn

    class ProbabilityHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(weight.shape[1], weight.shape[0])
            self.classifier.load_state_dict({"weight": weight, "bias": bias})

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            whole = self.classifier(features.mean(dim=(2, 3))).softmax(dim=-1)
            cells = self.classifier(features.flatten(2).transpose(1, 2)).softmax(dim=-1)
            largest = cells.amax(dim=1)
            largest = largest / largest.sum(dim=-1, keepdim=True)
            mean: torch.Tensor = (whole + cells.mean(dim=1) + largest) / 3
            return mean

    return ProbabilityHead().eval()


def image_head(anchors: Anchors, weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Module:
    """From the image network's last map (n, channels, height, width) to the space (n, DIM)."""
    import torch
    from torch import nn
    from torch.nn.functional import normalize, pad

    class ImageHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.probabilities = probability_head(weight, bias)
            self.members = nn.Buffer(torch.from_numpy(anchors.members))
            self.centre = nn.Buffer(torch.from_numpy(anchors.evidence_centre))
            self.map = nn.Buffer(torch.from_numpy(anchors.image.evidence_map))
            self.sounds = nn.Buffer(torch.from_numpy(anchors.class_sounds))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            probabilities = self.probabilities(features)
            kinds = KIND_WEIGHT * (probabilities @ self.members) ** ROOT
            evidence = torch.cat([probabilities**ROOT, kinds], dim=-1) - self.centre
            seen = normalize(evidence @ self.map, dim=-1)
            heard = normalize(probabilities @ self.sounds, dim=-1)
            return pad(torch.cat([seen, OTHER_WEIGHT * heard], dim=-1), (0, WORDS_DIM))

    return ImageHead().eval()


def place_captions(anchors: Anchors, shares: Array, image_shares: Array) -> Array:
    """Where sounds with some captions lie, before scaling to length 1: (n, DIM).

    Args:
        anchors: the maps.
        shares: (n, captions): 1 at a caption that is an anchor itself, else attention to them.
        image_shares: (n, classes + kinds): the captions' attention to the anchors for pictures.
    """
    heard = (shares - 1 / shares.shape[1]) @ anchors.sound.evidence_map
    roots = np.sqrt(image_shares)
    seen = (roots - roots.mean(axis=0)) @ anchors.image.evidence_map
    length = np.sqrt((heard**2).sum(axis=1).mean())
    seen *= OTHER_WEIGHT * length / max(np.sqrt((seen**2).sum(axis=1).mean()), 1e-9)
    rest = np.zeros((len(heard), WORDS_DIM))
    return np.concatenate([seen, heard, rest], axis=1).astype(np.float32)


# --- fitting ----------------------------------------------------------------------------------


def fit_anchors(
    encode: Encode,
    captions: Sequence[str],
    words: Sequence[str],
    kinds: dict[str, list[int]],
    probabilities: Array,
    sentences: Sequence[str],
) -> Anchors:
    """Fit the maps. A minute; the same input gives the same output.

    Args:
        encode: the text encoder: texts to (n, d), unit rows.
        captions: what is heard in the corpus of sounds.
        words: what people may type; the maps keep these apart.
        kinds: name and classes of each kind.
        probabilities: (pictures, classes) of some pictures of all sorts, for the evidence's mean
            and spread.
        sentences: texts of all sorts, for the principal components.
    """
    from open_clip import IMAGENET_CLASSNAMES

    names = [*IMAGENET_CLASSNAMES, *kinds]
    classes = len(IMAGENET_CLASSNAMES)
    image_texts, caption_texts = encode(names), embed_captions(captions, encode)
    typed = encode(words)

    members = np.zeros((classes, len(kinds)), dtype=np.float32)
    for column, indices in enumerate(kinds.values()):
        members[indices, column] = 1
    evidence, labels = (
        find_evidence(probabilities, members),
        find_evidence(np.eye(classes), members),
    )
    image = _fit_bank(
        names,
        image_texts,
        typed,
        # pictures of one thing alone, and such as there are: drawings alone would be too few sorts
        np.concatenate([labels - labels.mean(axis=0), evidence - evidence.mean(axis=0)]),
        IMAGE_TEMPERATURE,
        IMAGE_DIM,
    )
    heard = np.eye(len(captions))
    sound = _fit_bank(
        captions,
        caption_texts,
        typed,
        heard - heard.mean(axis=0),
        SOUND_TEMPERATURE,
        SOUND_DIM,
    )
    shares = attend(image_texts[:classes], caption_texts, LABEL_TEMPERATURE)
    words_centre, words_map = _fit_words(encode(sentences))
    return Anchors(
        image=image,
        sound=sound,
        members=members,
        evidence_centre=evidence.mean(axis=0),
        class_sounds=(shares - shares.mean(axis=0)) @ sound.evidence_map,
        words_centre=words_centre,
        words_map=words_map,
    )


def _fit_words(texts: Array) -> tuple[Array, Array]:
    """Mean (d,) and first principal components (d, WORDS_DIM) of embedded texts (n, d)."""
    centre = texts.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(texts - centre, rowvar=False))
    axes = axes[:, : -WORDS_DIM - 1 : -1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(WORDS_DIM)])  # else left to chance
    return centre, axes * signs


def _fit_bank(
    names: Sequence[str],
    texts: Array,
    typed: Array,
    evidence: Array,
    temperature: float,
    dim: int,
) -> Bank:
    """The pair of maps to `dim` numbers that changes least the products of both sides.

    Of all such pairs it is the one that only turns the media's side: a picture whose evidence lies
    outside is not made longer than another, which would change their order once both have length 1.

    Args:
        names: (anchors,).
        texts: (anchors, d), embedded.
        typed: (words, d): the texts' side is spread like the attention of these.
        evidence: (media, anchors), of mean zero: the media's side is spread like this.
        temperature: of the attention.
        dim: of the maps.
    """
    centre = attend(texts, texts, temperature).mean(axis=0)
    attention = attend(typed, texts, temperature).astype(np.float64) - centre
    attention /= np.linalg.norm(attention, axis=1, keepdims=True)
    spread = evidence / np.linalg.norm(evidence, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(spread.T @ spread / len(spread))
    values = np.sqrt(np.maximum(values, 0) + 1e-6)
    root, inverse = (vectors * values) @ vectors.T, (vectors / values) @ vectors.T
    # the right singular vectors of attention @ root, largest first
    _, axes = np.linalg.eigh(root @ (attention.T @ attention) @ root)
    axes = axes[:, : -dim - 1 : -1]
    left, lengths, right = np.linalg.svd(inverse @ axes, full_matrices=False)
    turn = right.T * lengths @ right  # by which the media's map comes to have orthonormal columns
    text_map = root @ axes @ turn
    # the texts' scale is free: such that float16 holds it
    return Bank(tuple(names), centre, text_map / np.abs(text_map).max(), left @ right)


def read_kinds(data_noun: Path) -> dict[str, list[int]]:
    """The kinds that WordNet puts ImageNet's classes into: name and classes of each.

    Args:
        data_noun: WordNet 3.0's file data.noun; ImageNet's classes are named by its offsets.
    """
    from open_clip import IMAGENET_CLASSNAMES
    from timm.data.imagenet_info import ImageNetInfo

    names: dict[str, str] = {}
    above: dict[str, list[str]] = {}
    for line in data_noun.read_text("utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields = line.partition(" | ")[0].split(" ")
        count = int(fields[3], 16)
        names[fields[0]] = fields[4].replace("_", " ")
        pointers = fields[5 + 2 * count :]
        above[fields[0]] = [
            pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] in ("@", "@i")
        ]

    def ancestors(offset: str) -> set[str]:
        found: set[str] = set()
        waiting = [offset]
        while waiting:
            new = [o for o in above[waiting.pop()] if o not in found]
            found.update(new)
            waiting.extend(new)
        return found

    info = ImageNetInfo()
    members: dict[str, list[int]] = {}
    for index in range(len(IMAGENET_CLASSNAMES)):
        for offset in ancestors(info.index_to_label_name(index)[1:]):
            members.setdefault(offset, []).append(index)
    kept = [o for o, c in members.items() if SMALLEST_KIND <= len(c) <= LARGEST_KIND]
    kinds: dict[str, list[int]] = {}
    for offset in sorted(kept, key=lambda o: (-len(members[o]), o)):
        # one name for several kinds ("cabinet"): the larger one has it
        kinds.setdefault(names[offset], members[offset])
    return kinds


def read_words(data_noun: Path, vocabulary: dict[str, int]) -> list[str]:
    """The WORDS commonest nouns among a tokenizer's whole words, whose order is their frequency."""
    index = data_noun.with_name("index.noun").read_text("utf-8").splitlines()
    nouns = {line.partition(" ")[0] for line in index if not line.startswith(" ")}
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    whole = (w for w in ordered if len(w) > 2 and w.isascii() and w.isalpha())
    return [word for word in whole if word in nouns][:WORDS]


def read_sentences(data_noun: Path) -> list[str]:
    """SENTENCES of WordNet's nouns, from all over it, and as many of their definitions."""
    lines = [line for line in data_noun.read_text("utf-8").splitlines() if line[:1] != " "]
    chosen = [lines[i] for i in np.linspace(0, len(lines) - 1, SENTENCES).astype(int)]
    nouns = [line.split(" ")[4].replace("_", " ") for line in chosen]
    return nouns + [line.partition(" | ")[2].partition(";")[0].strip() for line in chosen]


FITTED_PACKAGES = ("fonts-noto-color-emoji", "openclipart-svg")
"""Drawings of all sorts; nothing is tested on them."""


def read_fitted(manifest: Path) -> list[Path]:
    """The pictures of FITTED_PACKAGES, each once, in the manifest's order."""
    with manifest.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["package"] in FITTED_PACKAGES]
    return list(dict.fromkeys(manifest.parent / row["path"] for row in rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the anchors from WordNet, clip-art and the shipped corpus. Returns the exit code."""
    import argparse

    from encoders.embedded import classify_pictures, encode_words, word_vocabulary

    parser = argparse.ArgumentParser(
        prog="python -m encoders.anchors", description="Fit the embedded space's anchors again."
    )
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0, index.noun beside")
    parser.add_argument("pictures", type=Path, help="CSV file with the columns path and package")
    parser.add_argument("--out", type=Path, default=Path("assets/anchors.safetensors"))
    options = parser.parse_args(arguments)
    try:
        kinds = read_kinds(options.data_noun)
        words = read_words(options.data_noun, word_vocabulary())
        sentences = read_sentences(options.data_noun)
        paths = read_fitted(options.pictures)
    except (OSError, KeyError, ValueError) as error:
        print(f"The anchors cannot be fitted from these files: {error}.", file=sys.stderr)
        return 1
    captions = shipped_corpus().captions
    anchors = fit_anchors(encode_words, captions, words, kinds, classify_pictures(paths), sentences)
    anchors.save(options.out)
    print(
        f"{options.out}: {len(kinds)} kinds, {len(captions)} captions, {len(words)} words, "
        f"{len(paths)} pictures."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
