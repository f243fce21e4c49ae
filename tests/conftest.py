"""What the tests share."""

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # of convolutions this small, more take far longer
settings.register_profile("srlab", deadline=None, max_examples=30)
settings.load_profile("srlab")


@pytest.fixture(autouse=True)
def _own_cache_and_seed(tmp_path_factory, monkeypatch):
    """Keep packs out of the user's cache, and make every test start from the same seed."""
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    torch.manual_seed(0)
