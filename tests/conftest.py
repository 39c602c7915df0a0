"""What tests share: real data where it is to be had, and CI's rule that nothing is skipped there."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def folder(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no folder")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def mnist() -> Path:
    """A folder that torchvision's MNIST reads."""
    return folder("DIGIT_MORPH_DATA")


@pytest.fixture(scope="session")
def sketches() -> Path:
    """A folder of drawings, LABEL_NUMBER.png."""
    return folder("DIGIT_MORPH_SKETCHES")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("DIGIT_MORPH_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report
