"""What the tests share."""

import gc
import os

import pytest
import torch
from hypothesis import settings
from remembered import remember

remember()
torch.set_num_threads(1)  # of convolutions this small, more take far longer
os.environ.setdefault("OMP_NUM_THREADS", "1")  # so do those of other processes
settings.register_profile("srlab", deadline=None, max_examples=30)
settings.load_profile("srlab")


def pytest_collection_finish():
    """Keep the garbage collector from going through all that is imported again and again."""
    gc.freeze()
    gc.set_threshold(50_000)  # seldom: a config that is composed makes thousands of objects


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep packs out of the user's cache; all tests share theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def _same_seed(monkeypatch):
    """Make every test start from the same seed."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    torch.manual_seed(0)
