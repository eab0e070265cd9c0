"""What a Space of the page is made of: the page, the chosen encoders and indexes, and the files that the Hub reads.

Not the sending (umr.deploy.upload). Nothing but what the page needs goes there: no training, no tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from umr.deploy.files import SpaceFile, files_under
from umr.deploy.hardware import Hardware, requirements
from umr.deploy.own_index import own_index_files
from umr.encoders.hub import is_hub, repository
from umr.encoders.store import check_hashes
from umr.errors import ConfigError
from umr.index.manifest import IndexManifest
from umr.ingest import CLIPS, IMAGES
from umr.rerank.config import read_config
from umr.rerank.fuse import FILE as FUSION
from umr.shipped import (
    BUNDLED,
    HUB,
    LICENCE,
    REPORTS,
    RERANKER,
    RERANKER_CONFIG,
    available,
    default_root,
    encoder_of_index,
    find_reranker,
    index_folder,
    repository_root,
)

INDEXES = "indexes"
README = "README.md"
CARD = README  # of a re-ranker, too
#: Endings of files that git must keep by LFS or Xet: the Hub refuses a push of them otherwise, whatever their size.
BINARY = sorted({*IMAGES, *CLIPS, ".safetensors", ".faiss", ".npy", ".gz", ".xz", ".zip"})
LARGE = 10 * 1024 * 1024  # bytes; a larger text goes the same way
TAGS = ("multimodal-retrieval", "composed-image-retrieval", "image-search", "video-search", "faiss", "mcp-server")
THUMBNAIL = "docs/search.webp"
#: The page's own files at the top of this repository; a Space starts the first.
TOP = ("app.py", "LICENSE", THUMBNAIL)
_BODY = """
# {title}

Drop in a picture, say what should be different, and see ranked images, passages, illustrated entries or clips, found
by one encoder that read picture and words together. What a visitor sends is sent to no other machine.

Encoders: {encoders}. Licence of the code and of the bundled weights and media: {licence} ([LICENSE](LICENSE)).

`/healthz` says whether the page answers, `/metrics` what it did (Prometheus text). How programs ask the page stands at
its foot. This folder was built by `{command}`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A Space to be.

    Attributes:
        name: OWNER/NAME on the Hub.
        hardware: what it is to run on.
        files: everything in it, sorted by path.
    """

    name: str
    hardware: Hardware
    files: tuple[SpaceFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def plan_space(
    name: str,
    machine: Hardware,
    encoders: Sequence[str] = (),
    indexes: Sequence[Path] = (),
    reranker: str | Path | None = None,
) -> Space:
    """All files of a Space.

    Args:
        name: OWNER/NAME.
        machine: what it is to run on.
        encoders: names of bundled encoders; none, and no index: all of them.
        indexes: index folders of one's own, each by another encoder than those named.
        reranker: the folder of a re-ranker, or a shipped one's name, which the page then offers; None: none.

    Raises:
        ConfigError: a name is none, an index, a re-ranker or a file of the page is not here, or two indexes are one
            encoder's.
        MismatchError: a manifest is not ours, or a file of the re-ranker is missing or changed.
    """
    repository(name)
    chosen = list(encoders) or ([] if indexes else available())
    if not chosen and not indexes:
        raise ConfigError("there is no bundled index to put there; name one of your own with --index DIR")
    bundled = [index_folder(encoder) for encoder in chosen]
    shown = [IndexManifest.read(folder).encoder_name for folder in (*bundled, *indexes)]
    twice = next((encoder for encoder in shown if shown.count(encoder) > 1), None)
    if twice is not None:
        raise ConfigError(f"two indexes are of the encoder {twice!r}; a page offers one of each, so leave one out")
    files = [*_page_files(), *_bundled_files(bundled)]
    for folder in indexes:
        files += own_index_files(folder, INDEXES)
    if reranker is not None:
        files += _reranker_files(find_reranker(str(reranker)))
    files.append(SpaceFile("requirements.txt", content=requirements(machine).encode()))
    command = f"python -m umr deploy space {name} --hardware {machine.name}"
    files.append(SpaceFile(README, content=_readme(name, machine, shown, hub_models((*bundled, *indexes)), command)))
    files.append(SpaceFile(".gitattributes", content=_attributes(files)))
    return Space(name=name, hardware=machine, files=tuple(sorted(files, key=lambda file: file.path)))


def hub_models(folders: Iterable[Path]) -> list[str]:
    """Repositories of the Hub that encoders of these indexes are loaded from, each once."""
    places = []
    for folder in folders:
        manifest = IndexManifest.read(folder)
        places.append(encoder_of_index(folder, manifest.encoder_at, manifest.encoder_name))
    return sorted({place.removeprefix(HUB).partition("@")[0] for place in places if is_hub(place)})


def _page_files() -> Iterator[SpaceFile]:
    root = repository_root()
    for name in TOP:
        if not (root / name).is_file():
            raise ConfigError(f"{root / name} is not there; a Space is built from a checkout of the repository")
        yield SpaceFile(name, source=root / name)
    yield from files_under(root / "umr", "umr")


def _bundled_files(folders: Sequence[Path]) -> Iterator[SpaceFile]:
    for folder in folders:
        for part in (BUNDLED, "encoder", REPORTS):
            yield from files_under(folder.parent / part, f"{INDEXES}/{folder.parent.name}/{part}")
    if folders:
        yield from files_under(default_root() / "media" / BUNDLED, f"{INDEXES}/media/{BUNDLED}")


def _reranker_files(folder: Path) -> Iterator[SpaceFile]:
    """What a re-ranker is read from, at the place where the page looks for the shipped one."""
    config = read_config(folder)
    check_hashes(config.files, folder, RERANKER_CONFIG, "re-ranker's")
    yield from files_under(folder, f"{INDEXES}/{RERANKER}", {*config.files, RERANKER_CONFIG, CARD, FUSION})


def _readme(name: str, machine: Hardware, encoders: Sequence[str], models: Sequence[str], command: str) -> bytes:
    path = repository_root() / README
    block = re.match(r"---\n(.*?)\n---\n", path.read_text("utf-8"), re.DOTALL) if path.is_file() else None
    if block is None:
        raise ConfigError(f"{path} does not begin with a Space's front matter (--- ... ---); take it from a checkout")
    kept = dict(line.split(":", 1) for line in block[1].splitlines() if ":" in line)
    matter = {key: value.strip() for key, value in kept.items()}
    matter |= {
        "license": LICENCE.lower(),
        "python_version": json.dumps(machine.python),
        "suggested_hardware": machine.flavour,
        "thumbnail": f"https://huggingface.co/spaces/{name}/resolve/main/{THUMBNAIL}",
        "tags": json.dumps(list(TAGS)),
        "models": json.dumps(list(models)),
    }
    body = _BODY.format(title=matter.get("title", name), encoders=", ".join(encoders), licence=LICENCE, command=command)
    return ("---\n" + "".join(f"{key}: {value}\n" for key, value in matter.items()) + "---\n" + body).encode()


def _attributes(files: Iterable[SpaceFile]) -> bytes:
    large = sorted(file.path for file in files if file.size > LARGE and Path(file.path).suffix not in BINARY)
    patterns = [*(f"*{ending}" for ending in BINARY), *(path.replace(" ", "[[:space:]]") for path in large)]
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns).encode()
