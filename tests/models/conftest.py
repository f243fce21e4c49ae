"""What the tests of networks share."""

import pytest
import torch


@pytest.fixture
def _no_gradients():
    with torch.no_grad():
        yield
