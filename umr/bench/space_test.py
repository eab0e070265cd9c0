"""A Space tried before it is sent: its own requirements in a new Python 3.12, its page opened, one search asked.

    make space-test             or: python -m umr.bench space [--hardware cpu|zero|gpu] [--encoder NAME]

Not the Hub's own machine, nor its queue. Where no Python 3.12 is at hand, or no registry is reached, that is said and
nothing is tested: exit status 0, as neither is a fault of the Space.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from umr.bench.server import LOOPBACK, START_S, STOP_S, free_port
from umr.deploy.files import write_folder
from umr.deploy.hardware import HARDWARE, hardware
from umr.deploy.space import plan_space
from umr.errors import MismatchError, UMRError
from umr.shipped import DEFAULT_ENCODER

ASKED = "a red mug"
_UNREACHED = ("Failed to establish a new connection", "Temporary failure in name resolution", "No route to host",
              "Connection timed out", "Network is unreachable")  # fmt: skip


def python_of(version: str) -> Path | None:
    """A Python of this version that runs: on the path, or one of pyenv's; None where there is none."""
    named = f"python{version}"
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(named), *sorted(str(one) for one in root.glob(f"{version}*/bin/{named}"))]
    for one in filter(None, found):  # a shim of pyenv is there and does not run
        if subprocess.run([one, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return Path(one)
    return None


def installed(python: Path, folder: Path, requirements: Path) -> str:
    """Make a new environment in the folder, of the requirements alone.

    Returns:
        "", or why no registry was reached.

    Raises:
        MismatchError: they cannot be installed together.
    """
    subprocess.run([python, "-m", "venv", folder], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    told = subprocess.run([*command, str(requirements)], capture_output=True, text=True, check=False)
    if told.returncode == 0:
        return ""
    last = (told.stderr.strip().splitlines() or ["pip said nothing"])[-1]
    if any(sign in told.stderr for sign in _UNREACHED):
        return last
    raise MismatchError(f"the Space's requirements cannot be installed: {last}")


@contextmanager
def started(python: Path, folder: Path) -> Iterator[str]:
    """The address of the Space's page, run by its own environment; it ends with the block.

    Raises:
        MismatchError: it ends, or does not answer.
    """
    port = free_port()
    address = f"http://{LOOPBACK[0]}:{port}"
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(python), "app.py", "--host", LOOPBACK[0], "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < until:
            try:
                with urllib.request.urlopen(address, timeout=5):
                    break
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.5)
        else:
            raise MismatchError(f"the Space's page does not start (status {process.poll()})")
        yield address
    finally:
        process.terminate()
        process.wait(STOP_S)


def searched(address: str, encoder: str) -> list[str]:
    """The ids that one search by words finds.

    Raises:
        MismatchError: it finds nothing.
    """
    url = f"{address}/gradio_api/call/search_text"
    body = json.dumps({"data": [ASKED, "images", encoder, 3, False]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=STOP_S) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=START_S) as stream:
        said = stream.read().decode("utf-8")
    lines = [line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: ")]
    if "event: complete" not in said or not lines or not json.loads(lines[-1])[0]:
        raise MismatchError(f"a search of the Space's page finds nothing: {said[:300]}")
    return [row["id"] for row in json.loads(lines[-1])[0]]


def try_space(machine: str, encoder: str) -> str:
    """Build, install, open, search. Returns what became of it, in words.

    Raises:
        MismatchError: the Space does not work.
    """
    wanted = hardware(machine)
    python = python_of(wanted.python)
    if python is None:
        return f"not tested: no Python {wanted.python} is at hand"
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="umr-space-") as root:
        folder, environment = Path(root) / "page", Path(root) / "venv"
        space = plan_space("somebody/page", wanted, [encoder])
        write_folder(space.files, folder)
        if unreached := installed(python, environment, folder / "requirements.txt"):
            return f"not tested: no registry is reached ({unreached})"
        took = time.monotonic() - begin
        with started(environment / "bin" / "python", folder) as address:
            found = searched(address, encoder)
    return (
        f"{len(space.files):,} files, installed in {took:.0f} s, the page opens in Python {wanted.python} and a search "
        f"finds {', '.join(found)}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Says what became of it. Returns 1 with a message where the Space does not work, else 0."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench space", description="Tries a Space before it is sent.")
    parser.add_argument("--hardware", choices=list(HARDWARE), default="cpu", help="what it is to run on (default cpu)")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help=f"what it shows (default {DEFAULT_ENCODER})")
    options = parser.parse_args(arguments)
    try:
        print(f"space-test: {try_space(options.hardware, options.encoder)}")
    except (UMRError, OSError) as error:
        print(f"space-test: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
