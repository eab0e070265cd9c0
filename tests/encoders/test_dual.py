"""Dual encoders: adopted in each family's layout, equal to transformers' classes, a stated sum, refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, normalizers, processors

from tests.encoders import dual_public
from tests.encoders.dual_public import CLIP, FAMILIES, LENGTH, NAFLEX, PATCHES, SIGLIP, SIGLIP2, Reference
from umr.cli.commands import main
from umr.encoders import dual_config, load_encoder, load_trainable
from umr.encoders.adopt import adopt, adopt_summed
from umr.encoders.config import read_config
from umr.encoders.dual_config import DualConfig, read_settings
from umr.encoders.duals import DUALS, pictures_seen, towers_class
from umr.errors import ConfigError, MediaError, MismatchError, UMRError
from umr.search import Searcher
from umr.types import Candidate, Content, Query
from umr.ui.models.facts import read_facts
from umr.ui.models.html import card

WORDS = ["a red mug", "What's THIS? A Red mug (on slate).", "cat", "two small cats on a wooden table " * 4]
SIZES = [(32, 32), (61, 33), (20, 77), (5, 9)]
PREPROCESSOR = "preprocessor_config.json"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a family's checkpoint, written once."""
    root, made = tmp_path_factory.mktemp("dual"), {}

    def of(family: str) -> Path:
        if family not in made:
            made[family] = dual_public.write(root / family.replace(" ", "-"), family)
        return made[family]

    return of


@pytest.fixture(scope="module")
def adopted(checkpoints, tmp_path_factory) -> Callable[[str], Path]:
    """The encoder folder of a family, adopted once with three tenths of the text."""
    root, made = tmp_path_factory.mktemp("dual-encoders"), {}

    def of(family: str) -> Path:
        if family not in made:
            made[family] = root / family.replace(" ", "-")
            adopt_summed(checkpoints(family), made[family], "tiny", max_frames=3, text_weight=0.3)
        return made[family]

    return of


@pytest.fixture
def checkpoint(checkpoints, tmp_path) -> Callable[[str], Path]:
    """A copy that a test may damage."""
    return lambda family: Path(shutil.copytree(checkpoints(family), tmp_path / "tiny"))


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in SIZES]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def vectors(encoder, contents: list[Content], together: bool = True) -> np.ndarray:
    """As queries in one batch, or as candidates one at a time."""
    if together:
        return encoder.encode_queries([Query(query_id=str(at), content=one) for at, one in enumerate(contents)]).vectors
    rows = [encoder.encode_candidates([Candidate(candidate_id="0", content=one)]).vectors for one in contents]
    return np.concatenate(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_those_of_the_class_itself(checkpoints, adopted, family):
    """Texts with capitals, punctuation, too many tokens; pictures of odd sizes; both; clips. Alone and in a batch."""
    encoder, known = load_encoder(adopted(family), device="cpu"), Reference.of(checkpoints(family), family)
    texts, seen, shown = known.texts(WORDS), known.pictures(pictures()), pictures()
    clip = np.random.default_rng(1).integers(0, 255, (3, 40, 25, 3), dtype=np.uint8)
    film = unit(known.pictures(list(clip)).mean(0, keepdims=True))
    contents = [*(Content(text=one) for one in WORDS), *(Content(image=one) for one in shown),
                *(Content(text=text, image=one) for text, one in zip(WORDS, shown, strict=True)),
                Content(video=clip), Content(video=clip, text=WORDS[0])]  # fmt: skip
    expected = np.concatenate([texts, seen, unit(0.7 * seen + 0.3 * texts), film, unit(0.7 * film + 0.3 * texts[:1])])
    for together in (True, False):
        assert (vectors(encoder, contents, together) * expected).sum(1).min() >= 0.9999
    near = np.abs(expected @ expected.T - np.eye(len(expected)))
    assert near[:8, :8].max() < 0.95  # different contents differ, so that the cosine above says something


@pytest.mark.parametrize("family", [CLIP, SIGLIP])
def test_a_square_that_no_whole_number_of_patches_covers_is_seen_as_its_class_sees_it(family, tmp_path, monkeypatch):
    """As of 384 px in patches of 14, with heads and inner layers of odd widths."""
    monkeypatch.setattr(dual_public, "SIDE", 38)
    odd = dual_public._SEEN | {"image_size": 38, "patch_size": 7, "intermediate_size": 43, "num_attention_heads": 4}
    monkeypatch.setattr(dual_public, "_SEEN", odd)
    known = Reference.of(dual_public.write(tmp_path / "tiny", family), family)
    adopt_summed(tmp_path / "tiny", tmp_path / "encoder", "tiny", max_frames=3, text_weight=0.3)
    encoder = load_encoder(tmp_path / "encoder", device="cpu")
    found = vectors(encoder, [Content(image=one) for one in pictures()])
    assert (found * known.pictures(pictures())).sum(1).min() >= 0.9999 and read_settings(tmp_path / "encoder").dim > 0


def test_a_picture_that_keeps_its_shape_has_at_most_so_many_patches_and_they_are_whole(adopted, checkpoint, tmp_path):
    encoder = load_encoder(adopted(NAFLEX), device="cpu")
    seen = encoder.prepare([Content(image=one) for one in pictures()], [""] * 4).pixels
    counts = seen["spatial_shapes"].prod(1)
    assert seen["spatial_shapes"].tolist() == [[4, 4], [6, 3], [2, 8], [3, 6]]
    assert (counts <= PATCHES).all() and torch.equal(seen["pixel_attention_mask"].sum(1), counts)
    config = read_settings(adopted(NAFLEX))
    assert pictures_seen(config) == "pictures of up to 1296 pixels in their own shape"  # 36 px, 20 patches of 8
    assert "in the picture's own shape, made by the preprocessor" in (adopted(NAFLEX) / "README.md").read_text()
    for wrong, message in (({"patch_size": 4}, r"makes pictures of \(20, 48\), the network sees \(192,\)"),
                           ({"image_processor_type": "SiglipImageProcessor"}, "gives no pixel_attention_mask"),
                           ({"max_num_patches": "many"}, "has the max_num_patches 'many'")):  # fmt: skip
        folder = checkpoint(NAFLEX)
        change(PREPROCESSOR, **wrong)(folder)
        with pytest.raises(UMRError, match=message):
            adopt(folder, tmp_path / "encoder")
        shutil.rmtree(folder)


def test_old_and_new_settings_of_a_text_tower_find_the_same_end(checkpoints):
    """config.json of 2022 names eos 2 and has its text pooled at the highest id, which is the end token's."""
    new, old = (Reference.of(checkpoints(family), family).texts(WORDS) for family in (CLIP, dual_public.CLIP_OLD))
    assert (
        json.loads((checkpoints(dual_public.CLIP_OLD) / "config.json").read_text())["text_config"]["eos_token_id"] == 2
    )
    assert np.allclose(new, old, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "lower", "bare"),
    [(CLIP, False, False), (SIGLIP, True, True), (SIGLIP2, True, False), (NAFLEX, True, False)],
)
def test_a_family_reads_texts_as_it_was_trained(adopted, family, lower, bare):
    config = read_settings(adopted(family))
    assert isinstance(config, DualConfig) and (config.lower, config.strip_punctuation) == (lower, bare)
    assert (config.max_tokens, config.padding) == (LENGTH, "longest" if family == CLIP else "full")
    encoder = load_encoder(adopted(family), device="cpu")
    rows = vectors(encoder, [Content(text=one) for one in ("A RED MUG", "a red mug", "a red, mug")])
    assert rows[0] @ rows[1] > 0.9999 and (rows[1] @ rows[2] > 0.9999) == bare


@pytest.mark.parametrize("family", [SIGLIP, SIGLIP2])
def test_a_tokenizer_that_keeps_case_and_lacks_the_end_is_mended(checkpoint, adopted, tmp_path, family):
    folder = checkpoint(family)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if family == SIGLIP:
        tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))
    adopt(folder, tmp_path / "mended")
    mended, known = (load_encoder(at, device="cpu") for at in (tmp_path / "mended", adopted(family)))
    contents = [Content(text=one) for one in WORDS]
    assert (vectors(mended, contents) * vectors(known, contents)).sum(1).min() >= 0.9999


def test_the_weight_is_part_of_the_identity_and_its_ends_are_the_parts(checkpoints, tmp_path):
    made, both = {}, Content(text="a red mug", image=pictures()[1])
    for weight in (0, 0.5, 1):
        config = adopt_summed(checkpoints(CLIP), tmp_path / str(weight), text_weight=weight)
        encoder = load_encoder(tmp_path / str(weight), device="cpu")
        assert encoder.fingerprint == config.fingerprint() and encoder.name == "clip"
        made[weight] = (
            encoder.fingerprint,
            *vectors(encoder, [both, Content(image=both.image), Content(text=both.text)]),
        )
    assert len({one[0] for one in made.values()}) == 3
    assert made[0][1] @ made[0][2] > 0.9999 and made[1][1] @ made[1][3] > 0.9999
    assert adopt(checkpoints(CLIP), tmp_path / "usual", "0.5").text_weight == 0.5


def test_what_is_cut_or_left_out_is_said(adopted):
    encoder = load_encoder(adopted(CLIP), device="cpu")
    whole = encoder.tokenizer.encode(WORDS[3])
    assert encoder.dropped_tokens(Content(text=WORDS[0])) == 0 and len(whole.ids) == LENGTH
    free = Tokenizer.from_str(encoder.tokenizer.to_str())
    free.no_truncation()
    free.no_padding()
    dropped = len(free.encode(WORDS[3]).ids) - LENGTH
    assert encoder.dropped_tokens(Content(text=WORDS[3])) == dropped > 0
    said = encoder.notices(Query(query_id="q", content=Content(text=WORDS[3]), instruction="Find it."))
    assert f"{dropped} were left out" in said[0] and "reads no task sentence" in said[1]
    plain, told = (
        encoder.encode_queries([Query(query_id="q", content=Content(text="cat"), instruction=one)]).vectors
        for one in ("", "Find it.")
    )
    assert np.array_equal(plain, told) and not encoder.uninstructed(Query(query_id="q", content=Content(text="cat")))


def test_special_tokens_in_a_text_are_characters(adopted):
    encoder = load_encoder(adopted(CLIP), device="cpu")
    end = encoder.tokenizer.token_to_id("<|endoftext|>")
    assert encoder.tokenizer.encode("<|endoftext|>").ids.count(end) == 1


def test_content_that_cannot_be_read_is_named(adopted):
    encoder = load_encoder(adopted(CLIP), device="cpu")
    strip = Candidate(candidate_id="strip", content=Content(image=np.zeros((1, 300, 3), np.uint8)))
    with pytest.raises(MediaError, match=r"candidate strip: .* over 200 times as long as wide"):
        encoder.encode_candidates([Candidate(candidate_id="a", content=Content(text="a")), strip])
    with pytest.raises(MediaError, match="query q: there is neither a picture nor a clip"):
        encoder.encode_queries([Query(query_id="q", content=Content(text=" "))])


@pytest.mark.parametrize("family", [SIGLIP, NAFLEX])
def test_bfloat16_is_near_float32(adopted, family):
    exact, rough = (load_encoder(adopted(family), dtype=one, device="cpu") for one in ("float32", "bfloat16"))
    contents = [Content(text="cat"), Content(image=pictures()[1])]
    assert {value.dtype for value in rough.parameters()} == {torch.bfloat16}
    assert (vectors(exact, contents) * vectors(rough, contents)).sum(1).min() > 0.98


def test_the_command_line_adopts_indexes_and_finds(checkpoints, tmp_path, capsys):
    """A folder of small pictures; what is searched with a picture and a text is a sum, and the folder says so."""
    photos, out, index = tmp_path / "photos", tmp_path / "encoder", tmp_path / "index"
    photos.mkdir()
    for at, one in enumerate(pictures()):
        Image.fromarray(one).save(photos / f"{at}.png")
    assert main(["adopt", str(checkpoints(SIGLIP)), "--out", str(out), "--text-weight", "0.25"]) == 0
    assert "composition: vector sum, weight 0.25 of the text: no composition trained" in capsys.readouterr().err
    assert main(["index", str(photos), "--encoder", str(out), "--out", str(index)]) == 0
    capsys.readouterr()
    turned = tmp_path / "asked.bmp"  # other bytes, the same pixels
    Image.fromarray(pictures()[2]).save(turned)
    assert main(["search", "--index", str(index), "--image", str(turned), "--text", "mug", "-k", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    searcher = Searcher.open(index)
    asked = vectors(searcher.encoder, [Content(image=pictures()[2], text="mug")])
    scores = vectors(searcher.encoder, [Content(image=one) for one in pictures()]) @ asked[0]
    assert [Path(row["media"]).stem for row in found] == [str(at) for at in np.argsort(-scores)]
    assert np.allclose([row["score"] for row in found], np.sort(scores)[::-1], atol=1e-3)  # rows are kept in float16
    assert searcher.index.verify_probe(searcher.encoder) > 0.9999
    shown = card(read_facts("tiny", index), [])
    assert "weight 0.25 of the text: no composition trained" in shown and "siglip: one for texts" in shown


def test_the_card_and_info_say_how_it_composes(adopted, tmp_path, monkeypatch, capsys):
    written = (adopted(SIGLIP2) / "README.md").read_text()
    assert "vector sum, weight 0.3 of the text: no composition trained" in written and "SiglipModel" in written
    assert "texts are read in lower case |" in written and "| max_frames | 3 |" in written
    shutil.copytree(adopted(SIGLIP2), tmp_path / "tiny" / "encoder")
    monkeypatch.setattr("umr.shipped.default_root", lambda: tmp_path)
    assert main(["info", "--quick"]) == 0
    assert "vector sum, weight 0.3 of the text: no composition trained" in capsys.readouterr().out


def change(name: str, **values) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def drop_a_weight(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state.pop(next(name for name in state if name.endswith("k_proj.weight")))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def only_pieces(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "spiece.model")


REFUSED = {
    "another class": (change("config.json", model_type="blip"), r"class 'blip'; supported: .*siglip \(SigLIP"),
    "quantised": (change("config.json", quantization_config={"bits": 4}), "is quantised; take the checkpoint in"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json; AutoTokenizer"),
    "pieces alone": (only_pieces, "has no tokenizer.json, only spiece.model, which umr does not read"),
    "broken tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{"), "no tokenizer that can be read"),
    "no padding token": (change("tokenizer_config.json", pad_token="<nothing>"), "has no token <nothing>"),
    "no preprocessor": (lambda folder: (folder / PREPROCESSOR).unlink(), f"has no {PREPROCESSOR}; give the whole"),
    "another size": (change(PREPROCESSOR, size={"height": 16, "width": 16}), r"makes pictures of \(3, 16, 16\)"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing; copy"),
    "missing weight": (drop_a_weight, "lacks the weight .*k_proj.weight"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json; give .*CLIP.*SigLIP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_computed_rightly_is_refused_and_leaves_nothing(checkpoint, tmp_path, name):
    damage, message = REFUSED[name]
    damage(checkpoint(SIGLIP))
    with pytest.raises(UMRError, match=message):
        adopt(tmp_path / "tiny", tmp_path / "encoder")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_settings_of_other_encoders_and_weights_outside_are_refused(checkpoints, tmp_path, capsys):
    out, source = tmp_path / "encoder", checkpoints(CLIP)
    for wanted in ({"image_size": 56}, {"max_pixels": 99}, {"recipe": "umarvel"}):
        with pytest.raises(ConfigError, match="is a dual encoder: leave out"):
            adopt(source, out, **wanted)
    for weight in (-0.1, 1.5, float("nan"), True):
        with pytest.raises(ConfigError, match=r"the weight of the text is .*; a number from 0"):
            adopt_summed(source, out, text_weight=weight)
    assert main(["adopt", str(source), "--out", str(out), "--text-weight", "0.2", "--image-size", "56"]) == 2
    assert "--text-weight is of dual encoders" in capsys.readouterr().err and not out.exists()


def test_what_needs_one_network_is_refused(adopted, tmp_path, capsys):
    for refused in (load_trainable, read_config):
        with pytest.raises(ConfigError, match="is a dual encoder"):
            refused(adopted(CLIP))
    out = str(tmp_path / "out")
    assert main(["export", str(adopted(CLIP)), "--to", "sentence-transformers", "--out", out]) == 2
    assert "is a dual encoder" in capsys.readouterr().err


def test_a_changed_file_or_setting_is_refused(adopted, tmp_path):
    folder = Path(shutil.copytree(adopted(CLIP), tmp_path / "encoder"))
    (folder / PREPROCESSOR).write_text((folder / PREPROCESSOR).read_text() + " ")
    with pytest.raises(MismatchError, match=f"{PREPROCESSOR} changed"):
        load_encoder(folder)
    for damage, message in (({"padding": "none"}, "padding is 'none'; legal"), ({"tower": 1}, "unknown fields")):
        change("encoder.json", **damage)(folder)
        with pytest.raises(ConfigError, match=message):
            read_settings(folder)
        shutil.copyfile(adopted(CLIP) / "encoder.json", folder / "encoder.json")


def test_every_row_of_the_table_is_a_pair_of_towers():
    for name in DUALS:
        kind = towers_class(name)
        assert kind.family and kind.implementation and kind.model_class.config_class.model_type == name
    with pytest.raises(ConfigError, match="'blip' is unknown; this version has clip, siglip, siglip2"):
        towers_class("blip")


def test_only_its_own_file_speaks_of_a_family():
    for path in sorted(Path(dual_config.__file__).parent.glob("*.py")):
        named = "siglip" in path.read_text("utf-8").lower()
        assert named == (path.name in ("siglip.py", "duals.py")), path.name
