"""The built site and a browser, each made once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pagecheck
import sitebuild

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from the committed notebooks as on a machine that publishes nothing."""
    local = {k: v for k, v in os.environ.items() if not k.startswith("RNNLIMITS_")}
    return sitebuild.build(ROOT, tmp_path_factory.mktemp("site"), local)


@pytest.fixture(scope="session")
def browser(chromium: str) -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(pagecheck.FLAGS))
        yield running
        running.close()
