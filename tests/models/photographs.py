"""A few real photographs that lie on this machine: of scikit-image, else of Gradio. None is fetched."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

SIDE = 128  # px of the longer side: enough to tell them apart

_OF_SCIKIT = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_OF_GRADIO = ("bus.png", "cheetah1.jpg", "lion.jpg", "tower.jpg")


def photographs() -> list[Path]:
    """Four files."""
    for package, folder, names in (("skimage", "data", _OF_SCIKIT), ("gradio", "media_assets/images", _OF_GRADIO)):
        found = find_spec(package)
        if found is not None and found.origin is not None:
            return [Path(found.origin).parent / folder / name for name in names]
    raise AssertionError("umr needs gradio, which is not installed")


def write_photographs(folder: Path) -> list[Path]:
    """The same in small, as JPEG files in the folder; sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in photographs():
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            small.save(folder / f"{path.stem}.jpg", quality=90)
    return sorted(folder.glob("*.jpg"))
