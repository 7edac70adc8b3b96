"""CLIP-style text and image towers through open_clip: any of its models, by name or from a folder.

A Clip is everything needed to run such a pair except the running itself: the two networks as
recipes, the picture preprocessing that belongs to the weights, and the tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.runtime import Recipe
from encoders.weights import cache_dir, write_whole

if TYPE_CHECKING:
    import torch
    from PIL import Image

Array = np.ndarray[Any, Any]


ANSWER_SECONDS = 5.0  # that the model hub is given to say that it is there


class SpaceError(Exception):
    """A space that cannot be loaded or used as asked; the message says what to do."""


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the image tower's input: travels with the weights, as data."""

    size: tuple[int, int]
    """(height, width) in pixels."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    """shortest: fill the frame and cut the middle out; longest: fit in and fill up; squash."""
    fill_color: int = 0
    crop: float = 1.0
    """With shortest: the share of the shorter side that is kept."""
    squeeze: float = 1.0
    """With shortest: by how much the longer side is squeezed before anything of it is cut off."""

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Preprocess:
        """What `asdict` gave and JSON kept; fields that are no more are passed over."""
        own = {
            field.name: fields[field.name]
            for field in dataclass_fields(cls)
            if field.name in fields
        }
        return cls(**own | {name: tuple(own[name]) for name in ("size", "mean", "std")})

    def __call__(self, image: Image.Image) -> Array:
        """Resize and crop an RGB picture: uint8 (height, width, 3).

        Where nothing is squeezed, equal to open_clip's `image_transform`, but for the scaling of
        numbers, which the network does, and for the rounding of a value halfway between two.
        """
        from PIL import Image

        filter_ = Image.Resampling[self.interpolation.upper()]
        height, width = self.size
        if self.resize_mode == "squash":
            return np.array(image.resize((width, height), filter_))
        if self.resize_mode == "longest":
            scale = 1 / max(image.height / height, image.width / width)
            inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            resized = image.resize(inner, filter_)
            canvas = Image.new("RGB", (width, height), (self.fill_color,) * 3)
            corner = (round((width - inner[0]) / 2), round((height - inner[1]) / 2))
            canvas.paste(resized, corner)
            return np.array(canvas)
        # torchvision's Resize truncates the longer side, so this does as well
        short = min(image.width, image.height)
        wide, high = int(width / self.crop), int(height / self.crop)
        inner = (
            max(wide, int(wide * image.width / short / self.squeeze)),
            max(high, int(high * image.height / short / self.squeeze)),
        )
        # of the resized picture only what is cut out is made
        left, top = round((inner[0] - width) / 2), round((inner[1] - height) / 2)
        across, down = image.width / inner[0], image.height / inner[1]
        box = (left * across, top * down, (left + width) * across, (top + height) * down)
        within = (*box[:2], min(box[2], image.width), min(box[3], image.height))
        cut = image.resize((width, height), filter_, within)
        return np.array(cut)


@dataclass(frozen=True)
class Clip:
    """A text tower and an image tower into one space, described."""

    name: str
    dim: int
    preprocess: Preprocess
    tokenize: Callable[[Sequence[str]], Array]
    """Texts to token ids, int64 (n, tokens)."""
    text: Recipe
    """Token ids to embeddings (n, dim)."""
    image: Recipe
    """uint8 pictures (n, height, width, 3) to embeddings (n, dim)."""
    version: str = ""
    """Vectors of another version of the space do not compare with these."""
    place: Callable[[Sequence[str]], Array] | None = None
    """Where sounds with these captions lie: (n, dim); None: where the text tower puts them."""
    padding: int = 0
    """The token that short texts are filled up with."""


def image_module(model: Any, preprocess: Preprocess) -> torch.nn.Module:
    """The image tower of an open_clip model, fed with uint8 pictures (n, height, width, 3)."""
    import torch
    from torch import nn

    class ImageTower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = model.visual
            shape = (1, 3, 1, 1)
            self.mean = nn.Buffer(255 * torch.tensor(preprocess.mean).reshape(shape))
            self.std = nn.Buffer(255 * torch.tensor(preprocess.std).reshape(shape))

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            x = (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return torch.nn.functional.normalize(self.visual(x), dim=-1)

    return ImageTower().eval()


def text_module(model: Any) -> torch.nn.Module:
    """The text tower of an open_clip model, fed with token ids."""
    import torch

    class TextTower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(self.model.encode_text(tokens), dim=-1)

    return TextTower().eval()


def alike_in_length(texts: Sequence[str], size: int) -> Iterator[Array]:
    """The places of texts, so many at a time: a batch is as slow as its longest text is long."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(texts), size):
        yield order[start : start + size]


@contextmanager
def loading(name: str, offer: str, *, hub: bool) -> Iterator[None]:
    """Within it a library builds the network of the space `name`; SpaceError if it cannot.

    Where the model hub is needed, it is asked first whether it is there. If not, only what was
    fetched before is looked for, at once: the hub's client tries every file six times, which takes
    most of a minute and fills the screen.

    Args:
        offer: what can be done about it.
        hub: the weights may have to be fetched.
    """
    from huggingface_hub import constants

    silent, offline = logging.root.manager.disable, constants.HF_HUB_OFFLINE
    there = not hub or (not offline and _answers(constants.ENDPOINT))
    logging.disable(logging.ERROR)
    constants.HF_HUB_OFFLINE = offline or not there
    try:
        yield
    except SpaceError:
        raise
    except Exception as error:  # open_clip, timm, the hub and damaged files raise whatever comes up
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        if not there and _was_sought(error):
            reason = f"it was not fetched before, and {constants.ENDPOINT} is not in reach"
        raise SpaceError(f"The space {name} could not be loaded ({reason}): {offer}.") from error
    finally:
        logging.disable(silent)
        constants.HF_HUB_OFFLINE = offline


def _answers(address: str) -> bool:
    from huggingface_hub import get_session

    try:
        get_session().head(address, timeout=ANSWER_SECONDS)
    except Exception:  # of whatever library the hub's client speaks through
        return False
    return True


def _was_sought(error: BaseException | None) -> bool:
    """Whether the hub was to be asked, as far as the error and those it comes from tell."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    while error is not None:
        if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
            return True
        error = error.__cause__ or error.__context__
    return False


def open_clip_model(name: str) -> Clip:
    """Describe an open_clip model: `MODEL/PRETRAINED` or `local-dir:PATH`.

    The weights of MODEL/PRETRAINED are fetched by open_clip from the hub they are published on,
    once. Raises SpaceError when the model is unknown or its weights cannot be had.
    """
    model_name, pretrained = _split(name)

    @cache
    def load() -> Any:
        import open_clip

        offer = "check the name with `python app.py models`, connect to the network once, or use "
        with loading(name, f"{offer}local-dir:PATH", hub=pretrained is not None):
            return open_clip.create_model(model_name, pretrained=pretrained).eval()

    if pretrained is None:
        name = model_name  # the whole path: "local-dir:clip" is another model in another folder
    key = _key(name)
    card_path = cache_dir() / "networks" / f"{key}.json"
    if not card_path.exists():
        config = load().visual.preprocess_cfg
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else size
        preprocess = Preprocess(
            (height, width),
            tuple(config["mean"]),
            tuple(config["std"]),
            config.get("interpolation") or "bicubic",
            config.get("resize_mode") or "shortest",
            config.get("fill_color") or 0,
        )
        _write_card(card_path, load(), preprocess, model_name)
    card = json.loads(card_path.read_text("utf-8"))
    preprocess = Preprocess.read(card["preprocess"])
    picture = np.zeros((2, *preprocess.size, 3), dtype=np.uint8)
    tokens = np.zeros((2, card["context_length"]), dtype=np.int64)
    tokens[:, 0] = 1  # some towers look for the end-of-text token: any place will do
    return Clip(
        name=name,
        version="2",  # of the audio adapter and its corpus: their sounds lie elsewhere than before
        dim=card["dim"],
        preprocess=preprocess,
        tokenize=lambda texts: _open_clip_tokenizer(model_name)(list(texts)).numpy(),
        text=Recipe(f"{key}-text", lambda: text_module(load()), tokens),
        image=Recipe(f"{key}-image", lambda: image_module(load(), preprocess), picture, chunk=2),
        padding=card.get("padding", 0),
    )


def _split(name: str) -> tuple[str, str | None]:
    if name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:")).expanduser()
        if not (folder / "open_clip_config.json").is_file():
            raise SpaceError(
                f"{folder} holds no open_clip_config.json: give the folder of a saved open_clip "
                "model, with its configuration and weights."
            )
        return f"local-dir:{folder.resolve()}", None
    model, _, pretrained = name.partition("/")
    if not pretrained:
        raise SpaceError(
            f"There is no space {name!r}: use 'embedded', MODEL/PRETRAINED such as "
            "ViT-B-32/laion2b_s34b_b79k (`python app.py models` lists them), or local-dir:PATH."
        )
    return model, pretrained


def _key(name: str) -> str:
    """A file name for the converted towers: other weights in the same folder get another one."""
    content = name
    if name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:")).expanduser().resolve()
        states = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir()]
        content = f"{folder} {sorted(states)}"
    slug = "".join(c if c.isalnum() else "-" for c in name.rpartition(":")[2])[-40:].strip("-")
    return f"{slug}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _write_card(path: Path, model: Any, preprocess: Preprocess, model_name: str) -> None:
    import torch

    tokens = _open_clip_tokenizer(model_name)(["a"])
    with torch.inference_mode():
        dim = int(model.encode_text(tokens).shape[-1])
    # open_clip's own tokenizer fills up with zeros, those of Hugging Face tell
    inner = getattr(_open_clip_tokenizer(model_name), "tokenizer", None)
    card = {
        "dim": dim,
        "context_length": int(tokens.shape[-1]),
        "padding": getattr(inner, "pad_token_id", None) or 0,
        "preprocess": asdict(preprocess),
    }
    write_whole(path, lambda part: part.write_text(json.dumps(card), "utf-8"))


@cache
def _open_clip_tokenizer(model_name: str) -> Any:
    import open_clip

    return open_clip.get_tokenizer(model_name)
