"""Contract tests that judge any upsampler and any model, srlab's own and those of others.

They are plain functions that raise AssertionError with a sentence. In a test of yours:

    from srlab.testing import check_upsampler

    def test_mine():
        check_upsampler(Mine)                      # a factory (in_channels, out_channels, scale)
        check_upsampler(partial(Mine, kernel_size=5), scales=(2, 4))

``upsampler_configs`` and ``model_configs`` give the factories of every option there is, those of
installed packages too.
"""

from srlab.testing.configs import model_configs, upsampler_configs
from srlab.testing.models import check_model
from srlab.testing.upsamplers import check_upsampler

__all__ = ["check_model", "check_upsampler", "model_configs", "upsampler_configs"]
