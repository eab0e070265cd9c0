"""Programmes: families of scenes become the roles and contrasts of a step (batch.py), one function per kind of step.

Not pixels (catalogue/world.py) and not losses. Every contrast holds one task; the rows of all tasks of a step share
pictures, so that each picture's vision states are computed once. A new programme is one function and its row in
PROGRAMMES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from training.batch import Composition, TrainBatch
from training.catalogue import edit_text, edits, shortcut, text, typed
from training.catalogue.fillers import with_fillers
from training.catalogue.free import MAIN_FACTS
from training.catalogue.scene import CONVERSE_SIDES, Scene, with_action
from training.catalogue.splits import in_distribution, is_cluttered
from training.catalogue.typos import typing_noise
from training.catalogue.world import Item, World
from training.chunks import Tokenise
from training.config import TrainConfig
from training.parallel import Group
from training.world_source import attributes, views
from training.world_source.batch_builder import EVERYTHING_SAID, Asked, Draft, Row, Rows, facts_key
from umr.errors import ConfigError
from umr.types import Target

STILL_SAID = np.array([not name.startswith("action") for name in attributes.COLUMNS])  # what a still picture fixes

STILL_KINDS = ("picture", "passage", "entry")  # in which a still's scene can be a candidate
#: Role of the candidates -> the tasks that ask for them with words, with a picture, with both; their modality.
TASKS: dict[str, tuple[str, str, str, Target]] = {
    "picture": ("t2i", "i2i", "it2i", "image"),
    "passage": ("t2t", "i2t", "it2t", "text"),
    "entry": ("t2it", "i2it", "it2it", "image,text"),
    "clip": ("t2v", "i2v", "it2v", "video"),
}

Pair = tuple[Item, Item, edits.Edit]  # reference, target, what leads from one to the other


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A composed query: the pair's reference picture with its edit in words asks for the target.

    Attributes:
        task: its role.
        searched: modality of the candidates.
        words: the edit, as it is asked for.
        column: of the target among the candidates.
        facts: of the wanted entry.
        said: (A,) bool, the attributes in which an answer must be the target's scene.
        parts: whether recipes of MCA's losses add its two parts.
    """

    task: str
    searched: Target
    pair: Pair
    words: str
    column: int
    facts: object = None
    said: np.ndarray = field(default_factory=lambda: EVERYTHING_SAID)
    parts: bool = True


def vision(draft: Draft) -> None:
    """Pictures alone: the vision tower learns the attributes from its own heads, at a quarter of a step's cost."""
    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch):
        for item in family:
            draft.picture(item)


def motion(draft: Draft) -> None:
    """Clips alone: the vision tower learns what moves from its own head."""
    for _, family in _clip_families(draft, draft.config.families_per_batch // 2 or 1):
        for item in family:
            draft.clip(item)


def captions(draft: Draft) -> None:
    """Captions <-> pictures, in both directions."""
    asked = Asked()
    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch):
        for item in _shown(draft, family):
            column = draft.add(Row(role="picture", scene=item.scene, media=draft.picture(item)))
            _caption_query(draft, asked, "t2i", "image", item.scene, column)
    draft.open_roles.add("t2i")
    draft.contrast("t2i", ("picture",), asked, symmetric=True)


def pictures(draft: Draft) -> None:
    """Composed queries, captions and same-scene pictures over one set of pictures."""
    composed, captioned, same = Asked(), Asked(), Asked()
    wanted: dict[Scene, Item] = {}
    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch):
        pairs = _pairs(draft, family)
        shown = _candidates(draft, family, pairs)
        column = {
            item.row: draft.add(Row(role="picture", scene=item.scene, media=draft.picture(item))) for item in shown
        }
        for item in shown:
            wanted[item.scene] = item
            _caption_query(draft, captioned, "t2i", "image", item.scene, column[item.row])
        for exact in pairs:
            pair, said = _inexact(draft, exact, family) or (exact, EVERYTHING_SAID)
            words = _edit_words(draft, pair, edit_text.phrase)
            at = column[pair[1].row]
            _compose(
                draft, composed, Composed(task="it2i", searched="image", pair=pair, words=words, column=at, said=said)
            )
        for one in shown:
            twin = _twin(one, family)
            if twin is not None:
                if twin.row not in column:
                    column[twin.row] = draft.add(Row(role="picture", scene=twin.scene, media=draft.picture(twin)))
                draft.add(Row(role="i2i", scene=one.scene, media=draft.picture(one), target="image"))
                same.add(column[twin.row])  # the picture itself is a true answer too, hence no negative
    draft.open_roles.add("t2i")
    others = _in_other_kinds(draft, list(wanted.values()), ("passage", "entry"))
    draft.contrast("t2i", ("picture",), captioned, others=others, weight=0.7, symmetric=True)
    draft.contrast("it2i", ("picture",), composed, others=others)
    draft.contrast("i2i", ("picture",), same, others=others, weight=0.4)
    _composition(draft, "it2i", "picture", composed)


def passages(draft: Draft) -> None:
    """Passages from pictures, from pictures with a change, and from other words."""
    rng = draft.rng
    by_picture, composed, by_text = Asked(), Asked(), Asked()
    wanted: dict[Scene, Item] = {}
    for _, family in _families(draft, draft.world.families, max(1, draft.config.families_per_batch * 2 // 3)):
        pairs = _pairs(draft, family)
        column: dict[Scene, int] = {}
        for item in _candidates(draft, family, pairs):
            if item.scene not in column:
                words = text.passage(item.scene, rng)
                column[item.scene] = draft.add(Row(role="passage", scene=item.scene, words=words))
                if rng.random() < 0.3:
                    _caption_query(draft, by_text, "t2t", "text", item.scene, column[item.scene])
                else:
                    words = text.paraphrase(item.scene, rng)
                    draft.add(Row(role="t2t", scene=item.scene, words=words, target="text"))
                    by_text.add(column[item.scene])
            wanted[item.scene] = item
            draft.add(Row(role="i2t", scene=item.scene, media=draft.picture(item), target="text"))
            by_picture.add(column[item.scene])
        for pair in pairs:
            say = edit_text.question if rng.random() < 0.6 else edit_text.phrase
            words = _edit_words(draft, pair, say)
            query = Composed(task="it2t", searched="text", pair=pair, words=words, column=column[pair[1].scene])
            _compose(draft, composed, query)
    draft.open_roles.add("t2t")
    others = _in_other_kinds(draft, list(wanted.values()), ("picture", "entry"))
    draft.contrast("i2t", ("passage",), by_picture, others=others, symmetric=True)
    draft.contrast("it2t", ("passage",), composed, others=others)
    draft.contrast("t2t", ("passage",), by_text, others=others, weight=0.7)
    _composition(draft, "it2t", "passage", composed)


def entries(draft: Draft) -> None:
    """Illustrated entries: the picture says one half, the words the other."""
    rng = draft.rng
    searched: Target = "image,text"
    by_text, by_picture, composed = Asked(), Asked(), Asked()
    wanted: dict[Scene, Item] = {}
    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch * 3 // 4 or 1):
        column: dict[int, int] = {}
        known: dict[int, text.EntryFacts] = {}
        # shared by siblings: neither words nor picture suffice
        two = (text.random_facts(rng), text.random_facts(rng))
        pairs = _pairs(draft, family)
        for item in _candidates(draft, family, pairs):
            scene = item.scene
            wanted[scene] = item
            facts = known[item.row] = two[int(rng.integers(2))]
            words = text.entry(facts, rng)
            column[item.row] = draft.add(
                Row(role="entry", scene=scene, words=words, media=draft.picture(item), facts=facts)
            )
            _parts_of_entry(draft, draft.roles["entry"].rows[column[item.row]])
            words = text.entry_query(scene, facts, rng)
            draft.add(Row(role="t2it", scene=scene, words=words, target=searched, facts=facts))
            by_text.add(column[item.row])
            media = draft.picture(_twin(item, family) or item)
            draft.add(Row(role="i2it", scene=scene, media=media, target=searched))
            by_picture.add(column[item.row])
        for pair in pairs:
            reference, target, edit = pair
            facts = known[target.row]
            words = text.with_facts(edit_text.phrase(edit, reference.scene, rng), facts, rng)
            query = Composed(
                task="it2it", searched=searched, pair=pair, words=words, column=column[target.row], facts=facts
            )
            _compose(draft, composed, query)
    others = _in_other_kinds(draft, list(wanted.values()), ("picture", "passage"))
    draft.contrast("t2it", ("entry",), by_text, others=others)
    draft.contrast("i2it", ("entry",), by_picture, others=others, weight=0.4)
    draft.contrast("it2it", ("entry",), composed, others=others)
    _composition(draft, "it2it", "entry", composed)
    _entry_composition(draft, by_text)


def clips(draft: Draft) -> None:
    """Clips from words, from a still, and from a still with the action in words."""
    rng = draft.rng
    by_text, by_picture, composed = Asked(), Asked(), Asked()
    wanted: dict[Scene, Item] = {}
    for number, family in _clip_families(draft, draft.config.families_per_batch // 3 or 1):
        stills = _stills(draft, number, family)
        wanted |= {item.scene: item for item in stills}
        column = {item.row: draft.add(Row(role="clip", scene=item.scene, media=draft.clip(item))) for item in family}
        for target in family:
            _caption_query(draft, by_text, "t2v", "video", target.scene, column[target.row])
            still = with_action(target.scene, None)
            shown = [item for item in stills if item.scene == still]
            edit = edits.between(still, target.scene, rng) if shown else None
            if edit is not None:
                words = edit_text.phrase(edit, still, rng)
                picture = shown[int(rng.integers(len(shown)))]
                draft.add(Row(role="i2v", scene=target.scene, media=draft.picture(picture), target="video"))
                by_picture.add(column[target.row], STILL_SAID)
                pair = (picture, target, edit)
                query = Composed(task="it2v", searched="video", pair=pair, words=words, column=column[target.row])
                _compose(draft, composed, query)
    draft.open_roles |= {"t2v", "i2v"}
    others = _in_other_kinds(draft, list(wanted.values()), ("picture", "passage", "entry"))
    draft.contrast("t2v", ("clip",), by_text, others=others, symmetric=True)
    draft.contrast("i2v", ("clip",), by_picture, others=others, weight=0.3)
    draft.contrast("it2v", ("clip",), composed, others=others)
    _composition(draft, "it2v", "clip", composed)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A candidate of the mixed pool: its role, its number there, what it shows, stills beside it, and its chunk."""

    role: str
    number: int
    item: Item
    stills: list[Item]
    chunk: int


def everything(draft: Draft) -> None:
    """One mixed pool of pictures, passages, entries and clips: the kind of the answer is not said."""
    rng = draft.rng
    by_text, by_picture, composed = Asked(), Asked(), Asked()
    pool = _mixed_pool(draft)
    roles = [role for role in ("picture", "passage", "entry", "clip") if role in draft.roles]
    sizes = [len(draft.roles[role]) for role in roles]
    first = dict(zip(roles, np.cumsum(sizes) - sizes, strict=True))
    for found in pool:
        item, column = found.item, int(first[found.role]) + found.number
        draft.chunk = found.chunk  # a query is encoded with its answer
        words = text.caption(item.scene, rng, full=True)
        draft.add(Row(role="t2all", scene=item.scene, words=words, target="all"))
        by_text.add(column)
        shown = _twin(item, found.stills) or (item if found.role == "passage" else None)
        if shown is not None and item.scene.action is None:  # a clip in which something happens shows another scene
            draft.add(Row(role="i2all", scene=item.scene, media=draft.picture(shown), target="all"))
            by_picture.add(column)
        pairs = [pair for pair in _pairs(draft, found.stills) if pair[1].scene == item.scene]
        if pairs:
            reference, _, edit = pairs[0]
            words = edit_text.phrase(edit, reference.scene, rng)
            query = Composed(task="it2all", searched="all", pair=pairs[0], words=words, column=column, parts=False)
            _compose(draft, composed, query)
    draft.open_roles |= {"i2all", "it2all"}
    draft.contrast("t2all", roles, by_text)
    draft.contrast("i2all", roles, by_picture, weight=0.5)
    draft.contrast("it2all", roles, composed)


def _mixed_pool(draft: Draft) -> list[_Found]:
    """The candidates of `everything`: each item of some families as one kind, and a few clips with their stills."""
    rng, found = draft.rng, []

    def still(item: Item, family: list[Item]) -> None:
        role = STILL_KINDS[int(rng.integers(len(STILL_KINDS)))]
        number = draft.add(_candidate(draft, role, item))
        found.append(_Found(role=role, number=number, item=item, stills=family, chunk=draft.chunk))

    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch // 3 or 1):
        for item in _shown(draft, family):
            still(item, family)
    for place, family in _clip_families(draft, draft.config.families_per_batch // 8 or 1):
        stills = _stills(draft, place, family)
        shown = {one.row: one for item in family[:3] if (one := _twin(item, stills)) is not None}
        for row in sorted(shown):
            still(shown[row], stills)
        for item in family[:3]:
            number = draft.add(Row(role="clip", scene=item.scene, media=draft.clip(item)))
            found.append(_Found(role="clip", number=number, item=item, stills=stills, chunk=draft.chunk))
    return found


def kinds(draft: Draft) -> None:
    """One mixed pool again, but each query says which kind it wants: the right scene in another kind is wrong.

    This is how M-BEIR's global pool asks (arXiv 2311.17136, section 4).
    """
    rng = draft.rng
    asked = {role: (Asked(), Asked(), Asked()) for role in TASKS}
    for _, family in _families(draft, draft.world.families, draft.config.families_per_batch // 3 or 1):
        pairs = {pair[1].row: pair for pair in _pairs(draft, family)}
        for item in _shown(draft, family):
            there = [role for role in STILL_KINDS if rng.random() < 0.6] or [STILL_KINDS[int(rng.integers(3))]]
            column = {role: draft.add(_candidate(draft, role, item)) for role in there}
            role = there[int(rng.integers(len(there)))]
            picture = _twin(item, family) or (None if role == "picture" else item)
            _ask_for_kind(draft, asked[role], role, item, column[role], (picture, pairs.get(item.row)))
    for number, family in _clip_families(draft, draft.config.families_per_batch // 8 or 1):
        stills = _stills(draft, number, family)
        for item in family[:3]:
            column = {"clip": draft.add(Row(role="clip", scene=item.scene, media=draft.clip(item)))}
            still = _twin(item, stills)
            edit = None if still is None else edits.between(still.scene, item.scene, rng)
            pair = None if still is None or edit is None else (still, item, edit)
            if still is not None:
                draft.add(_candidate(draft, STILL_KINDS[int(rng.integers(3))], still))
            _ask_for_kind(draft, asked["clip"], "clip", item, column["clip"], (still, pair))
    for role, (by_text, by_picture, composed) in asked.items():
        others = [other for other in TASKS if other != role]
        t2x, i2x, it2x, _ = TASKS[role]
        draft.open_roles |= {t2x, "i2v"}
        draft.contrast(t2x, (role,), by_text, others=others)
        draft.contrast(i2x, (role,), by_picture, others=others, weight=0.5)
        draft.contrast(it2x, (role,), composed, others=others)


def _ask_for_kind(
    draft: Draft,
    asked: tuple[Asked, Asked, Asked],
    role: str,
    item: Item,
    column: int,
    shown: tuple[Item | None, Pair | None],
) -> None:
    """Words, a picture, and both, where there are such, ask for the item as a candidate of its kind."""
    by_text, by_picture, composed = asked
    t2x, i2x, it2x, searched = TASKS[role]
    picture, pair = shown
    _caption_query(draft, by_text, t2x, searched, item.scene, column)
    if picture is not None:
        draft.add(Row(role=i2x, scene=item.scene, media=draft.picture(picture), target=searched))
        by_picture.add(column, STILL_SAID if role == "clip" else EVERYTHING_SAID)
    if pair is not None:
        words = _edit_words(draft, pair, edit_text.phrase)
        query = Composed(task=it2x, searched=searched, pair=pair, words=words, column=column, parts=False)
        _compose(draft, composed, query)


@dataclass(frozen=True, kw_only=True)
class Programme:
    """A kind of step.

    Attributes:
        draw: collects its rows.
        needs: the weight in TrainConfig without which it teaches nothing.
        composes: of what its steps add the parts that MCA's two terms need: "query", "candidate".
    """

    draw: Callable[[Draft], None]
    needs: str | None = None
    composes: tuple[str, ...] = ()


#: What a step can be made of, by the name that TrainConfig.programmes gives a share.
PROGRAMMES: Mapping[str, Programme] = {
    "vision": Programme(draw=vision, needs="vision_weight"),
    "motion": Programme(draw=motion, needs="motion_weight"),
    "captions": Programme(draw=captions),
    "pictures": Programme(draw=pictures, composes=("query",)),
    "passages": Programme(draw=passages, composes=("query",)),
    "entries": Programme(draw=entries, composes=("query", "candidate")),
    "clips": Programme(draw=clips, composes=("query",)),
    "everything": Programme(draw=everything),
    "kinds": Programme(draw=kinds),
}


def check_programmes(config: TrainConfig) -> None:
    """See that every programme is there and teaches something.

    Raises:
        ConfigError: the config names a programme that there is not, or one without the weight that it needs.
    """
    unknown = sorted(set(config.programmes) - set(PROGRAMMES))
    if unknown:
        raise ConfigError(f"programmes {', '.join(unknown)} are unknown; legal: {', '.join(PROGRAMMES)}")
    for name, share in config.programmes.items():
        needs = PROGRAMMES[name].needs
        if share and needs and not getattr(config, needs):
            raise ConfigError(f"the programme {name} learns from its own heads alone: give {needs} above 0")


def check_compositions(config: TrainConfig) -> None:
    """See that some steps of a stage have what MCA's two terms are of, where it asks for them.

    Raises:
        ConfigError: none has.
    """
    for side, asked in (("query", config.composes_queries), ("candidate", config.composes_candidates)):
        fit = [name for name, one in PROGRAMMES.items() if side in one.composes]
        if asked and not any(config.programmes.get(name) for name in fit):
            raise ConfigError(
                f"preference_weight and regularisation_weight are of each composed {side}, which none of the "
                f"programmes {', '.join(config.programmes)} has; give one of {', '.join(fit)} a share, or leave "
                "both at 0"
            )


class BatchBuilder:
    """Makes the batch of any step: batch n depends on (seed, n) alone, so a resumed run sees the same ones.

    The parts of composed queries draw from a stream of their own: with or without them, all other rows are the same.
    """

    def __init__(self, tokenise: Tokenise, world: World, config: TrainConfig, group: Group | None = None) -> None:
        check_programmes(config)
        self.tokenise, self.world, self.config, self.group = tokenise, world, config, group
        self.names = [name for name, share in config.programmes.items() if share]
        shares = np.array([config.programmes[name] for name in self.names])
        self.shares = shares / shares.sum()

    def build(self, step: int) -> TrainBatch:
        """The batch of a step, on the CPU."""
        draft = Draft(self.tokenise, self.world, self.config, step, self.group)
        name = self.names[int(draft.rng.choice(len(self.names), p=self.shares))]
        PROGRAMMES[name].draw(draft)
        return draft.finish(name)


def _families(draft: Draft, families: list[list[Item]], count: int) -> Iterator[tuple[int, list[Item]]]:
    """`count` random families with their numbers; starts a new chunk every `chunk_families`, one for each process."""
    config, rng = draft.config, draft.rng
    chosen = rng.choice(len(families), min(count, len(families)), replace=False, p=_chances(draft, families))
    size = draft.group.chunk_families(len(chosen), config.chunk_families)
    for place, number in enumerate(chosen):
        if size and place % size == 0:
            draft.chunk += 1
        family = families[int(number)]
        if rng.random() < config.mirror:
            family = views.mirror_family(family, draft.world.manifest["split"])
        yield int(number), family


def _chances(draft: Draft, families: list[list[Item]]) -> np.ndarray | None:
    """How likely each family is, where the recipe prefers some of the image families; None: all alike."""
    if draft.config.rare == 1 or families is not draft.world.families:
        return None
    weights = np.where(draft.world.in_company, draft.config.rare, 1.0)
    return weights / weights.sum()


def _clip_families(draft: Draft, count: int) -> Iterator[tuple[int, list[Item]]]:
    """`count` random clip families with their numbers, some of them played backwards."""
    for number, family in _families(draft, draft.world.clip_families, count):
        if draft.rng.random() < draft.config.backwards:
            family = views.reverse_family(family, draft.world.manifest["split"])
        yield number, family


def _stills(draft: Draft, number: int, moving: list[Item]) -> list[Item]:
    """The pictures of the scenes of clip family `number`, mirrored where the clips are."""
    stills = draft.world.families[number]
    return views.mirror_family(stills, draft.world.manifest["split"]) if moving[0].mirrored else stills


def _shown(draft: Draft, family: list[Item]) -> list[Item]:
    """All renders of a family, or a single one where batches are of random items."""
    return family if draft.config.batch == "families" else [family[int(draft.rng.integers(len(family)))]]


def _caption_query(draft: Draft, asked: Asked, task: str, searched: Target, scene: Scene, column: int) -> None:
    """A full or partial caption of a scene, or a short typed query, asks for the candidate in `column`."""
    rng = draft.rng
    ways: list[np.ndarray] = []
    if scene.action is None and draft.config.typed and rng.random() < draft.config.typed:
        query = typed.draw(rng, scene, _form(draft, scene))
        words, said = typed.say(query, rng), attributes.columns_said(query.said)
        if query.company:  # either object may be the main one
            said, ways = EVERYTHING_SAID, _ways_of_typed(query)
    else:
        words, names = text.caption_and_said(scene, rng, full=rng.random() < 0.5)
        said = attributes.columns_said(names)
    draft.add(Row(role=task, scene=scene, words=_as_typed(draft, words), target=searched))
    asked.add(column, said, ways)


def _form(draft: Draft, scene: Scene) -> str | None:
    """The form of a short query, where the recipe prefers some; None: any."""
    rare = draft.config.rare
    if rare == 1:
        return None
    forms = typed.forms_of(scene)
    weights = np.array([rare if form in ("company", "count") else 1.0 for form in forms])
    return str(draft.rng.choice(forms, p=weights / weights.sum()))


def _ways_of_typed(query: typed.TypedQuery) -> list[np.ndarray]:
    """What a query of two objects allows: the first as the main one with the second beside it, and the other way."""
    converse = tuple(CONVERSE_SIDES[side] for side in query.sides)
    return [
        attributes.allowing(
            attributes.ANYTHING,
            {name: (value,) for name, value in main}
            | {f"companion {name}": (value,) for name, value in company}
            | {"companion side": sides},
        )
        for main, company, sides in (
            (query.main, query.company, query.sides),
            (query.company, query.main, converse),
        )
    ]


def _ways_of_edit(edit: edits.Edit, reference: Scene) -> list[np.ndarray]:
    """What an edit that more than one scene satisfies allows; nothing for the others, whose target is the one."""
    if edit.kind not in edits.OPEN_KINDS:
        return []
    return [attributes.allowing(attributes.bits(attributes.codes(reference)), edit.allowed(reference))]


def _as_typed(draft: Draft, words: str) -> str:
    """The words, with fillers around them and typing errors in them where the recipe has these."""
    if draft.config.fillers:
        words = with_fillers(words, draft.rng, draft.config.fillers)
    return typing_noise(words, draft.rng, draft.config.noise) if draft.config.noise else words


def _in_other_kinds(draft: Draft, shown: list[Item], kinds: Sequence[str]) -> tuple[str, ...]:
    """Adds some of the scenes in kinds that the step does not ask for.

    Args:
        draft: the step.
        shown: a picture of every scene that is asked for.
        kinds: roles; each scene that is taken comes in one of them.

    Returns:
        The roles.
    """
    share, rng = draft.config.wrong_kinds, draft.rng
    if not share:
        return ()
    for item in shown:
        if rng.random() < share:
            role = kinds[int(rng.integers(len(kinds)))]
            draft.add(_candidate(draft, role, item))
    return tuple(kinds)


def _candidate(draft: Draft, role: str, item: Item) -> Row:
    """A still's scene as a candidate of a kind: a picture, a passage or an entry."""
    words = None
    if role == "passage":
        words = text.passage(item.scene, draft.rng)
    elif role == "entry":
        words = text.entry(text.random_facts(draft.rng), draft.rng)
    return Row(role=role, scene=item.scene, words=words, media=None if role == "passage" else draft.picture(item))


def _pairs(draft: Draft, family: list[Item]) -> list[Pair]:
    """(reference, target, edit): every render is a target once ("families"), or one pair ("random")."""
    rng, pairs = draft.rng, []
    for target in family:
        others = [item for item in family if item.scene != target.scene]
        rng.shuffle(others)
        found = ((other, target, edits.between(other.scene, target.scene, rng)) for other in others)
        sensible = ((other, target, edit) for other, target, edit in found if edit is not None)
        pair = next(sensible, None) if draft.config.rare == 1 else _rather_rare(draft, list(sensible))
        if pair is not None:
            pairs.append(pair)
    if draft.config.batch == "random" and pairs:
        return [pairs[int(rng.integers(len(pairs)))]]
    return pairs


def _inexact(draft: Draft, pair: Pair, family: list[Item]) -> tuple[Pair, np.ndarray] | None:
    """Another query for the pair's target, which it answers but not exactly: a fact beside the edit differs.

    Args:
        draft: the step, whose `graded` is how often this is asked.
        pair: an exact one.
        family: of the pair.

    Returns:
        Reference, target and edit, where the target's scene is the wanted one, which the family does not show; and the
        attributes (A,) in which an answer must be as wanted. None where the draw or the family does not give it.
    """
    rng, target = draft.rng, pair[1]
    if rng.random() >= draft.config.graded:
        return None
    shown = {item.scene for item in family}
    others = [item for item in family if len(edits.differences(item.scene, target.scene)) == 2]
    for reference in (others[row] for row in rng.permutation(len(others))):
        for name in edits.differences(reference.scene, target.scene):
            kept = getattr(reference.scene, name)
            if name in MAIN_FACTS or (name == "companion" and kept and kept.category == target.scene.category):
                continue
            wanted = replace(target.scene, **{name: kept})
            if wanted in shown or not in_distribution(wanted, draft.world.manifest["split"]):
                continue
            if is_cluttered(wanted) and not any(map(is_cluttered, shown)):  # only where the family is
                continue
            edit = edits.between(reference.scene, wanted)
            if edit is not None:
                said = attributes.columns_said(frozenset((*MAIN_FACTS, *edits.differences(reference.scene, wanted))))
                return (reference, replace(target, scene=wanted), edit), said
    return None


def _rather_rare(draft: Draft, pairs: list[Pair]) -> Pair | None:
    """One of the pairs, of edits that few scenes allow the likelier."""
    if not pairs:
        return None
    weights = np.array([draft.config.rare if _is_rare(edit) else 1.0 for _, _, edit in pairs])
    return pairs[int(draft.rng.choice(len(pairs), p=weights / weights.sum()))]


def _is_rare(edit: edits.Edit) -> bool:
    return edit.kind in edits.COMPANY or "count" in (edit.kind, edit.attribute) or any(map(_is_rare, edit.parts))


def _candidates(draft: Draft, family: list[Item], pairs: list[Pair]) -> list[Item]:
    """The renders that are candidates: all of a family, or the one pair's target where batches are of random items."""
    return family if draft.config.batch == "families" else [target for _, target, _ in pairs]


def _edit_words(draft: Draft, pair: Pair, say: Callable[..., str]) -> str:
    """The edit in words; in a text-shortcut world they may describe the whole target as well."""
    reference, target, edit = pair
    words = say(edit, reference.scene, draft.rng)
    if draft.rng.random() < draft.config.text_shortcut:
        words = shortcut.with_rest(words, target.scene, draft.rng)
    return _as_typed(draft, words)


def _cue(draft: Draft, edit: edits.Edit) -> int | None:
    """The tag in a reference picture of a picture-shortcut world; it lies with probability 1 - strength."""
    strength = draft.config.picture_shortcut
    if not strength:
        return None
    cue = shortcut.cue_of(edit)
    return cue if draft.rng.random() < strength else shortcut.other_cue(cue, draft.rng)


def _compose(draft: Draft, asked: Asked, query: Composed) -> None:
    """Add a composed query and, where MCA's losses ask for them, its picture alone and its text alone."""
    reference, wanted, edit = query.pair
    scene, target = wanted.scene, query.searched
    media = draft.picture(reference, _cue(draft, edit))
    draft.add(Row(role=query.task, scene=scene, words=query.words, media=media, target=target, facts=query.facts))
    if draft.config.composes_queries and query.parts:
        whole = draft.roles[query.task].sentences[-1] if draft.config.parts_asked == "composed" else None
        part = Row(role=f"{query.task} picture", scene=scene, media=media, target=target, part=True, sentence=whole)
        draft.add(part)
        draft.add(replace(part, role=f"{query.task} text", media=None, words=query.words))
    asked.add(query.column, query.said, _ways_of_edit(edit, reference.scene))


def _parts_of_entry(draft: Draft, entry: Row) -> None:
    """Add an entry's picture alone and its text alone, where MCA's losses ask for them; nothing is drawn."""
    if draft.config.composes_candidates:
        draft.add(replace(entry, role="entry picture", words=None, part=True))
        draft.add(replace(entry, role="entry text", media=None, part=True))


def _entry_composition(draft: Draft, asked: Asked) -> None:
    """Line the entries up with their parts and with the query of `asked` that each answers, where a recipe has them."""
    parts = ("entry picture", "entry text")
    if not draft.config.composes_candidates or not asked.positive:
        return
    draft.open_roles.update(parts)
    entries = draft.roles["entry"]
    query_of = {column: query for query, column in enumerate(asked.positive)}
    draft.compositions.append(
        Composition(
            task="entry",
            roles=("entry", *parts),
            paired="t2it",
            positive=torch.tensor([query_of[column] for column in range(len(entries))]),
            same=_same(entries, [EVERYTHING_SAID] * len(entries)),
        )
    )


def _composition(draft: Draft, task: str, candidate: str, asked: Asked) -> None:
    """Line the composed queries of a task up with their parts, where a recipe has them."""
    if not draft.config.composes_queries or not asked.positive:
        return
    parts = (f"{task} picture", f"{task} text")
    draft.open_roles.update(parts)
    draft.compositions.append(
        Composition(
            task=task,
            roles=(task, *parts),
            paired=candidate,
            positive=torch.tensor(asked.positive),
            same=_same(draft.roles[task], asked.said),
        )
    )


def _same(rows: Rows, said: Sequence[np.ndarray]) -> torch.Tensor:
    """(N, N) bool: whether another row is of the same scene, as far as it is said, and of the same facts."""
    codes, told = rows.codes(), np.array([facts_key(row) for row in rows.rows])
    same = attributes.same_meaning(codes, np.stack(said), codes) & (told[:, None] == told[None, :])
    return torch.from_numpy(same & ~np.eye(len(codes), dtype=bool))


def _twin(item: Item, family: list[Item]) -> Item | None:
    """Another render of what the item shows, for a clip a still of it; None if the family has none."""
    still = with_action(item.scene, None)
    alike = (other for other in family if other.scene == still and (other.row, other.scene) != (item.row, item.scene))
    return next(alike, None)
