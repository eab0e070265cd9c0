"""The tab Your files without a browser: what its handlers show, whose files are whose, and when they are gone."""

from __future__ import annotations

import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import MARKUP, made_verdicts
from tests.test_segments import film
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MediaError
from umr.eval.ood import Calibration, Kind, write_calibration
from umr.index.index import build_index
from umr.search import Searcher
from umr.types import Content, Query
from umr.ui.files import actions as files
from umr.ui.files import html as files_html
from umr.ui.files import visitor_collections as module
from umr.ui.files.asked import MAX_STEPS, Asked
from umr.ui.files.uploads import Cancelled
from umr.ui.files.visitor_collections import VisitorCollections
from umr.ui.handlers import Question
from umr.ui.results.history import Turn
from umr.ui.searchers import Searchers, find_searchers
from umr.ui.upload_folder import OWN
from umr.ui.visitors import Visitors


@pytest.fixture
def searchers(searcher: Searcher) -> Searchers:
    folder = searcher.collection.folder.parents[1] / "unified" / "catalogue"
    return Searchers({"unified": folder}, "unified", opener=lambda where: searcher)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """Where the page's server keeps what visitors send."""
    return tmp_path / "uploads"


@pytest.fixture
def own_files(uploads: Path):
    uploads.mkdir()
    made = VisitorCollections(uploads, grace_s=0.05)
    yield made
    made.clear()


@pytest.fixture
def given(uploads: Path, picture) -> list[dict]:
    """Gradio's values of a red and a blue picture."""
    return [{"path": str(picture(f"uploads/{name}.png", name)), "orig_name": f"{name}.png"} for name in ("red", "blue")]


def added(own_files, searchers, uploads, given, session="me") -> list[files.Shown]:
    return list(files.add(own_files, searchers, session, uploads, given, "unified"))


def own_folders(uploads: Path) -> list[Path]:
    return list(uploads.glob(f"{OWN}*"))


def found(own_files, searchers, uploads, session="me", text="red", image=None, search_in="all") -> str:
    asked = Question(uploads=uploads, image=image, text=text, search_in=search_in, k=24)
    return files.search(own_files, searchers, session, asked).html


def test_files_are_indexed_with_progress_and_then_searched(own_files, searchers, uploads, given):
    shown = added(own_files, searchers, uploads, given)
    assert shown[0].state == "busy" and "<progress" in shown[0].html
    assert shown[-1].state == "ready" and "Ready to search: 2 pictures" in shown[-1].html
    page = found(own_files, searchers, uploads, image=given[0], text=None)
    assert 'data-id="blue.png"' in page and 'data-id="red.png"' not in page  # the query's own bytes are left out
    page = found(own_files, searchers, uploads, text="red", search_in="images")
    assert "own-files-" in page and 'data-id="red.png"' in page


def test_a_tick_cuts_clips_into_parts_and_nothing_else_does(own_files, searchers, uploads, monkeypatch):
    monkeypatch.setattr(files, "SEGMENT_S", 1.0)
    given = [{"path": str(film(uploads / "film.mp4", 3)), "orig_name": "film.mp4"}]
    for cut, count in ((True, "3 clips"), (False, "1 clip"), ("true", "1 clip"), (None, "1 clip"), (9, "1 clip")):
        shown = list(files.add(own_files, searchers, "me", uploads, given, "unified", cut))
        assert f"Ready to search: {count}<" in shown[-1].html
        page = found(own_files, searchers, uploads, text="grey", search_in="clips")
        assert ("#t=1,2" in page) == (cut is True) == ("0:01 to 0:02" in page)


def test_a_kind_that_is_not_there_is_said_in_words(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    assert "Nothing found" in found(own_files, searchers, uploads, search_in="clips")


def test_another_visitor_sees_nothing_of_it(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given, "me")
    for stranger in ("you", None, "", "../me"):
        assert "no files of yours" in found(own_files, searchers, uploads, stranger)
        with pytest.raises(ConfigError):
            files.choose_picture(own_files, stranger, "red.png")
    assert 'data-id="red.png"' in found(own_files, searchers, uploads, "me")


def test_two_visitors_find_only_their_own(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given[:1], "me")
    added(own_files, searchers, uploads, given[1:], "you")
    mine, yours = (found(own_files, searchers, uploads, session) for session in ("me", "you"))
    assert "red.png" in mine and "blue.png" not in mine
    assert "blue.png" in yours and "red.png" not in yours


def test_removed_files_are_gone_from_the_disk(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    assert len(own_folders(uploads)) == 1
    assert files.remove(own_files, "me").state == "idle"
    assert own_folders(uploads) == [] and "no files of yours" in found(own_files, searchers, uploads)


def test_leaving_the_page_removes_the_files_after_the_grace(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    own_files.leave("me")
    until = time.monotonic() + 5
    while own_folders(uploads) and time.monotonic() < until:
        time.sleep(0.02)
    assert own_folders(uploads) == []


def test_files_that_nobody_uses_go_by_themselves(uploads, searchers, given):
    own_files = VisitorCollections(uploads, keep_s=0.2)
    added(own_files, searchers, uploads, given)
    until = time.monotonic() + 5
    while own_folders(uploads) and time.monotonic() < until:
        time.sleep(0.02)
    assert own_folders(uploads) == [] and "no files of yours" in found(own_files, searchers, uploads)


def test_new_files_take_the_place_of_the_old_ones(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given[:1])
    added(own_files, searchers, uploads, given[1:])
    assert len(own_folders(uploads)) == 1 and "blue.png" in found(own_files, searchers, uploads)


def test_a_failed_second_time_keeps_the_first_files(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    (uploads / "x.exe").write_bytes(b"MZ")
    last = added(own_files, searchers, uploads, [{"path": str(uploads / "x.exe"), "orig_name": "x.exe"}])[-1]
    assert last.state == "ready" and ".exe" in last.html and "red.png" in found(own_files, searchers, uploads)


def test_cancelling_leaves_nothing(own_files, searchers, uploads, given, monkeypatch):
    def slow(stage: str, done: int, total: int) -> None:
        time.sleep(0.05)

    report = module.Job.report
    monkeypatch.setattr(module.Job, "report", lambda job, *at: (slow(*at), report(job, *at)))
    steps = files.add(own_files, searchers, "me", uploads, given * 20, "unified")
    next(steps), next(steps)
    own_files.cancel("me")
    last = list(steps)[-1]
    assert last.state == "idle" and "Cancelled" in last.html and own_folders(uploads) == []
    assert 'role="alert"' not in last.html and "did not work" not in last.html and "was kept" in last.html


def test_an_iterator_that_is_closed_cancels_the_work(own_files, searchers, uploads, given, monkeypatch):
    report = module.Job.report
    monkeypatch.setattr(module.Job, "report", lambda job, *at: (time.sleep(0.05), report(job, *at)))
    steps = own_files.build("me", files.read_files(given * 20, uploads), searchers.get("unified").encoder)
    next(steps)
    steps.close()
    assert own_folders(uploads) == []
    with pytest.raises(ConfigError):
        own_files.get("me")


def test_one_visitor_cannot_index_twice_at_a_time(own_files, searchers, uploads, given, monkeypatch):
    report = module.Job.report
    monkeypatch.setattr(module.Job, "report", lambda job, *at: (time.sleep(0.05), report(job, *at)))
    steps = files.add(own_files, searchers, "me", uploads, given * 10, "unified")
    next(steps), next(steps)
    assert "already" in added(own_files, searchers, uploads, given)[-1].html
    assert list(steps)[-1].state == "ready"


def test_the_number_of_visitors_is_limited(own_files, searchers, uploads, given, monkeypatch):
    monkeypatch.setattr(module, "MAX_VISITORS", 1)
    added(own_files, searchers, uploads, given, "me")
    assert "Too many visitors" in added(own_files, searchers, uploads, given, "you")[-1].html
    assert added(own_files, searchers, uploads, given, "me")[-1].state == "ready"


@pytest.fixture
def visitors(uploads, own_files) -> Visitors:
    own_files.visitors = Visitors(uploads)
    return own_files.visitors


def test_visitors_who_are_not_here_make_room_for_one_who_is(
    own_files, visitors, searchers, uploads, given, monkeypatch
):
    monkeypatch.setattr(module, "MAX_VISITORS", 2)
    for stranger in ("raw 1", "raw 2"):
        added(own_files, searchers, uploads, given[:1], stranger)
    with visitors.beat("me", "1"):
        assert added(own_files, searchers, uploads, given, "me")[-1].state == "ready"
    gone, kept = (found(own_files, searchers, uploads, session) for session in ("raw 1", "raw 2"))
    assert "no files of yours" in gone and "red.png" in kept


def test_one_address_with_many_pages_makes_room_and_one_with_a_single_page_does_not(
    own_files, visitors, searchers, uploads, given, monkeypatch
):
    monkeypatch.setattr(module, "MAX_VISITORS", 3)
    with ExitStack() as open_pages:
        for name, address in (("single", "1"), ("many 1", "2"), ("many 2", "2"), ("me", "3"), ("you", "4")):
            open_pages.enter_context(visitors.beat(name, address))
        for name in ("single", "many 1", "many 2", "me"):
            assert added(own_files, searchers, uploads, given[:1], name)[-1].state == "ready"
        assert "no files of yours" in found(own_files, searchers, uploads, "many 1")
        assert "Too many visitors" in added(own_files, searchers, uploads, given[:1], "you")[-1].html


def test_a_visitor_whose_connection_comes_back_keeps_the_files(own_files, visitors, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    with visitors.beat("me", "1"):
        own_files.leave("me")
        time.sleep(4 * own_files.grace_s)
        assert "red.png" in found(own_files, searchers, uploads)


def test_a_removal_during_the_work_waits_for_its_end_or_says_that_it_does_not(
    own_files, searchers, uploads, given, monkeypatch
):
    report = module.Job.report
    monkeypatch.setattr(module.Job, "report", lambda job, *at: (time.sleep(0.2), report(job, *at)))
    for wait_s, said in ((5.0, "no longer on this server"), (0.0, "Almost removed")):
        monkeypatch.setattr(module, "STOP_S", wait_s)
        steps = files.add(own_files, searchers, "me", uploads, given * 10, "unified")
        next(steps), next(steps)
        other = Thread(target=lambda steps=steps: list(steps))
        other.start()
        shown = files.remove(own_files, "me")
        left = own_folders(uploads)
        other.join()
        assert said in shown.html and (left == [] or wait_s == 0.0) and own_folders(uploads) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        [None],
        [{}],
        [{"path": 3}],
        [{"path": "/etc/passwd"}],
        [{"path": "a\0"}],
        [{"path": "uploads/../../secret"}],
        [{}] * 501,
    ],
)
def test_what_is_no_upload_is_refused_in_words(own_files, searchers, uploads, value):
    with pytest.raises((ConfigError, MediaError)):
        files.read_files(value, uploads)
    last = added(own_files, searchers, uploads, value)[-1]
    assert last.state == "idle" and 'role="alert"' in last.html


def test_a_link_out_of_the_uploads_is_refused(uploads, own_files, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (uploads / "a.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(MediaError):
        files.read_files([{"path": str(uploads / "a.txt"), "orig_name": "a.txt"}], uploads)


def test_markup_in_names_and_texts_is_shown_as_text(own_files, searchers, uploads):
    path = uploads / "note"
    path.write_text(MARKUP)
    sent = [
        {"path": str(path), "orig_name": f"{MARKUP}.txt".replace("/", "")},
        {"path": str(path), "orig_name": f"{MARKUP}.exe"},
    ]
    page = added(own_files, searchers, uploads, sent)[-1].html + found(own_files, searchers, uploads)
    assert "<img src=x" not in page and "{{" not in page and "${" not in page and "`" not in page


def test_the_caps_and_the_removal_are_said_beforehand():
    page, place = files_html.intro(), files_html.place()
    for said in ("pictures, clips, text files or a zip", "500 files", "20 MB each", "200 MB in all"):
        assert said in place
    for cap in ("500", "200 MB", "20 MB", "32 MB", "2,000", "removed when you close"):
        assert cap in page
    assert "{" not in page


def test_without_a_calibration_nothing_is_claimed(own_files, searchers, uploads, given):
    assert "trained on" not in added(own_files, searchers, uploads, given)[-1].html


@pytest.mark.parametrize(
    ("limit", "word"), [(0.0, "These pictures are far from what the model was trained on"), (1e9, "0 of 2 look unlike")]
)
def test_files_far_from_the_training_are_called_so_with_the_false_alarm_rate(
    own_files, searchers, searcher, uploads, given, limit, word
):
    kind = Kind(threshold=limit, calibrated=100, checked=100, false_alarms=0.02, detected={})
    write_calibration(
        Calibration(
            encoder=searcher.encoder.fingerprint,
            collection=searcher.collection.fingerprint,
            alpha=0.01,
            kinds={"image": kind},
            command="test",
        ),
        searchers.folders["unified"],
    )
    page = added(own_files, searchers, uploads, given)[-1].html
    assert word in page and "2 %" in page


def test_a_cancelled_work_says_that_nothing_was_kept():
    job = module.Job()
    job.report("Reading", 1, 2)
    job.stop.set()
    with pytest.raises(Cancelled, match="Nothing"):
        job.report("Reading", 2, 2)
    assert (job.stage, job.done) == ("Reading", 1)


@pytest.fixture
def two(searchers, searcher, collection) -> Searchers:
    """A second model beside the first."""
    root = searcher.collection.folder.parents[1]
    other = FakeEncoder(dim=48, name="other")
    other.save(root / "other" / "encoder")
    build_index(other, collection, root / "other" / "catalogue", encoder_at=root / "other" / "encoder")
    return Searchers({name: root / name / "catalogue" for name in ("unified", "other")}, "unified")


def question(uploads, text="red", image=None, k=24):
    return Question(uploads=uploads, image=image, text=text, search_in="all", k=k)


def test_a_result_says_what_it_is_and_why_it_is_there(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    assert 'role="alert"' in files.details(own_files, searchers, "me", "red.png").facts  # nothing was asked
    assert 'data-details="red.png"' in found(own_files, searchers, uploads)
    chosen, facts = files.details(own_files, searchers, "me", "red.png")
    assert chosen == "red.png" and "own-files-" in facts and 'data-pick="red.png"' in facts
    assert "Your query" in files.reasons(own_files, "me", "red.png")
    found(own_files, searchers, uploads, image=given[0])
    page = files.reasons(own_files, "me", "blue.png")
    assert "Picture alone" in page and "Words alone" in page
    for session, wrong in (("you", "red.png"), ("me", "green.png"), ("me", None)):
        chosen, facts = files.details(own_files, searchers, session, wrong)
        assert chosen == "" and 'role="alert"' in facts
        assert 'role="alert"' in files.reasons(own_files, session, wrong)


@pytest.mark.parametrize(("far", "word"), [((), "strong"), (("image",), "weak"), (("text",), "strong")])
def test_a_score_is_worth_what_it_is_on_the_page_and_nothing_far_from_the_training(
    own_files, searchers, searcher, uploads, given, far, word
):
    searcher.verdicts = made_verdicts(searcher.encoder.fingerprint, strong=-1.0, weak=-1.0)
    added(own_files, searchers, uploads, given)
    own_files.get("me").far = frozenset(far)
    page = found(own_files, searchers, uploads)
    assert page.count(f"u-match-{word}") == 2 and page.count("u-match-") == 2


def test_more_are_shown_and_what_is_not_wanted_goes(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    one = files.search(own_files, searchers, "me", question(uploads, k=1))
    assert one.html.count("<li class") == 1 and 'data-more="1"' in one.html and "1 of 2 results" in one.html
    more = files.more(own_files, searchers, "me")
    assert more.html.count("<li class") == 2 and more.step == one.step
    left = files.leave_out(own_files, searchers, "me", "not=red.png")
    assert 'data-id="red.png"' not in left.html and "Less like 1 result" in left.html
    for ask in (files.more, lambda *who: files.leave_out(*who, "not=red.png")):
        for session in ("you", None):
            assert 'role="alert"' in ask(own_files, searchers, session).html


def test_a_step_back_finds_what_was_asked_of_these_files_and_of_no_others(own_files, searchers, uploads, given):
    added(own_files, searchers, uploads, given)
    added(own_files, searchers, uploads, given[1:], "you")
    first = files.search(own_files, searchers, "me", question(uploads, "red", given[0]))
    second = files.search(own_files, searchers, "me", question(uploads, "blue"))
    assert first.step and second.step and first.step != second.step and "red" not in first.step
    picture, text, kind, again = files.travel(own_files, searchers, "me", first.step)
    assert (picture, text, kind, again.step) == (given[0]["path"], "red", "all", first.step)
    assert again.html.split("</h2>")[0] == first.html.split("</h2>")[0]
    assert files.search(own_files, searchers, "me", question(uploads, "red", given[0])).step == first.step
    for session, step in (("you", first.step), (None, first.step), ("me", ""), ("me", None)):
        assert files.travel(own_files, searchers, session, step) == (None, "", "all", files.NOTHING)
    Path(given[0]["path"]).unlink()
    picture, text, _, again = files.travel(own_files, searchers, "me", first.step)
    assert picture is None and text == "red" and "Add the picture again" in again.html
    files.remove(own_files, "me")
    assert files.travel(own_files, searchers, "me", second.step) == (None, "", "all", files.NOTHING)


def test_the_steps_that_are_kept_are_bounded():
    asked = Asked()
    names = [asked.keep(Turn(text=str(number)), 24) for number in range(MAX_STEPS + 1)]
    assert asked.back_to(names[0]) is None and asked.back_to(names[1]) == Turn(text="1")
    with pytest.raises(ConfigError, match="search again"):
        Asked().last()


def test_every_model_is_asked_on_the_same_files_and_indexes_them_once(own_files, two, uploads, given):
    added(own_files, two, uploads, given)
    page = files.every_model(own_files, two, "me", question(uploads))
    assert page.count('class="u-own-model"') == 2 and page.count('data-id="red.png"') == 2
    (folder,) = own_folders(uploads)
    made = (folder / "index-of-other" / "manifest.json").stat().st_mtime_ns
    files.every_model(own_files, two, "me", question(uploads, "blue"))
    assert (folder / "index-of-other" / "manifest.json").stat().st_mtime_ns == made
    assert 'role="alert"' in files.every_model(own_files, two, "you", question(uploads))


def test_the_collection_is_downloaded_as_an_index_that_opens_elsewhere(own_files, searchers, uploads, given, tmp_path):
    added(own_files, searchers, uploads, given)
    (folder,) = own_folders(uploads)
    assert folder.name in files.parcel(own_files, "me") and files.parcel(own_files, "me").endswith("my-index.zip")
    with zipfile.ZipFile(folder / "my-index.zip") as opened:
        opened.extractall(tmp_path / "home")
    files.remove(own_files, "me")
    assert own_folders(uploads) == []
    index = tmp_path / "home" / "my-index" / "index"
    page = find_searchers(index)
    searcher = page.get("unified")
    assert sorted(searcher.collection.ids) == ["blue.png", "red.png"]
    asked = Query(query_id="q", content=Content(text="red"), target_modality="image")
    assert searcher.search(asked, 2).results[0].candidate.content.image.is_relative_to(tmp_path / "home")
    assert "app.py --index" in (index.parent / "READ.txt").read_text("utf-8")
    with pytest.raises(ConfigError, match="no files of yours"):
        files.parcel(own_files, "me")


def test_an_entry_is_a_row_with_a_picture_that_was_given_with_it(own_files, searchers, uploads, given):
    rows = uploads / "rows.jsonl"
    rows.write_text('{"text": "a red thing", "image": "red.png"}\n{"text": "x", "image": "../red.png"}\n'
                    '{"text": "y", "image": "nowhere.png"}\n{"text": "z", "image": 3}\n')  # fmt: skip
    shown = added(own_files, searchers, uploads, [*given, {"path": str(rows), "orig_name": "rows.jsonl"}])
    assert "2 pictures, 1 entry" in shown[-1].html and "3 were not taken" in shown[-1].html
    assert 'data-kind="image,text"' in found(own_files, searchers, uploads, search_in="entries")


def test_another_model_than_the_index_has_is_said(own_files, searchers, uploads, given):
    assert files.other_model(own_files, "me", "other") == ""
    added(own_files, searchers, uploads, given)
    assert "indexed with unified" in files.other_model(own_files, "me", "other")
    assert files.other_model(own_files, "me", "unified") == ""


def test_a_results_words_are_added_to_the_query(own_files, searchers, uploads, given):
    note = uploads / "note.txt"
    note.write_text("a teal lamp")
    added(own_files, searchers, uploads, [*given, {"path": str(note), "orig_name": "note.txt"}])
    assert files.add_words(own_files, "me", "note.txt", "big").startswith("big, ")
