"""Guards: float32 on a GPU means what srlab says, and what a notebook chose comes back."""

import pytest
import torch
from common import for_all

from srlab.machine.precision import single_precision, training_arithmetic


def float32_types():
    backends = torch.backends
    return backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision


def test_single_precision_is_that_and_then_as_before():
    before = float32_types()
    with single_precision():
        assert float32_types() == ("ieee", "ieee")
        assert not torch.backends.cudnn.allow_tf32
        with training_arithmetic("tf32"):
            assert float32_types() == ("tf32", "tf32")
            assert torch.backends.cudnn.allow_tf32
            assert torch.backends.cudnn.deterministic
            with single_precision():
                assert float32_types() == ("ieee", "ieee")
        assert not torch.backends.cudnn.deterministic
        with training_arithmetic("fp32"):
            assert float32_types() == ("ieee", "ieee")
    assert float32_types() == before


@pytest.fixture
def chosen():
    """Put torch's own choices back after a test."""
    yield
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True


def test_a_notebook_gets_back_what_it_had_chosen(chosen):
    def check(usual):
        torch.set_float32_matmul_precision(usual)
        torch.backends.cudnn.allow_tf32 = usual != "highest"
        before = float32_types()
        for kind in ("ieee", "tf32"):
            with single_precision(kind):
                assert torch.get_float32_matmul_precision()  # as torch's compiler asks
            assert float32_types() == before
            assert torch.get_float32_matmul_precision() == usual
            assert torch.backends.cudnn.allow_tf32 == (usual != "highest")

    for_all(("highest", "high", "medium"), check)


def test_a_notebook_may_choose_by_the_newer_switches_alone():
    matmul = torch.backends.cuda.matmul
    usual = matmul.fp32_precision
    try:
        matmul.fp32_precision = "tf32"
        with single_precision():
            assert float32_types() == ("ieee", "ieee")
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = usual
