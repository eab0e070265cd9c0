"""What transformers and sentence-transformers read of an encoder folder gives what umr computes, and is checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoProcessor, AutoTokenizer, Qwen2VLProcessor

from tests.encoders.conftest import CHANGE
from umr.encoders import load_encoder
from umr.encoders.config import read_config
from umr.encoders.interop import INTEROP, interop_files, main, read_interop
from umr.encoders.qwen_vl_pixels import CLIP_COLOURS, patches
from umr.errors import MismatchError
from umr.shipped import available, default_root
from umr.types import Candidate, Content, Query

LEVEL = 1.01 / 255 / min(CLIP_COLOURS.std)  # what one of 255 levels makes of a normalised pixel, at most
TEXTS = ["a small TEAL mug", "Two of them, on marble!", " ÜBER naïve 茶 🫖", "red"]


@pytest.fixture(scope="module")
def _quiet():
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture
def saved(encoder, tmp_path, _quiet) -> Path:
    encoder.save(tmp_path / "tiny")
    return tmp_path / "tiny"


def user(*parts: dict) -> list[dict]:
    return [{"role": "user", "content": list(parts)}]


def system(text: str) -> dict:
    return {"role": "system", "content": [{"type": "text", "text": text}]}


def test_the_files_are_listed_beside_the_identity_and_not_in_it(saved, encoder):
    listed = read_interop(saved)
    assert {"tokenizer_config.json", "processor_config.json", "modules.json", "chat_template.jinja"} < set(listed)
    assert not set(listed) & set(read_config(saved).files)
    before = encoder.fingerprint
    for name in (*listed, INTEROP):
        (saved / name).unlink()
    assert load_encoder(saved, device="cpu").fingerprint == before
    assert main([str(saved)]) == 0 and read_interop(saved) == listed
    assert load_encoder(saved, device="cpu").fingerprint == before


def test_auto_tokenizer_gives_our_tokens(saved, encoder):
    theirs = AutoTokenizer.from_pretrained(saved)
    for text in TEXTS:
        ours = encoder.tokenizer.encode(text, add_special_tokens=False).ids
        assert theirs(text, add_special_tokens=False)["input_ids"] == ours == theirs(text)["input_ids"]
    assert (theirs.pad_token, theirs.eos_token) == ("<|endoftext|>", "<|im_end|>")


@pytest.mark.parametrize("kind", [None, "image", "video"])
@pytest.mark.parametrize("instruction", ["", CHANGE])
def test_the_chat_template_writes_our_rows(saved, encoder, kind, instruction):
    theirs = AutoTokenizer.from_pretrained(saved)
    parts = [{"type": "text", "text": TEXTS[0]}, *([{"type": kind}] if kind else [])]  # their order does not matter
    messages = [*([system(f" {instruction} ")] if instruction else []), *user(*parts)]
    text = theirs.apply_chat_template(messages, tokenize=False)
    for media, span in encoder.backbone.media.items():  # what AutoProcessor does with one pad
        text = text.replace(span.pad, span.pad * span.count) if media == kind else text
    ours = encoder.tokenise(TEXTS[0], instruction, "query" if instruction else "candidate", kind)
    assert theirs(text)["input_ids"] == ours.ids.tolist()


@pytest.mark.parametrize("side", [40, 55, 56, 57, 84, 96, 192, 300])
def test_auto_image_processor_makes_every_square_ours(saved, side):
    picture = Image.fromarray(np.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=np.uint8))
    found = AutoImageProcessor.from_pretrained(saved)(picture, return_tensors="pt")
    assert found["image_grid_thw"].tolist() == [[1, 4, 4]]
    if side == 56:
        ours = patches(torch.from_numpy(np.array(picture))[None, None])[0]
        assert torch.allclose(found["pixel_values"], ours, atol=1e-5)


def test_auto_model_gives_our_vectors(saved, encoder, stills):
    encoder = load_encoder(saved, device="cpu")
    model, tokenizer = (
        AutoModel.from_pretrained(saved, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(saved),
    )
    seen = AutoImageProcessor.from_pretrained(saved)(Image.fromarray(stills[0, 0]), return_tensors="pt")
    text = tokenizer.apply_chat_template(user({"type": "image"}, {"type": "text", "text": "red"}), tokenize=False)
    rows = tokenizer(text.replace("<|image_pad|>", "<|image_pad|>" * 4), return_tensors="pt")
    kinds = (rows["input_ids"] == tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()
    with torch.inference_mode():
        states = model(**rows, **seen, mm_token_type_ids=kinds).last_hidden_state
    theirs = torch.nn.functional.normalize(states.mean(1), dim=-1).numpy()
    ours = encoder.encode_candidates([Candidate(candidate_id="1", content=Content(text="red", image=stills[0, 0]))])
    assert float((theirs * ours.vectors).sum()) > 0.99999


class OfStills(Qwen2VLProcessor):
    """AutoProcessor's class without its part for clips, which nothing asks of a still and torchvision computes."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> type:
        """Every other part is of the class that it must be of."""
        if argument_name == "video_processor":
            return type(argument)
        return super().check_argument_for_proper_class(argument_name, argument)


def processor_of(folder: Path) -> Qwen2VLProcessor:
    """AutoProcessor's; where torchvision is absent, its class over the parts that the other Auto classes open."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        images = AutoImageProcessor.from_pretrained(folder)
        return OfStills(images, tokenizer, None, chat_template=tokenizer.chat_template)
    return AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def bundled(_quiet) -> tuple[Path, list[np.ndarray]]:
    """The default encoder, and pictures of its catalogue at the size that it sees."""
    folder, files = default_root() / "unified" / "encoder", default_root() / "media" / "catalogue" / "files" / "images"
    encoder = load_encoder(folder, device="cpu")
    return folder, [encoder.pixels(Content(image=path))[0] for path in sorted(files.iterdir())[:40:20]]


@pytest.fixture
def tiny(saved, stills) -> tuple[Path, list[np.ndarray]]:
    return saved, [stills[0, 0], stills[1, 0]]


@pytest.fixture
def own_sizes(make, tmp_path, _quiet) -> tuple[Path, list[np.ndarray]]:
    """A tiny encoder that sees pictures at their own size, and pictures that it makes smaller, larger or leaves."""
    make(resize="dynamic", resize_min_pixels=56 * 56, resize_max_pixels=40 * 28 * 28).save(tmp_path / "own")
    rng = np.random.default_rng(0)
    return tmp_path / "own", [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in ((40, 90), (300, 200))]


@pytest.mark.parametrize("which", ["bundled", "tiny", "own_sizes"])
@torch.inference_mode()
def test_auto_processor_and_auto_model_give_our_tokens_pixels_and_states(which, request):
    """Texts, pictures and both, as queries and as candidates: alone, and in one padded batch."""
    folder, (first, second) = request.getfixturevalue(which)
    encoder, processor = load_encoder(folder, device="cpu"), processor_of(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    contents = [Content(text="a teal mug"), Content(image=first), Content(image=second, text=" Two of them!")]
    given = {"padding": True, "return_tensors": "pt", "return_dict": True, "tokenize": True}
    for role, instruction in (("query", encoder.config.instructions["image,text->image"]), ("candidate", "")):
        for rows in (*([one] for one in contents), contents):
            theirs = processor.apply_chat_template([messages(one, instruction) for one in rows], **given)
            ours = encoder.prepare(rows, [instruction] * len(rows), role, processor.tokenizer.padding_side)
            real_BT = ours.attention_mask_BT
            assert torch.equal(theirs["input_ids"], ours.input_ids_BT)
            assert torch.equal(theirs["attention_mask"].bool(), real_BT)
            pixels = [patches(torch.from_numpy(one)[None])[0] for one in ours.media]
            assert ("pixel_values" in theirs) == bool(pixels)
            if pixels:
                apart = LEVEL if which == "own_sizes" else 1e-5  # torchvision's bicubic rounds otherwise than Pillow's
                torch.testing.assert_close(theirs["pixel_values"], torch.cat(pixels), atol=apart, rtol=0)
                theirs["pixel_values"] = torch.cat(pixels)
            mine = encoder.backbone.hidden_states(ours, encoder.see_all(ours.media) if pixels else None)
            states = model(**theirs).last_hidden_state
            torch.testing.assert_close(states[real_BT], mine[real_BT], atol=1e-4, rtol=1e-3)


def messages(content: Content, instruction: str) -> list[dict]:
    """A content as a chat: words first, which the template puts behind the picture."""
    parts = [{"type": "text", "text": content.text}] if content.text else []
    parts += [{"type": "image", "image": Image.fromarray(content.image)}] if content.image is not None else []
    return [*([system(instruction)] if instruction else []), *user(*parts)]


def test_auto_processor_gives_our_clips(saved, encoder, clips):
    torchvision = pytest.importorskip("torchvision", reason="its processor of clips needs torchvision")
    assert torchvision.__version__
    frames = torch.from_numpy(clips[0]).permute(0, 3, 1, 2)
    parts = [{"type": "video"}, {"type": "text", "text": "red"}]
    processor = AutoProcessor.from_pretrained(saved)
    text = processor.apply_chat_template(user(*parts), tokenize=False)
    theirs = processor(text=[text], videos=[frames], return_tensors="pt")
    ours = encoder.prepare([Content(video=clips[0], text="red")], [""], "candidate")
    assert torch.equal(theirs["input_ids"], ours.input_ids_BT)
    pixels = patches(torch.from_numpy(clips[0])[None])[0]
    torch.testing.assert_close(theirs["pixel_values_videos"], pixels, atol=1e-5, rtol=0)


def test_a_changed_missing_or_foreign_file_is_refused_with_the_way_out(saved):
    template = saved / "chat_template.jinja"
    whole = template.read_text()
    template.write_text(whole + " ")
    with pytest.raises(MismatchError, match=r"chat_template\.jinja changed.*python -m umr\.encoders\.interop"):
        load_encoder(saved)
    template.unlink()
    with pytest.raises(MismatchError, match=r"chat_template\.jinja is missing"):
        load_encoder(saved)
    assert main([str(saved)]) == 0 and template.read_text() == whole
    for data, said in (({"format": 1, "files": {"../a": "0"}}, "outside"), ({"format": 2, "files": {}}, "no list")):
        (saved / INTEROP).write_text(json.dumps(data))
        with pytest.raises(MismatchError, match=said):
            load_encoder(saved)


def test_the_command_refuses_what_is_no_encoder(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2 and "not an encoder folder" in capsys.readouterr().err


@pytest.mark.parametrize(("field", "value"), [("pooling", "eos"), ("positions", "sequential")])
def test_what_sentence_transformers_cannot_compute_gets_no_modules(make, tmp_path, field, value):
    make(**{field: value}).save(tmp_path / "tiny")
    assert "modules.json" not in read_interop(tmp_path / "tiny")
    card = (tmp_path / "tiny" / "README.md").read_text()
    assert "has no modules for its pooling" in card and "- sentence-transformers\n" not in card


@pytest.mark.parametrize("name", available())
def test_shipped_files_are_what_the_code_writes(name):
    folder = default_root() / name / "encoder"
    for file, text in interop_files(read_config(folder), folder).items():
        assert (folder / file).read_text("utf-8") == text, f"python -m umr.encoders.interop {folder}"


def test_sentence_transformers_opens_the_folder_as_it_stands(saved, stills, sentence_transformers):
    model = sentence_transformers(str(saved), device="cpu", model_kwargs={"dtype": "float32"})
    encoder = load_encoder(saved, device="cpu")
    contents = [{"text": TEXTS[0]}, {"image": stills[0, 0]}, {"image": stills[1, 0], "text": TEXTS[1]}]
    rows = [Candidate(candidate_id=str(at), content=Content(**one)) for at, one in enumerate(contents)]
    given = [{k: Image.fromarray(v) if k == "image" else v for k, v in one.items()} for one in contents]
    assert (encoder.encode_candidates(rows).vectors * model.encode_document(given)).sum(1).min() > 0.9999
    query = Query(query_id="1", content=Content(**contents[2]), target_modality="image")
    batch = encoder.prepare([query.content], [encoder.instruction(query)])
    batch.pool_mask_BT = batch.attention_mask_BT  # the instruction is pooled there
    with torch.inference_mode():
        ours = encoder.embed(batch).numpy()
    assert (ours * model.encode_query(given[2:], prompt_name="image,text->image")).sum() > 0.9999
