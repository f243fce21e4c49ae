"""What the tests share."""

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # of convolutions this small, more take far longer
settings.register_profile("srlab", deadline=None, max_examples=30)
settings.load_profile("srlab")


@pytest.fixture(autouse=True)
def _own_cache_seed_and_numbers(tmp_path_factory, monkeypatch):
    """Keep packs out of the user's cache; start every test from the same seed and arithmetic."""
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    torch.manual_seed(0)
    yield
    torch.set_flush_denormal(False)  # the command line sets it, and hypothesis wants the standard
