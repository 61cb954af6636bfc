"""Laws 3 to 6: one name in four places, imports that point backwards, classes that stay as they were, NumPy alone."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tito import course

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
CHAPTERS = COURSE.chapters()
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)


@each_chapter
def test_one_name_in_four_places(chapter):
    for place in (chapter.markdown, chapter.source, chapter.rubric_path, ROOT / "tests" / f"test_{chapter.name}.py"):
        assert place.is_file(), f"{place.relative_to(ROOT)} is missing"


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.split(".")[1] for name in found if name.startswith("tinytorch.")}


@each_chapter
def test_imports_point_to_earlier_chapters(chapter):
    places = {other.name: other.number for other in CHAPTERS}
    exception = {"autograd"} if chapter.name == "tensor" else set()  # Tensor.backward, given code
    later = {name for name in imported(chapter.source) if places.get(name, "00") >= chapter.number} - exception
    assert not later, f"{chapter.source.name} imports {later}"


@pytest.mark.parametrize(("given", "last"), [("kernels", None), ("parallel", "09"), ("onnx", "16")])
def test_given_modules_import_no_chapter_after_their_own(given, last):
    places = {other.name: other.number for other in CHAPTERS}
    used = {places[name] for name in imported(COURSE.package / f"{given}.py") if name in places}
    assert not used if last is None else max(used) <= last, f"{given}.py imports chapters {sorted(used)}"


def needed(name: str) -> str:
    """The last chapter that stands when this module can be imported: its own, or the last one that it imports."""
    places = {other.name: other.number for other in CHAPTERS}
    if name in places:
        return places[name]
    top = ast.parse((COURSE.package / f"{name}.py").read_text(encoding="utf-8")).body
    found = [node for node in top if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinytorch")]
    modules = {name for node in found for name in ((node.module or "").split(".")[1:] or [a.name for a in node.names])}
    return max((needed(other) for other in modules if (COURSE.package / f"{other}.py").is_file()), default="00")


@pytest.mark.parametrize("facade", ["", ".nn", ".nn.functional", ".nn.init"])
def test_what_a_chapter_defines_is_found_by_pytorchs_name_as_soon_as_the_chapter_stands(facade):
    homes = importlib.import_module(f"tinytorch{facade}")._HOMES
    defined = {name: chapter for chapter in reversed(CHAPTERS) for name in ast.parse(chapter.source.read_text()).body
               if isinstance(name, ast.FunctionDef | ast.ClassDef)}  # fmt: skip
    first = {node.name: chapter.number for node, chapter in defined.items()}
    late = [name for home, names in homes.items() for name in names.split() if needed(home) > first.get(name, "99")]
    assert not late, f"tinytorch{facade} takes {late} from a module that imports later chapters"


def run(code: str, *path: Path, isolated: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-S", "-c", code] if isolated else [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


UNCHANGED = """
import importlib, sys, types

def state():
    kept = {}
    for module in [m for n, m in list(sys.modules.items()) if n.startswith("tinytorch.")]:
        values = [v for v in vars(module).values() if getattr(v, "__module__", "").startswith("tinytorch")]
        for owner in [module, *(v for v in values if isinstance(v, type))]:
            kept[owner] = {k: id(v) for k, v in vars(owner).items() if not is_bookkeeping(owner, k, v)}
    return kept

def is_bookkeeping(owner, key, value):
    "What Python itself keeps: caches of abc, __doc__ slots, submodules bound to their package."
    return key.startswith(("_abc_", "__")) or isinstance(value, types.ModuleType)

for name in sys.argv[1:]:
    before = state()
    importlib.import_module("tinytorch." + name)
    after = state()
    for owner, was in before.items():
        if after[owner] != was:
            changed = [k for k in {*was, *after[owner]} if was.get(k) != after[owner].get(k)]
            sys.exit(f"importing {name} changes {owner}: {changed}")
"""


def test_importing_a_chapter_changes_no_earlier_class_or_module():
    script = UNCHANGED.replace("sys.argv[1:]", repr([chapter.name for chapter in CHAPTERS]))
    done = run(script, ROOT / "src", isolated=False)
    assert done.returncode == 0, done.stderr


def test_a_patched_class_is_found(tmp_path):
    package = tmp_path / "tinytorch"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "early.py").write_text("class A:\n    pass\n")
    (package / "late.py").write_text("from tinytorch.early import A\nA.forward = lambda self: 1\n")
    done = run(UNCHANGED.replace("sys.argv[1:]", "['early', 'late']"), tmp_path)
    assert done.returncode == 1
    assert "importing late changes" in done.stderr


def numpy_alone(folder: Path) -> Path:
    """A folder from which NumPy can be imported, and nothing else that is installed."""
    import numpy

    home = Path(numpy.__file__).parent
    for source in [home, *home.parent.glob("numpy.libs")]:
        try:
            os.symlink(source, folder / source.name, target_is_directory=True)
        except OSError:  # Windows without the right to make links
            shutil.copytree(source, folder / source.name)
    return folder


def test_the_framework_needs_numpy_and_nothing_else(tmp_path):
    modules = [path.stem for path in (ROOT / "src" / "tinytorch").glob("*.py") if path.stem != "__init__"]
    code = "import tinytorch, importlib\n" + "\n".join(f"importlib.import_module('tinytorch.{m}')" for m in modules)
    code += "\nimport tinytorch.nn.functional"
    shutil.copytree(ROOT / "src" / "tinytorch", tmp_path / "src" / "tinytorch")
    library = tmp_path / "library"
    library.mkdir()
    done = run(code, tmp_path / "src", numpy_alone(library))
    assert done.returncode == 0, done.stderr
    assert run("import hypothesis", tmp_path / "src", library).returncode == 1, "the environment holds more than NumPy"


@each_chapter
def test_a_tree_that_ends_with_this_chapter_imports(chapter, tmp_path):
    tree = tmp_path / "tinytorch"
    places = {other.name for other in CHAPTERS if other.number > chapter.number}
    later = [f"{name}.py" for name in places]
    shutil.copytree(COURSE.package, tree, ignore=lambda folder, names: later if Path(folder) == COURSE.package else [])
    done = run(f"import tinytorch, tinytorch.{chapter.name}", tmp_path, isolated=False)
    assert done.returncode == 0, done.stderr
