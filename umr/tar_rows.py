"""The samples of a webdataset tar as rows, read where they lie: none is unpacked, and a broken one harms no other.

A sample is what is called alike up to the first dot of its name. Not what is made of a row (umr.ingest).
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

KEY = "__key__"  # webdataset's column of what the files of one sample are called
UNDECODED = "__undecoded__"  # umr.streamed_tars' column of which files of a sample could not be decoded, and why
#: A tar's columns are the endings of its files; of those for one thing the first that a sample has is the one meant.
ENDINGS = {"image": ("jpg", "jpeg", "png", "webp"), "video": ("mp4", "webm", "mov", "mkv", "avi", "m4v"),
           "text": ("txt",)}  # fmt: skip
_WORDS = ("txt", "text", "transcript")


@dataclass(frozen=True, slots=True)
class TarRows:
    """Rows by the endings of their files, and by ENDINGS: "image", "video" and "text" are those that are meant.

    A row has None where its sample has no such file. Words are text, JSON is what it says, all else is {"bytes",
    "path"}; words and JSON that cannot be decoded are bytes. Beside a clip no picture is meant.

    Attributes:
        path: the tar.
        samples: key -> {ending: its file in the tar}.
        column_names: of the rows.
    """

    path: Path
    samples: Mapping[str, Mapping[str, tarfile.TarInfo]]
    column_names: Sequence[str]

    @classmethod
    def open(cls, path: Path) -> TarRows:
        """The rows of a tar, of which the heads alone are read.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no tar, or breaks off.
        """
        samples: dict[str, dict[str, tarfile.TarInfo]] = {}
        try:
            with tarfile.open(path, "r:") as tar:
                for one in tar:
                    folder, slash, name = one.name.rpartition("/")
                    stem, dot, ending = name.partition(".")
                    if one.isfile() and stem and dot:  # not the files that systems hide, as ._a.jpg
                        samples.setdefault(f"{folder}{slash}{stem}", {})[ending.lower()] = one
                end = tar.offset
        except tarfile.TarError as error:
            raise ValueError(f"no tar that can be read ({error})") from error
        with path.open("rb") as file:
            file.seek(end)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # where tarfile stops without a word
                raise ValueError(f"the tar is damaged at byte {end}")
        endings = dict.fromkeys(ending for files in samples.values() for ending in files)
        meant = [what for what, its in ENDINGS.items() if what not in endings and any(one in endings for one in its)]
        return cls(path, samples, (*meant, *endings, KEY))

    def select_columns(self, columns: Sequence[str]) -> TarRows:
        """The same rows, of these columns alone."""
        return replace(self, column_names=tuple(columns))

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with tarfile.open(self.path, "r:") as tar:
            for key, files in self.samples.items():
                found = {column: files.get(column) or _meant(column, files) for column in self.column_names}
                row = {column: one and _value(tar, one) for column, one in found.items()}
                yield row | ({KEY: key} if KEY in row else {})


def _meant(column: str, files: Mapping[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """The file of a sample that a column of ENDINGS means."""
    if column == "image" and _meant("video", files) is not None:  # the clip's first frame
        return None
    return next((files[one] for one in ENDINGS.get(column, ()) if one in files), None)


def _value(tar: tarfile.TarFile, one: tarfile.TarInfo) -> Any:
    """What a file of a tar holds."""
    file = tar.extractfile(one)
    data = file.read() if file is not None else b""
    ending = one.name.rpartition("/")[2].partition(".")[2].lower()
    try:
        if ending in _WORDS:
            return data.decode("utf-8-sig")
        if ending == "json":
            return json.loads(data)
    except (ValueError, RecursionError):
        return data
    return {"bytes": data, "path": one.name}
