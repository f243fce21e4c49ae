"""Guards: which upsamplers can do what another one does, and what they are called."""

from srlab.assembly.upsampler_family import can_represent, name_of, relatives, some_form
from srlab.config.compose import option_node


def node(name, scale=3, **options):
    return option_node("upsampler", name, "upsampler", scale) | options


def test_a_deconv_and_a_sub_pixel_convolution_are_the_same_and_hold_a_resize_conv():
    for scale in (2, 3, 4):
        can, by = relatives(node("pixel_shuffle", scale), 32, 1, scale)
        assert "deconv" in can
        assert "deconv" in by
        assert "resize_conv" in can
        assert "resize_conv" not in by
        can, by = relatives(node("resize_conv", scale), 32, 1, scale)
        assert "nearest" in can
        assert {"deconv", "pixel_shuffle"} <= set(by)


def test_bicubic_needs_a_larger_sub_pixel_kernel_than_the_default():
    form = some_form(node("bicubic"), 3, 3, 3)
    assert form.size == 5
    assert not can_represent(node("pixel_shuffle"), form, 3, 3, 3)
    assert can_represent(node("pixel_shuffle", kernel_size=5), form, 3, 3, 3)


def test_an_upsampler_is_called_by_its_option_and_by_what_differs():
    assert name_of(node("deconv"), 3) == "deconv"
    assert name_of(node("deconv", init="icnr"), 3) == "deconv"
    assert name_of(node("deconv", kernel_size=6), 3) == "deconv upsampler.kernel_size=6"
    assert name_of(node("resize_conv", mode="bicubic"), 3) == "resize_conv upsampler.mode=bicubic"
