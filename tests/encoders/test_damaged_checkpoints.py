"""Public checkpoints with a field that nothing can be computed with: refused in words that name the file and the field.

Whatever stands in a JSON file of a stranger's folder, `umr adopt` never ends in a traceback and leaves nothing behind.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.encoders.dual_public import CLIP, SIGLIP, write
from tests.encoders.public import write_checkpoint
from umr.cli.commands import main
from umr.encoders.adopt import adopt
from umr.encoders.checkpoint import CONFIG, INDEX, Fields
from umr.errors import MismatchError

QWEN, PIXELS, OBJECT, WHOLE = "qwen", "preprocessor_config.json", "an object is needed", "a whole number of at least 1"
COLOURS, NUMBER = "a list of three numbers is needed", "a number of at least 0 is needed"

DUAL = [
    (CONFIG, {"vision_config": 3}, OBJECT),
    (CONFIG, {"text_config": "x"}, OBJECT),
    (CONFIG, {"vision_config": []}, OBJECT),
    (CONFIG, {"vision_config.patch_size": 0}, WHOLE),
    (CONFIG, {"vision_config.patch_size": "x"}, WHOLE),
    (CONFIG, {"vision_config.image_size": -32}, WHOLE),
    (CONFIG, {"vision_config.num_attention_heads": 0}, WHOLE),
    (CONFIG, {"text_config.num_attention_heads": "x"}, WHOLE),
    (CONFIG, {"text_config.max_position_embeddings": True}, WHOLE),
    (PIXELS, {"image_mean": [0.5]}, COLOURS),
    (PIXELS, {"image_mean": ["a", "b", "c"]}, COLOURS),
    (PIXELS, {"image_std": "x"}, COLOURS),
    (PIXELS, {"resample": 99}, "cannot prepare a picture"),
    (PIXELS, {"rescale_factor": "x"}, "cannot prepare a picture"),
]
OF_QWEN = [
    (CONFIG, {"vision_config": 3}, OBJECT),
    (CONFIG, {"vision_config.patch_size": 0}, WHOLE),
    (CONFIG, {"vision_config.spatial_merge_size": "x"}, WHOLE),
    (CONFIG, {"vision_config.temporal_patch_size": [2]}, WHOLE),
    (PIXELS, {"patch_size": "x"}, WHOLE),
    (PIXELS, {"merge_size": 0}, WHOLE),
    (PIXELS, {"size": "x"}, OBJECT),
    (PIXELS, {"size": {"shortest_edge": "x"}}, NUMBER),
    (PIXELS, {"min_pixels": "x"}, NUMBER),
    (PIXELS, {"max_pixels": -4}, NUMBER),
    (PIXELS, {"image_mean": [0.5]}, COLOURS),
    (
        CONFIG,
        {"text_config.rope_parameters": {"mrope_section": [1, 1, 1], "rope_type": "default", "rope_theta": 1e6}},
        "three whole numbers from 0 on are needed",
    ),
    (INDEX, {"weight_map": {"odd.weight": 5}}, "a name is needed"),
    (INDEX, {"weight_map": 3}, OBJECT),
    (INDEX, {"weight_map": None}, OBJECT),
]
DAMAGED = [(family, *row) for family, rows in ((CLIP, DUAL), (SIGLIP, DUAL), (QWEN, OF_QWEN)) for row in rows]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """A folder of whole ones."""
    root = tmp_path_factory.mktemp("hub")
    for family in (CLIP, SIGLIP):
        write(root / family, family)
    write_checkpoint(root / QWEN)
    return root


def named(change: dict) -> str:
    """The innermost field that a change sets."""
    ((key, value),) = change.items()
    return next(iter(value)) if isinstance(value, dict) else key.rpartition(".")[2]


@pytest.mark.parametrize(("family", "file", "change", "needed"), DAMAGED, ids=str)
def test_a_field_that_cannot_be_computed_with_is_named(checkpoints, tmp_path, capsys, family, file, change, needed):
    folder = Path(shutil.copytree(checkpoints / family, tmp_path / "tiny"))
    content = json.loads((folder / file).read_text())
    ((key, value),) = change.items()
    part, _, field = key.rpartition(".")
    (content[part] if part else content)[field] = value
    (folder / file).write_text(json.dumps(content))
    assert main(["adopt", str(folder), "--out", str(tmp_path / "encoder")]) == 2
    said = capsys.readouterr().err
    assert file in said and needed in said and "copy the checkpoint again" in said and "Traceback" not in said
    assert named(change) in said or needed == "cannot prepare a picture"  # whose reason is another's
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_one_number_for_all_colours_is_read_as_transformers_reads_it(checkpoints, tmp_path):
    folder = Path(shutil.copytree(checkpoints / SIGLIP, tmp_path / "tiny"))
    content = json.loads((folder / PIXELS).read_text())
    (folder / PIXELS).write_text(json.dumps(content | {"image_mean": 0.5}))
    assert adopt(folder, tmp_path / "encoder").dim == adopt(checkpoints / SIGLIP, tmp_path / "other").dim


def test_fields_are_read_as_what_they_must_be():
    fields = Fields(
        "f.json", {"part": {"side": 3}, "none": None, "low": 0, "high": 9.0, "rgb": [1, 2, 3], "long": "x" * 99}
    )
    assert fields.part("part").whole("side", 1) == 3 and fields.part("gone").whole("side", 7) == 7
    assert fields.whole("none", 5) == 5 and fields.count("none", "low", "high") == 9 and fields.count("low") is None
    assert fields.colours("rgb") == (1.0, 2.0, 3.0) and fields.colours("none") is None
    with pytest.raises(MismatchError, match=r"f\.json has the long 'x{59}\.\.\.; a whole"):
        fields.whole("long", 1)
