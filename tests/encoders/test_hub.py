"""Hub encoders: a pinned revision, data files only, through a local stand-in for the download."""

from __future__ import annotations

import pytest

from umr.encoders import load_encoder
from umr.errors import ConfigError


def test_hub_name_downloads_the_pinned_revision_and_only_data(encoder, tmp_path, monkeypatch):
    encoder.save(tmp_path / "snapshot")
    asked = {}

    def download(repo_id, *, revision, allow_patterns):
        asked.update(repo=repo_id, revision=revision, patterns=allow_patterns)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    found = load_encoder("hub:some-owner/small.encoder@0123456789abcdef0123456789abcdef01234567", device="cpu")
    assert found.fingerprint == encoder.fingerprint
    assert asked == {
        "repo": "some-owner/small.encoder",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "patterns": ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"],
    }


@pytest.mark.parametrize("name", ["hub:owner/name", "hub:name@main", "hub:owner/name@", "hub:../x/y@main"])
def test_name_without_owner_or_revision_is_refused(name):
    with pytest.raises(ConfigError, match="hub:owner/name@revision"):
        load_encoder(name)


def test_failed_download_is_a_message(monkeypatch):
    def download(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(ConfigError, match=r"could not be downloaded.*no route"):
        load_encoder("hub:owner/name@main")
