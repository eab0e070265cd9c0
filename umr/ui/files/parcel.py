"""A visitor's collection as a folder to take home: the index with all that it needs but the weights, in one zip."""

from __future__ import annotations

import zipfile
from pathlib import Path

from umr.errors import ConfigError
from umr.ui.files.uploads import OwnFiles

NAME = "my-index.zip"
TOP = "my-index"  # the folder that the zip unpacks to
PARTS = ("index", "collection", "files")  # of OwnFiles.folder; rows of .jsonl are in the collection
READ = "READ.txt"
SAYS = """An index of your files, built with the model {model}.

Open it beside a checkout of umr that has this model, with its very weights:

    python app.py --index {top}/index
    python -m umr search --index {top}/index --text "a red mug"
"""


def pack(own: OwnFiles) -> Path:
    """Write the zip beside the files that it holds, so that it goes when they go; returns its path.

    What is packed already, as pictures are, is stored as it is.

    Raises:
        ConfigError: the disk refuses it.
    """
    path = own.folder / NAME
    draft = path.with_suffix(".part")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as out:
            out.writestr(f"{TOP}/{READ}", SAYS.format(model=own.searcher.encoder.name, top=TOP))
            for part in PARTS:
                for file in sorted((own.folder / part).rglob("*")):
                    if file.is_file() and not file.is_symlink():
                        out.write(file, f"{TOP}/{file.relative_to(own.folder).as_posix()}")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"Your index cannot be packed: {error.strerror}.") from error
    return path
