"""What the files around the code promise: requirements, Space front matter, make targets, the check script."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from umr.archives import opener as archives
from umr.clips.limits import ClipLimits
from umr.pictures import decoder as pictures
from umr.shipped import LICENCE
from umr.ui import visitors
from umr.ui.compare import votes
from umr.ui.files import uploads
from umr.ui.layout import bodies, gate

ROOT = Path(__file__).resolve().parent.parent


def requirements(name: str) -> dict[str, Requirement]:
    lines = (line.partition(" #")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {f"{item.name}; {item.marker}": item for item in parsed}


def front_matter() -> dict[str, str]:
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert block, "README.md must begin with a Space's front matter"
    return {key: value.strip().strip('"') for key, _, value in (line.partition(":") for line in block[1].splitlines())}


def test_both_requirement_files_are_equal_but_for_faiss():
    space, cpu = requirements("requirements.txt"), requirements("requirements-cpu.txt")
    rest = [{name: item for name, item in lines.items() if not item.name.startswith("faiss")} for lines in (space, cpu)]
    assert {name: str(item) for name, item in rest[0].items()} == {name: str(item) for name, item in rest[1].items()}
    assert [item.name for item in cpu.values() if item.name.startswith("faiss")] == ["faiss-cpu"]


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", ["faiss-gpu"]),
        ("linux", "aarch64", ["faiss-cpu"]),
        ("darwin", "arm64", ["faiss-cpu"]),
        ("win32", "AMD64", ["faiss-cpu"]),
    ],
)
def test_every_platform_gets_exactly_one_faiss(system, machine, expected):
    place = {"sys_platform": system, "platform_machine": machine}
    faiss = [item for item in requirements("requirements.txt").values() if item.name.startswith("faiss")]
    assert [item.name for item in faiss if item.marker.evaluate(place)] == expected


def test_a_space_needs_no_second_file():
    assert "-r " not in (ROOT / "requirements.txt").read_text("utf-8")


def test_every_package_of_the_project_is_required():
    names = {item.name for item in requirements("requirements.txt").values()}
    assert names >= {"gradio", "torch", "transformers", "faiss-gpu", "pillow", "decord", "datasets", "huggingface-hub"}


def test_installed_packages_are_within_the_required_ranges():
    wrong = {
        item.name: version(item.name)
        for item in requirements("requirements-cpu.txt").values()
        if (item.marker is None or item.marker.evaluate())
        and not item.name.startswith("faiss")
        and version(item.name) not in item.specifier
    }
    assert wrong == {}


def test_front_matter_names_this_app_and_a_gradio_within_the_required_range():
    matter = front_matter()
    assert (matter["sdk"], matter["app_file"], matter["python_version"]) == ("gradio", "app.py", "3.12")
    gradio = next(item for item in requirements("requirements.txt").values() if item.name == "gradio")
    assert matter["sdk_version"] in gradio.specifier
    assert len(matter["short_description"]) <= 60


def test_the_licence_is_there_in_full_and_named_where_it_is_looked_for():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence and "Version 2.0" in licence and "END OF TERMS AND CONDITIONS" in licence
    assert front_matter()["license"] == "apache-2.0"
    made = [*(ROOT / "indexes").glob("*/catalogue/manifest.json"), ROOT / "indexes/media/catalogue/benchmark.json"]
    assert len(made) == 4 and {json.loads(path.read_text("utf-8"))["licence"] for path in made} == {LICENCE}
    for readme in (ROOT / "README.md", ROOT / "indexes" / "README.md"):
        assert "Apache License 2.0" in readme.read_text("utf-8")
    cards = sorted((ROOT / "indexes").glob("*/encoder/README.md"))
    assert cards and all("\nlicense: apache-2.0\n" in card.read_text("utf-8") for card in cards)


def test_app_is_short_enough_to_be_read_at_once():
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) <= 60


def test_check_script_is_executable_and_stops_at_the_first_error():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text("utf-8")
    assert script.read_text("utf-8").endswith('make -C "$work/umr" test\n')


@pytest.mark.parametrize("history", [True, False], ids=["clone", "archive"])
def test_the_check_runs_in_a_folder_named_umr_with_or_without_history(tmp_path, history):
    """The script itself, with a stand-in for make that tells where it was called and what it found there."""
    place = tmp_path / "another name"
    for name in (".ci", ".venv", "umr", *([".git"] if history else [])):
        (place / name).mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", place / ".ci" / "run")
    (place / ".venv" / "old").touch()
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(
        '#!/bin/sh\ncd "$2" && pwd && ls -A && mkdir test-artifacts && echo shot > test-artifacts/a && exit 3\n'
    )
    make.chmod(0o755)
    ran = subprocess.run(
        [place / ".ci" / "run"],
        env=os.environ | {"PATH": f"{make.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    where, *found = ran.stdout.splitlines()
    assert ran.returncode == 3 and Path(where).name == "umr" and not Path(where).exists()
    assert set(found) == {".ci", "umr"} | ({".git"} if history else set())
    assert (place / "test-artifacts" / "a").is_file()


@pytest.mark.parametrize("target", ["env", "demo", "test", "lint"])
def test_make_knows_its_targets(target):
    plan = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize(("driver", "expected"), [(True, "requirements.txt"), (False, "requirements-cpu.txt")])
def test_make_installs_gpu_faiss_only_beside_a_driver(driver, expected, tmp_path):
    if driver:
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}" if driver else "/usr/bin:/bin"
    plan = subprocess.run(
        ["make", "--dry-run", "--always-make", "env"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=True,
    )
    installs = [line.split()[-1] for line in plan.stdout.splitlines() if "-m pip install" in line]
    real_driver = Path("/proc/driver/nvidia/version").exists()
    assert installs == ["requirements.txt" if real_driver else expected]


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health():
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    user = lines.index("USER umr")
    assert any("useradd --uid 10001" in line for line in lines[:user])
    assert not [line for line in lines[user:] if line.startswith(("RUN", "COPY", "ADD", "USER root"))]
    text = "\n".join(lines)
    assert "HEALTHCHECK" in text and "/healthz" in text and "faiss-gpu" not in text
    copied = [word.rstrip("/") for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert sent == set(copied)


def test_the_compose_file_writes_only_where_it_must():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["umr"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"]
    assert service["ports"] == ["127.0.0.1:7860:7860"] and "no-new-privileges:true" in service["security_opt"]
    writable = [*(place.split(":")[0] for place in service["tmpfs"]), *(v.split(":")[1] for v in service["volumes"])]
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert writable == ["/tmp", "/var/lib/umr"]
    kept = re.findall(r"(?:UMR_CACHE|HF_HOME|GRADIO_TEMP_DIR)=(\S+)", image)
    assert len(kept) == 3 and all(any(place.startswith(one) for one in writable) for place in kept)


def test_the_threat_model_names_the_limits_that_the_code_has():
    said = " ".join((ROOT / "SECURITY.md").read_text("utf-8").split())
    for limit in (
        f"{gate.MAX_BODY >> 20} MiB, {bodies.MAX_PARTS:,} members, {bodies.MAX_DEPTH} levels, {gate.BODY_S:.0f} s",
        f"{visitors.VISITOR_BYTES // 1_000_000} MB and {visitors.VISITOR_FILES:,} files of one address",
        f"{visitors.SERVER_BYTES >> 30} GiB and {visitors.SERVER_FILES:,} files of all",
        f"{visitors.LEFT_S:.0f} s after the page is closed",
        f"{ClipLimits().max_frames:,} frames, {ClipLimits().processor_s:.0f} s of computing",
        f"64 megapixels, {pictures.PROCESSOR_S:.0f} s of computing, {pictures.WALL_S:.0f} s in all",
        f"{pictures.MEMORY_MB} MiB (clips: {ClipLimits().memory_mb >> 10} GiB, "
        f"zips: {archives.MEMORY_MB} MiB) of memory",
        f"whatever it states; {archives.PROCESSOR_S:.0f} s of computing",
        f"{votes.MAX_BYTES >> 20} MiB no more are kept",
        f"{uploads.MAX_ARCHIVE // 1_000_000} MB as it is sent",
    ):
        assert limit in said, limit


def test_the_readme_does_not_call_the_repository_a_space():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "not a Space as it is" in readme and "what a Hugging Face Space runs" not in readme
    assert "python -m umr deploy space OWNER/NAME --dry-run" in readme and "SECURITY.md" in readme
