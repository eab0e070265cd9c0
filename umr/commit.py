"""The commit of this repository's code, as records and reports name it. Not what was made of it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_commit(folder: Path = Path(__file__).parent) -> str:
    """The commit of the code in `folder`, with "-dirty" where files differ from it; "unknown (why)" without one.

    Dirty: a tracked file changed, or a Python file is there that git neither tracks nor ignores.
    """
    try:
        _git(folder, "ls-files", "--error-unmatch", ".")  # a folder inside another project's checkout is not of it
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
        added = _git(folder, "ls-files", "--others", "--exclude-standard", "--", ":/*.py")
    except FileNotFoundError:
        return "unknown (git is not installed)"
    except subprocess.CalledProcessError:
        return "unknown (not a git checkout)"
    return commit + ("-dirty" if changed or added else "")


def _git(folder: Path, *arguments: str) -> str:
    found = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=folder, check=True)
    return found.stdout.strip()
