"""Guards: what a training begins with is what the other network computes, as far as it can be."""

from functools import partial

import pytest
import torch
from common import above, largest, picture

import srlab
from srlab.assembly import start
from srlab.errors import UserError
from srlab.imaging.resample import crop
from srlab.storage.checkpoint import save
from srlab.upsamplers.rep_conv import RepConv
from srlab.upsamplers.rep_shuffle import RepShuffle
from srlab.upsamplers.rescaling import rescaled

TARGETS = {srlab.ESPCN: "espcn.ESPCN", srlab.EDSR: "edsr.EDSR", srlab.Compact: "compact.Compact"}
HEADS = {
    srlab.PixelShuffle: "pixel_shuffle.PixelShuffle",
    srlab.Deconv: "deconv.Deconv",
    srlab.ResizeConv: "resize_conv.ResizeConv",
    srlab.Interpolate: "interpolation.Interpolate",
    srlab.CARAFE: "carafe.CARAFE",
    srlab.MetaShuffle: "meta.MetaShuffle",
    srlab.LIIF: "liif.LIIF",
    RepShuffle: "rep_shuffle.RepShuffle",
}


def start_from(model, path, **options):
    return start.start_from(model, path, options)


def network(kind, head=srlab.PixelShuffle, scale=2, channels=1, seed=0, **options):
    torch.manual_seed(seed)
    return kind(head, scale, channels, **options).eval()


@pytest.fixture
def saved(tmp_path):
    """What saves a network as a checkpoint, and returns its path."""

    def save_as(model, head=srlab.PixelShuffle, kernel_size=None, **options):
        node = {
            "_target_": f"srlab.models.{TARGETS[type(model)]}",
            "scale": model.scale,
            "channels": model.channels,
            "upsampler": {"_target_": f"srlab.upsamplers.{HEADS[head]}", "_partial_": True}
            | ({"kernel_size": kernel_size} if kernel_size else {}),
        }
        colour = "y" if model.channels == 1 else "rgb"
        config = {"model": node | options, "scale": model.scale, "colour": colour, "name": "it"}
        save(tmp_path / "it.pt", {"config": config, "weights": model.state_dict()})
        return tmp_path / "it.pt"

    return save_as


def test_a_head_takes_the_kernel_of_another(saved):
    image = picture(1, 1, 9, 8).float()
    path = saved(network(srlab.ESPCN, srlab.Deconv), srlab.Deconv)
    wanted = srlab.load(path)(image)
    same = network(srlab.ESPCN, srlab.Deconv, seed=1)
    assert start_from(same, path) == []
    assert torch.equal(same(image), wanted)
    other = network(srlab.ESPCN, seed=1)
    told = start_from(other, path)
    assert told == ["body: taken", "upsampler: the kernel of Deconv x2"]
    assert largest(other(image) - wanted) < 1e-6
    tied = network(srlab.ESPCN, srlab.ResizeConv, seed=1)
    _, near = start_from(tied, path)
    assert near.startswith(
        "upsampler: the kernel of Deconv x2; the nearest that it can hold is off"
    )
    share = float(near.split()[-2]) / 100
    forms = [srlab.subpixel_form(srlab.load(path).upsampler), srlab.subpixel_form(tied.upsampler)]
    off = (forms[0].padded(5) - forms[1].padded(5)).norm() / forms[0].kernel.norm()
    assert share == pytest.approx(float(off), rel=0.01)


def test_what_has_no_kernel_begins_anew(saved):
    path = saved(network(srlab.ESPCN, srlab.CARAFE), srlab.CARAFE)
    model = network(srlab.ESPCN, seed=1)
    fresh = model.upsampler.conv.weight.clone()
    body, head = start_from(model, path)
    assert body == "body: taken"
    assert head.startswith("upsampler: begins anew: CARAFE is not linear")
    assert torch.equal(model.upsampler.conv.weight, fresh)
    assert torch.equal(model.body[0].weight, srlab.load(path).body[0].weight)
    to = network(srlab.ESPCN, srlab.CARAFE, seed=1)
    fresh = {k: v.clone() for k, v in to.upsampler.state_dict().items()}
    _, head = start_from(to, saved(network(srlab.ESPCN)))
    assert all(torch.equal(v, fresh[k]) for k, v in to.upsampler.state_dict().items())
    larger = network(srlab.ESPCN, srlab.CARAFE, scale=3, seed=1)
    fresh = {k: v.clone() for k, v in larger.upsampler.state_dict().items()}
    start_from(larger, saved(network(srlab.ESPCN, srlab.CARAFE), srlab.CARAFE))
    assert all(torch.equal(v, fresh[k]) for k, v in larger.upsampler.state_dict().items())
    assert head == "upsampler: begins anew: CARAFE takes no kernel of another"


def test_another_scale_begins_with_the_phases_resampled(saved):
    path = saved(network(srlab.ESPCN, scale=3))
    model = network(srlab.ESPCN, seed=1)
    _, head = start_from(model, path)
    assert head == "upsampler: the kernel of PixelShuffle x3, its phases resampled from x3"
    wanted = rescaled(srlab.subpixel_form(srlab.load(path).upsampler), 2)
    assert largest(srlab.subpixel_form(model.upsampler).kernel - wanted.kernel) < 1e-6


def test_a_kernel_of_one_size_for_all_scales_is_resampled_too(saved):
    wide = partial(srlab.Deconv, kernel_size=9, init="bilinear")
    torch.manual_seed(0)
    path = saved(srlab.ESPCN(wide, 3, init="identity"), srlab.Deconv, kernel_size=9)
    for scale, said in (
        (2, "upsampler: the kernel of Deconv x3, its phases resampled from x3"),
        (4, "upsampler: begins anew: it takes a kernel_size of 12"),
    ):
        told = start_from(srlab.ESPCN(wide, scale, init="identity"), path)
        assert told[1].startswith(said)


@pytest.mark.parametrize(("theirs", "ours"), [("rep", "plain"), ("plain", "rep"), ("rep", "rep")])
def test_branches_are_taken_as_the_convolution_that_they_are(theirs, ours, saved):
    image = picture(1, 3, 12, 11).float()
    head = RepShuffle if theirs == "rep" else srlab.PixelShuffle
    other = network(srlab.Compact, head, channels=3, depth=1, block=theirs)
    path = saved(other, head, depth=1, block=theirs)
    model = network(srlab.Compact, RepShuffle, channels=3, depth=1, block=ours, seed=1)
    start_from(model, path)
    assert largest(model(image) - other(image)) < 1e-5
    assert sum(isinstance(m, RepConv) for m in model.modules()) == (3 if ours == "rep" else 1)


def test_what_differs_and_is_not_in_the_weights_is_told(saved):
    path = saved(network(srlab.ESPCN, activation="relu"), activation="relu")
    [told] = start_from(network(srlab.ESPCN), path, activation="tanh")
    assert told == "model.activation is relu there and tanh here: it is not converted"
    path = saved(network(srlab.ESPCN))  # as files are from before there was a border to choose
    [*_, told] = start_from(network(srlab.ESPCN, border="zeros"), path, border="zeros")
    assert told == "model.border is mirror there and zeros here: it is not converted"


def test_colours_begin_as_the_luma_that_the_network_knows_and_back(saved):
    kinds = [
        partial(srlab.ESPCN, srlab.PixelShuffle, 2),
        partial(srlab.ESPCN, srlab.Deconv, 3, activation="relu"),
        partial(srlab.Compact, srlab.PixelShuffle, 2, residual="bicubic"),
        partial(srlab.EDSR, srlab.PixelShuffle, 2, blocks=1, features=8),
    ]
    colours = picture(1, 3, 30, 31).float()
    grey = colours[:, :1].expand(-1, 3, -1, -1)
    errors = {}
    for number, make in enumerate(kinds):
        options = dict(make.keywords)
        luma = make(channels=1).eval()
        sees = make(channels=3).eval()
        told = start_from(sees, saved(luma, make.args[0], **options))
        assert told[0].startswith("body: taken")
        for what, image in (("colours", colours), ("grey", grey)):
            if what == "colours" and options.get("residual"):
                continue  # chroma is enlarged beside
            got = srlab.luma(sees(image))
            errors[number, what] = largest(crop(got - luma(srlab.luma(image)), 20))
        assert largest(sees(grey)[:, 0] - sees(grey)[:, 2]) < 1e-5
        back = make(channels=1).eval()
        start_from(back, saved(sees, make.args[0], **options))
        errors[number, "back"] = largest(crop(back(srlab.luma(grey)) - srlab.luma(sees(grey)), 20))
    assert not above(errors, 1e-5)


def test_another_body_is_refused_in_a_sentence(saved):
    path = saved(network(srlab.ESPCN, features=(64, 32)))
    wide = r"body\.0\.weight is 64x1x5x5 there and 48x1x5x5 here, and no body is made wider"
    with pytest.raises(UserError, match=wide):
        start_from(network(srlab.ESPCN, features=(48, 32)), path)
    with pytest.raises(UserError, match=r"not fit this model: it is ESPCN, and this is Compact$"):
        start_from(network(srlab.Compact), path)
    deep = saved(network(srlab.Compact, depth=2), depth=2)
    said = r"one of the two has body.6.bias, the other has not; model.depth is 2 there and 3 here$"
    with pytest.raises(UserError, match=said):
        start_from(network(srlab.Compact, depth=3), deep, depth=3)


def test_what_is_of_no_scale_is_taken_to_another_as_it_is(saved):
    for head in (srlab.MetaShuffle, srlab.LIIF):
        path = saved(network(srlab.ESPCN, head), head)
        model = network(srlab.ESPCN, head, scale=3, seed=1)
        assert start_from(model, path) == ["all: taken as it is from x2"]
        weights = srlab.load(path).state_dict()
        assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


def test_another_head_takes_the_kernel_that_one_of_no_scale_has_at_its_scale(saved):
    path = saved(network(srlab.ESPCN, srlab.MetaShuffle), srlab.MetaShuffle)
    model = network(srlab.ESPCN, scale=3, seed=1)
    assert start_from(model, path)[1] == ("upsampler: the kernel of MetaShuffle x2 as it is at x3")
    meta = srlab.load(path).upsampler
    there = meta.at(3)
    assert (meta.scale, there.last.weight is meta.last.weight) == (2, True)
    kernels = [srlab.subpixel_form(head).kernel for head in (model.upsampler, there)]
    assert largest(kernels[0] - kernels[1]) < 1e-6
    with pytest.raises(ValueError, match="PixelShuffle is of scale 3 alone"):
        model.upsampler.at(2)
