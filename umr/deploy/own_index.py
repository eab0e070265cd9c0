"""An index of one's own as it must lie in a Space: beside its encoder, over pictures that went with it.

In a Space the page starts without arguments and offers every index that lies where the bundled ones do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from umr.collection import CANDIDATES, Collection, fingerprint_of, to_row
from umr.deploy.files import SpaceFile, files_under
from umr.encoders.hub import is_hub
from umr.errors import ConfigError
from umr.index.manifest import COARSE, FAISS, FILES, IndexManifest
from umr.shipped import BUNDLED, MANIFEST, REPORTS, encoder_of_index
from umr.types import Candidate

KEPT = (*sorted(FILES), COARSE)  # its columns stay behind: they are of the rows as they lie here


def own_index_files(folder: Path, where: str) -> Iterator[SpaceFile]:
    """The files of an index folder, its encoder, its collection and its media.

    Args:
        folder: the index's.
        where: the folder of the Space that all indexes lie in.

    Raises:
        ConfigError: it is no finished index, its encoder is nowhere, or a picture is not there any more.
        MismatchError: its collection changed since it was built.
    """
    manifest = IndexManifest.read(folder)
    if manifest.engine != FAISS:
        raise ConfigError(
            f"the vectors of {folder} are on a Qdrant server, which a Space has none of; build an index with --engine "
            f"{FAISS} for it"
        )
    home, media = f"{where}/{manifest.encoder_name}", f"{where}/media/{manifest.encoder_name}"
    collection = Collection.open(folder / manifest.collection_at, manifest.collection_name)
    if collection.fingerprint != manifest.collection:
        raise ConfigError(
            f"the collection of {folder} changed since it was built; build the index again: {manifest.command}"
        )
    rows, files = _moved(collection, media)
    encoder = encoder_of_index(folder, manifest.encoder_at, manifest.encoder_name)
    told = SpaceFile(f"{media}/{CANDIDATES}", content=rows)
    moved = replace(
        manifest,
        encoder_at=encoder if is_hub(encoder) else "../encoder",
        collection=fingerprint_of([(CANDIDATES, hashlib.sha256(rows).hexdigest())]),
        collection_at=f"../../media/{manifest.encoder_name}",
        files_at="",
        files={name: sha256 for name, sha256 in manifest.files.items() if name in KEPT},
        sizes={name: size for name, size in manifest.sizes.items() if name in KEPT},
        command=f"python -m umr index FOLDER --encoder {manifest.encoder_name} --out DIR",  # without its places
    )
    yield SpaceFile(f"{home}/{BUNDLED}/{MANIFEST}", content=_json(asdict(moved)))
    for name in moved.files:
        yield SpaceFile(f"{home}/{BUNDLED}/{name}", source=folder / manifest.files_at / name)
    if not is_hub(encoder):
        yield from files_under(Path(encoder), f"{home}/encoder")
        yield from files_under(Path(encoder).parent / REPORTS, f"{home}/{REPORTS}", ("verdicts.json",))
    yield told
    yield from files


def _moved(collection: Collection, media: str) -> tuple[bytes, list[SpaceFile]]:
    """The collection's rows with their media beside them, numbered, and those files: no path of this machine is told.

    Raises:
        ConfigError: a file is gone.
    """
    rows, files = [], []
    known: dict[Path, str] = {}
    for candidate in collection:
        parts = {name: getattr(candidate.content, name) for name in ("image", "video")}
        for name, source in parts.items():
            if source is None:
                continue
            path = Path(str(source))
            if path not in known:
                if not path.is_file():
                    raise ConfigError(
                        f"{candidate.candidate_id}: {path} is not there any more; index what is there again"
                    )
                known[path] = f"files/{len(known) // 1000:03}/{len(known):06}{path.suffix.lower()}"
                files.append(SpaceFile(f"{media}/{known[path]}", source=path))
            parts[name] = known[path]
        rows.append(_row(candidate, parts))
    return "".join(rows).encode("utf-8"), files


def _row(candidate: Candidate, parts: dict[str, str | None]) -> str:
    content = replace(candidate.content, image=parts["image"], video=parts["video"])
    shown = replace(candidate, content=content)
    row = to_row(shown)
    row |= {key: parts[name] for key, name in (("img_path", "image"), ("video_path", "video")) if parts[name]}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
