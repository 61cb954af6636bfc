"""Run one chapter with every graded body broken, and mend each when a cell has noticed it.

`python breaking.py ROOT 05` copies the package up to chapter 05, puts a gate at the top of each graded body, and runs
the chapter's cells. A gate raises. When that fails a cell, the body is known to be noticed, its gate opens, and the
cell runs again. In a child process that a cell starts, all gates are open. So one run tells, for every body, whether a
broken one fails the chapter. Prints the names of those that no cell noticed; fails if a cell fails for another reason.
"""

import builtins
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path


class Broken(NotImplementedError):
    """A graded body that nobody has written."""


def break_bodies(chapter, graded: list[str], source: str) -> str:
    """The source with a gate before the first statement of each graded body."""
    from tito.rubrics import stubs

    for name in graded:
        body = textwrap.dedent(stubs.body(source, name))
        source = stubs.with_body(source, name, f'getattr(__import__("builtins"), "gate", str)("{name}")\n{body}')
    return source


def culprit(problem: BaseException | None) -> str:
    """The gate that an error came from, through whatever wrapped it."""
    while problem is not None and not isinstance(problem, Broken):
        problem = problem.__cause__ or problem.__context__
    return str(problem) if problem else ""


def unnoticed(root: Path, number: str, package: Path) -> list[str]:
    """The graded bodies of a chapter that may break without any of its cells failing."""
    from tito import course
    from tito.rubrics import rubric

    tree = course.Course(root)
    chapter = tree.chapter(number)
    graded = [name for name, asked in rubric.load(number).exercises.items() if not asked.accounting]
    later = [f"{other.name}.py" for other in tree.chapters() if other.number > chapter.number]
    shutil.copytree(tree.package, package, ignore=lambda folder, _: later if Path(folder) == tree.package else [])
    target = package / chapter.source.name
    target.write_text(break_bodies(chapter, graded, target.read_text(encoding="utf-8")), encoding="utf-8")
    sys.path.insert(0, str(package.parent))

    from tito.book.cells import CellError, ChapterRun, cells

    mended = set(graded)  # beginning a session may seed the generator, which is graded too
    builtins.gate = lambda name: None if name in mended else stop(name)  # type: ignore[attr-defined]
    session = ChapterRun(chapter.markdown)
    mended.clear()
    for cell in cells(chapter.markdown.read_text(encoding="utf-8")):
        while cell.kind not in ("python", "doctest"):
            try:
                session.check(cell)
                break
            except CellError as problem:
                name = culprit(problem)
                if not name or name in mended:
                    raise
                mended.add(name)
    return [name for name in graded if name not in mended]


def stop(name: str) -> None:
    raise Broken(name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(*unnoticed(Path(sys.argv[1]), sys.argv[2], Path(folder) / "tinytorch"))
