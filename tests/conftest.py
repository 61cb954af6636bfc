"""Options of the tests: with --oracles, a test that cannot look at its oracle fails."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--oracles", action="store_true", help="fail, not skip, where another library is missing")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and item.config.getoption("--oracles"):
        reason = str(report.longrepr)
        if "not installed" in reason or "could not import" in reason:
            report.outcome, report.longrepr = "failed", f"an oracle is missing: {reason}"
    return report
