"""What the tests of files share: no test reads or fills the user's cache."""

from pathlib import Path

import pytest

from rnnlimits.data import fetch


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone, and no folder named by the environment."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(fetch, "cache_folder", lambda: folder)
    monkeypatch.delenv(fetch.VARIABLE, raising=False)
    return folder
