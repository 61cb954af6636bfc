"""Options of the tests: with --oracles, a test that cannot look at its oracle fails.

On several processes (-n 2 --dist loadgroup) the tests of a file stay together; those of BY_CHAPTER do for each chapter,
because they use the same cases. With --no-loadscope-reorder they begin in this order, the longest first.
"""

import pytest

BY_CHAPTER = ("test_coverage.py", "test_rubrics.py")


def pytest_addoption(parser):
    parser.addoption("--oracles", action="store_true", help="fail, not skip, where another library is missing")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_pages.py")  # the book takes minutes: it is begun first
    for item in items:
        chapter = item.callspec.params.get("chapter") if hasattr(item, "callspec") else None
        by_chapter = chapter and item.path.name in BY_CHAPTER
        item.add_marker(pytest.mark.xdist_group(f"rubric {chapter.number}" if by_chapter else item.path.name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and item.config.getoption("--oracles"):
        reason = str(report.longrepr)
        if "not installed" in reason or "could not import" in reason:
            report.outcome, report.longrepr = "failed", f"an oracle is missing: {reason}"
    return report
