"""What the tests of upsamplers share: they need no gradients but where they ask for them."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield
