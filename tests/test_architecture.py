"""The rules of the layout, read from the source: who may import what, and what no file may hold."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from umr.bench.architecture import circles, import_graph, rooms

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "umr").rglob("*.py"))
PAGE = sorted((ROOT / "umr" / "ui").rglob("*.py"))
OURS = [*sorted(path for folder in ("umr", "training") for path in (ROOT / folder).rglob("*.py")), ROOT / "app.py"]
WITHOUT_TORCH = (
    "types",
    "shipped",
    "disk",
    "index/index",
    "index/manifest",
    "index/flat",
    "eval/measures",
    "collection",
    "formats",
    "ingest",
    "eval/evaluate",
    "eval/groups",
    "eval/judged",
    "eval/pools",
    "eval/scores",
    "eval/splits",
    "eval/vector_sum",
    "eval/tuning",
    "search",
)
MOST_LINES, MOST_PARAMETERS = 60, 7
MOST_LINES_OF_A_HANDLER = 15
#: Files of the page whose functions answer requests without a component: endpoints, health and numbers.
ASKED_BY_NAME = ("umr/ui/layout/api.py", "umr/ui/layout/monitor.py")
TAG = re.compile(r"<[a-z/!]")
#: Files of the page that may hold what looks like a tag, and how many strings of them do: why.
TAGS = {
    "umr/ui/parts/scripts.py": 4,  # <script> and <style> around what is read from .js and .css files
    "umr/ui/layout/preview.py": 1,  # a regular expression: what Gradio's page says of Gradio
    "umr/ui/searchers.py": 1,  # a regular expression: (?<! looks behind
}
EVENTS = {
    "blur",
    "change",
    "click",
    "copy",
    "expand",
    "failure",
    "input",
    "load",
    "release",
    "select",
    "submit",
    "success",
    "then",
    "tick",
    "unload",
    "upload",
}
ABSOLUTE = re.compile(r"(/(home|root|tmp|usr|work|mnt|data|opt|Users|var)/|[A-Za-z]:\\)")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Of a file, parsed once for all tests."""
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path, top_level: bool = False) -> Iterator[str]:
    """Full names of imported modules; top_level: only those that importing the file runs."""
    whole = parsed(path)
    for node in whole.body if top_level else ast.walk(whole):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def packages(path: Path, top_level: bool = False) -> set[str]:
    return {module.partition(".")[0] for module in imports(path, top_level)}


def in_layout(path: Path) -> bool:
    """Whether a file is one of components and their wiring: the frame's folder, shared parts, or a tab's layout.py."""
    ui = ROOT / "umr" / "ui"
    return (
        path.is_relative_to(ui / "layout")
        or path.is_relative_to(ui / "parts")
        or (path.name == "layout.py" and path.parent.parent == ui)
    )


def test_there_is_something_to_check():
    assert len(LIBRARY) > 15 and {"app", "umr"} <= {path.stem if path.parent == ROOT else "umr" for path in OURS}


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_the_library_imports_neither_training_nor_tests_nor_the_page(path):
    assert not packages(path) & {"training", "tests", "app"}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_gradio_stands_only_in_the_page(path):
    if path != ROOT / "app.py" and not in_layout(path):
        plays_visitors = path.parent == ROOT / "umr" / "bench" and path.stem in ("load_test", "bombs")
        assert not packages(path) & ({"gradio"} if plays_visitors else {"gradio", "gradio_client"})


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_data_modules_import_no_torch(module):
    assert not packages(ROOT / "umr" / f"{module}.py") & {"torch", "transformers"}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_no_file_changes_the_import_path_or_unpickles(path):
    assert "pickle" not in packages(path)
    touched = {
        (node.value.id, node.attr)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert ("sys", "path") not in touched


@pytest.mark.parametrize("path", OURS, ids=name)
def test_no_file_names_an_absolute_path(path):
    literals = [
        node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [text for text in literals if ABSOLUTE.search(text)]


@pytest.mark.parametrize("path", OURS, ids=name)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(parsed(path))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many arguments a caller may give; a method's own object is none of them."""
    known = function.args
    names = [one.arg for one in (*known.posonlyargs, *known.args, *known.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


@pytest.mark.parametrize("path", OURS, ids=name)
def test_functions_are_short_and_have_few_parameters(path):
    found = {one.name: ((one.end_lineno or 0) - one.lineno + 1, parameters(one)) for one in functions(path)}
    assert {one: size for one, size in found.items() if size[0] > MOST_LINES or size[1] > MOST_PARAMETERS} == {}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_no_assert_stands_for_a_check(path):
    assert not [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.Assert)]


def literals(path: Path) -> list[str]:
    """The strings of a file that are no docstrings; of an f-string, its words."""
    whole = parsed(path)
    said = {id(node.value) for node in ast.walk(whole) if isinstance(node, ast.Expr)}
    found = [node for node in ast.walk(whole) if isinstance(node, ast.Constant) and id(node) not in said]
    return [node.value for node in found if isinstance(node.value, str)]


def test_no_tag_stands_in_the_pages_python():
    """Tags are in umr/ui/templates, where everything that is printed is escaped."""
    found = {name(path): sum(bool(TAG.search(text)) for text in literals(path)) for path in PAGE}
    assert {file: count for file, count in found.items() if count} == TAGS


def handlers(tree: ast.Module) -> set[str]:
    """Names of functions that an event of the page is wired to in a file.

    Also within `partial` and within a function of the file that makes a handler of another, and under another name.
    """
    found, aliases = set(), assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            place = 1 if ast.unparse(node.func) == "gr.on" else 0 if node.func.attr in EVENTS else None
            if place is not None and len(node.args) > place:
                found |= named(node.args[place])
    while further := set().union(*(aliases.get(one, set()) for one in found)) - found:
        found |= further
    makers = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name in found}
    for maker, function in makers.items():
        if made := {one.name for one in ast.walk(function) if isinstance(one, ast.FunctionDef)} - {maker}:
            found = found - {maker} | made
    return found


def named(node: ast.expr) -> set[str]:
    """The function that an expression is, or the names of those that it is made of."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return {node.id if isinstance(node, ast.Name) else node.attr}
    if isinstance(node, ast.Call):
        return named(node.func).union(*map(named, node.args))
    return named(node.value) if isinstance(node, ast.Subscript) else set()


def assigned(tree: ast.Module) -> dict[str, set[str]]:
    """Name that a file gives to a handler that was made of others -> their names and the maker's."""
    found: dict[str, set[str]] = {}
    defined = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.returns is not None]
    makers = {"partial", *(one.name for one in defined if "Callable" in ast.unparse(one.returns))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] * len(names)
                for one, part in zip(names, parts, strict=False):
                    made = part.value if isinstance(part, ast.Subscript) else part
                    if isinstance(one, ast.Name) and isinstance(made, ast.Call) and named(made.func) & makers:
                        found.setdefault(one.id, set()).update(named(part))
    return found


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's statements, without its head, its docstring and those of functions in it."""
    body = function.body[ast.get_docstring(function) is not None :]
    inner = [one for one in ast.walk(function) if one is not function and isinstance(one, ast.FunctionDef)]
    said = [one.body[0] for one in inner if ast.get_docstring(one) is not None]
    described = sum((one.end_lineno or 0) - one.lineno + 1 for one in said)
    return (function.end_lineno or 0) - body[0].lineno + 1 - described if body else 0


def test_handlers_are_short():
    wired = set().union(*(handlers(parsed(path)) for path in PAGE if in_layout(path)))
    asked = [path for path in PAGE if in_layout(path) or path.stem in ("actions", "details", "handlers")]
    found = [(path, one) for path in asked for one in functions(path) if one.name in wired]
    found += [(path, one) for path in PAGE if name(path) in ASKED_BY_NAME for one in functions(path)]
    sizes = {f"{name(path)}:{one.name}": body_lines(one) for path, one in found}
    named_ones = (
        "find again suggestions choose browse own_details own_words own_leave own_model words travel asked show tables "
        "difference write handler vote_page export_file"
    )
    assert {one.rpartition(":")[2] for one in sizes} >= set(named_ones.split())
    assert len(sizes) > 60
    assert {one: lines for one, lines in sizes.items() if lines > MOST_LINES_OF_A_HANDLER} == {}


@pytest.mark.parametrize(
    "wired",
    [
        "gr.on([a.click, b.submit], long, inputs)",
        "gr.on([a.click], partial(actions.long, searchers))",
        "a.expand(long)",
        "a.copy(long).success(None)",
        "a.click(b).failure(long)",
        "show = partial(long, searchers)\na.input(show)",
        "def _last(a) -> Callable: ...\nask, change = _last(long), _last(b)\ngr.on(a, change)\na.click(ask)",
        "def _make() -> Callable:\n    def long(): ...\n    return long\nfind = _make()\na.tick(find)",
        "a.select(_with_event(partial(long, box)), kept)",
    ],
)
def test_a_handler_is_found_however_it_is_wired(wired):
    assert "long" in handlers(ast.parse(wired))


def test_the_command_line_and_the_package_import_nothing_heavy():
    heavy = {"torch", "transformers", "faiss", "datasets", "gradio", "numpy"}
    for path in (
        ROOT / "umr" / "cli" / "commands.py",
        ROOT / "umr" / "cli" / "parser.py",
        ROOT / "umr" / "__init__.py",
        ROOT / "umr" / "__main__.py",
    ):
        assert not packages(path, top_level=True) & heavy
    assert (
        set(imports(ROOT / "umr" / "cli" / "commands.py", top_level=True)) & {"umr.search", "umr.index.index"} == set()
    )


def test_no_modules_import_each_other_in_a_circle():
    """Wherever in a file an import stands: one inside a function hides a circle from Python, not from a reader."""
    assert circles(import_graph(ROOT)) == []


def test_no_rooms_import_each_other_in_a_circle():
    assert circles(rooms(import_graph(ROOT))) == []


def test_scenes_are_known_to_the_world_and_its_source_alone():
    """The loop knows a rendered world by what world_source/source.py says; three commands make or measure worlds."""
    graph = import_graph(ROOT)
    within = ("training.catalogue", "training.world_source")
    outside = {one: others for one, others in graph.items() if not one.startswith(within)}
    assert {one for one, others in outside.items() if "training.catalogue.scene" in others} == set()
    inner = {other for others in outside.values() for other in others if other.startswith("training.world_source")}
    assert inner == {"training.world_source.source"}
    makers = {one for one, others in outside.items() if any(other.startswith("training.catalogue") for other in others)}
    study = {f"training.study.{one}" for one in ("plan", "runs")}
    assert makers == {"training.reproduce", "training.second_half", "training.pool_size"} | study


def test_a_circle_would_be_found():
    """The check itself: of two circles that share no node, both are named, and a node that only leads to one is not."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["e", "f"]]


@pytest.mark.parametrize("path", OURS, ids=name)
def test_one_module_hashes_files_and_renames_drafts(path):
    """A second way to write a file whole was, each time, one that a power cut could empty."""
    text = path.read_text("utf-8")
    assert path == ROOT / "umr" / "disk.py" or not re.search(r"file_digest|\.json\.part|\.md\.part", text)
