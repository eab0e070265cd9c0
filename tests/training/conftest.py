"""A tiny rendered world, made once per test run: real scenes, real pixels."""

from __future__ import annotations

import pytest

from training.catalogue.world import World, build_world


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> World:
    return build_world(
        tmp_path_factory.mktemp("world"), n_families=6, n_clip_families=3, seed=3, workers=1, progress=False
    )
