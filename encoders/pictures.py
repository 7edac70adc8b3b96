"""ResNet and its kin as a space of pictures alone: any network of timm, without its classifier.

It has no text tower, so nothing in it is found by words; pictures and films find their like.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from encoders.runtime import Recipe, is_built, load_network
from encoders.space import Space
from encoders.towers import Clip, Preprocess, SpaceError, image_module, loading
from encoders.weights import Progress, cache_dir, write_whole

Array = np.ndarray[Any, Any]


class PictureSpace(Space):
    """The pooled features of a timm network, at length 1."""

    modalities = frozenset({"image"})
    reads_text = False

    def __init__(self, name: str, progress: Progress | None = None) -> None:
        """`name` is `resnet:MODEL`, with weights from the hub that timm knows for it, or
        `resnet:MODEL=FILE`, with a file of weights. Raises SpaceError."""
        super().__init__(_describe(name), progress)

    def build(self) -> None:
        """Convert the network now, if it is not cached."""
        if not is_built(self._clip.image):
            self._tell("Preparing the image tower", 0, 0)
            load_network(self._clip.image)
            self._tell("Preparing the image tower", 1, 1)

    def prepare(self, modality: str, content: Any) -> Any:
        """As in Space, for pictures."""
        if modality != "image":
            raise self._refusal(modality)
        return super().prepare(modality, content)

    def encode(self, modality: str, prepared: Sequence[Any]) -> Array:
        """As in Space, for pictures."""
        if modality != "image":
            raise self._refusal(modality)
        return super().encode(modality, prepared)

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """Always raises SpaceError."""
        raise self._refusal("text")

    def _refusal(self, modality: str) -> SpaceError:
        what = "read words" if modality == "text" else f"have an encoder for {modality!r}"
        return SpaceError(
            f"The space {self.name} knows pictures alone and does not {what}: search by a picture, "
            "or use the space embedded or an open_clip model."
        )


def _describe(name: str) -> Clip:
    model_name, equals, path = name.partition(":")[2].partition("=")
    file = Path(path).expanduser().resolve() if equals else None
    if not model_name or (file is not None and not file.is_file()):
        raise SpaceError(
            f"There are no weights for {name!r}: write resnet:MODEL with a model of timm, such as "
            "resnet:resnet50.a1_in1k, or resnet:MODEL=FILE with a file of its weights."
        )
    if file is not None:
        name = f"resnet:{model_name}={file}"
        state = file.stat()
        content = f"{name} {state.st_size} {state.st_mtime_ns}"
    else:
        content = name

    @cache
    def load() -> Any:
        return _load(name, model_name, file)

    key = f"resnet-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    card_path = cache_dir() / "networks" / f"{key}.json"
    if not card_path.exists():
        card = _card(load(), file)
        write_whole(card_path, lambda part: part.write_text(json.dumps(card), "utf-8"))
    card = json.loads(card_path.read_text("utf-8"))
    preprocess = Preprocess.read(card["preprocess"])
    picture = np.zeros((2, *preprocess.size, 3), dtype=np.uint8)

    def image() -> Any:
        return image_module(SimpleNamespace(visual=load()), preprocess)

    def nothing(*_: Any) -> Any:
        raise SpaceError(f"The space {name} does not read words.")

    return Clip(
        name=name,
        dim=card["dim"],
        preprocess=preprocess,
        tokenize=nothing,
        text=Recipe(f"{key}-text", nothing, np.zeros((2, 2), dtype=np.int64)),
        image=Recipe(f"{key}-image", image, picture, chunk=2),
        version=f"1-{card['digest']}",
    )


def _load(name: str, model_name: str, file: Path | None) -> Any:
    """The network without its classifier, in evaluation mode."""
    import timm

    offer = (
        "check the name, connect to the network once, or give a file of weights as resnet:MODEL="
    )
    with loading(name, f"{offer}FILE", hub=file is None):
        model = timm.create_model(model_name, pretrained=file is None, num_classes=0)
        if file is not None:
            _fill(model, file)
    return model.eval()


def _fill(model: Any, file: Path) -> None:
    """Load the weights of a file, of which those of a classifier are left out."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(file)
    else:
        import torch

        state = torch.load(file, map_location="cpu", weights_only=True)
        for wrapped in ("state_dict", "model"):
            state = state.get(wrapped, state)
    kept = model.state_dict()
    other = [key for key, own in kept.items() if key not in state or state[key].shape != own.shape]
    if other:
        raise SpaceError(
            f"{file} does not hold the weights of this model: {len(other)} of {len(kept)} are "
            f"missing or of another shape, the first {other[0]}."
        )
    model.load_state_dict({key: state[key] for key in kept})


def _card(model: Any, file: Path | None) -> dict[str, Any]:
    import torch
    from timm import data

    resolve: Any = data.resolve_data_config  # type: ignore[attr-defined]
    config = resolve(model=model)
    channels, height, width = config["input_size"]
    if channels != 3:
        raise SpaceError(f"This model wants pictures of {channels} channels, not of three.")
    preprocess = Preprocess(
        (height, width),
        tuple(config["mean"]),
        tuple(config["std"]),
        interpolation=config["interpolation"],
        resize_mode={"squash": "squash", "border": "longest"}.get(config["crop_mode"], "shortest"),
        crop=config["crop_pct"],
    )
    digest = "hub"
    if file is not None:
        with file.open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()[:12]
    with torch.inference_mode():
        dim = int(model(torch.zeros(1, 3, height, width)).shape[-1])
    return {"dim": dim, "digest": digest, "preprocess": asdict(preprocess)}
