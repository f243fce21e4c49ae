"""Guards: weights of others, brought in, compute what their own networks compute.

Their networks are written here as they write them: same keys, same padding, same range of pixels.
"""

import os
import pickle
import re
import shutil
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import torch
import torch.nn.functional as F
from common import command_line, count, save_pictures
from safetensors.torch import save_file
from torch import nn

from srlab.assembly.checkpoints import load_checkpoint
from srlab.command_line.invocation import Invocation
from srlab.commands.convert import command as convert
from srlab.config.schema import ConvertConfig
from srlab.errors import UserError
from srlab.imaging.resample import enlarge
from srlab.storage.checkpoint import load


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def srlab(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return partial(command_line(monkeypatch, capsys), "convert")


@pytest.fixture
def taken(tmp_path, monkeypatch, capsys):
    """Do what ``srlab convert`` does with these arguments, without composing its config."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        given = dict(argument.split("=", 1) for argument in arguments)
        scale = given.pop("scale", None)
        config = ConvertConfig(source=given.pop("from"), scale=scale and int(scale), **given)
        status, told = 0, ""
        try:
            convert.run(Invocation(config))
        except UserError as error:
            status, told = 2, f"srlab: {error}\n"
        out, err = capsys.readouterr()
        return status, SimpleNamespace(out=out, err=err + told)

    return run


def conv(ins, outs, size, bias=True):
    return nn.Conv2d(ins, outs, size, padding=size // 2, bias=bias)


class TheirSRCNN(nn.Module):
    def __init__(self, kernels=(9, 5, 5), channels=1):
        super().__init__()
        self.conv1 = conv(channels, 64, kernels[0])
        self.conv2 = conv(64, 32, kernels[1])
        self.conv3 = conv(32, channels, kernels[2])

    def forward(self, enlarged):
        return self.conv3(self.conv2(self.conv1(enlarged).relu()).relu())


class TheirESPCN(nn.Module):
    def __init__(self, scale, channels=1):
        super().__init__()
        layers = [conv(channels, 64, 5), nn.Tanh(), conv(64, 32, 3), nn.Tanh()]
        self.first_part = nn.Sequential(*layers)
        self.last_part = nn.Sequential(conv(32, channels * scale**2, 3), nn.PixelShuffle(scale))

    def forward(self, lr):
        return self.last_part(self.first_part(lr))


class TheirFSRCNN(nn.Module):
    def __init__(self, scale, channels=1, d=56, s=12, m=4):
        super().__init__()
        self.first_part = nn.Sequential(conv(channels, d, 5), nn.PReLU(d))
        middle = [conv(d, s, 1), nn.PReLU(s)]
        for _ in range(m):
            middle += [conv(s, s, 3), nn.PReLU(s)]
        self.mid_part = nn.Sequential(*middle, conv(s, d, 1), nn.PReLU(d))
        self.last_part = nn.ConvTranspose2d(
            d, channels, 9, stride=scale, padding=4, output_padding=scale - 1
        )
        for module in self.modules():
            if isinstance(module, nn.PReLU):
                nn.init.uniform_(module.weight, -0.5, 0.5)

    def forward(self, lr):
        return self.last_part(self.mid_part(self.first_part(lr)))


class ConvReLU(nn.Module):
    def __init__(self, features, bias):
        super().__init__()
        self.conv = conv(features, features, 3, bias=bias)

    def forward(self, x):
        return self.conv(x).relu()


class TheirVDSR(nn.Module):
    def __init__(self, inner=18, features=64, bias=False):
        super().__init__()
        self.residual_layer = nn.Sequential(*(ConvReLU(features, bias) for _ in range(inner)))
        self.input = conv(1, features, 3, bias=bias)
        self.output = conv(features, 1, 3, bias=bias)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter)

    def forward(self, enlarged):
        return self.output(self.residual_layer(self.input(enlarged).relu())) + enlarged


MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


class MeanShift(nn.Conv2d):
    def __init__(self, peak, sign):
        super().__init__(3, 3, 1)
        self.weight.data = torch.eye(3)[..., None, None]
        self.bias.data = sign * peak * MEAN


def stages(scale, features):
    if scale == 3:
        return nn.Sequential(conv(features, 9 * features, 3), nn.PixelShuffle(3))
    number = {2: 1, 4: 2, 8: 3}[scale]
    one = (lambda: conv(features, 4 * features, 3), lambda: nn.PixelShuffle(2))
    return nn.Sequential(*(make() for _ in range(number) for make in one))


class TheirBlock(nn.Module):
    def __init__(self, features, res_scale):
        super().__init__()
        self.res_scale = res_scale
        first, second = (conv(features, features, 3) for _ in range(2))
        self.body = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, x):
        return x + self.res_scale * self.body(x)


class TheirEDSR(nn.Module):
    def __init__(self, scale, blocks=2, features=8, peak=255, res_scale=1.0):
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(peak, -1), MeanShift(peak, 1)
        self.head = nn.Sequential(conv(3, features, 3))
        inner = [TheirBlock(features, res_scale) for _ in range(blocks)]
        self.body = nn.Sequential(*inner, conv(features, features, 3))
        self.tail = nn.Sequential(stages(scale, features), conv(features, 3, 3))
        self.peak = peak

    def forward(self, lr):
        x = self.head(self.sub_mean(lr * self.peak))
        return self.add_mean(self.tail(self.body(x) + x)) / self.peak


class BasicBlock(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.conv1, self.conv2 = conv(features, features, 3), conv(features, features, 3)

    def forward(self, x):
        return x + self.conv2(self.conv1(x).relu())


class BasicEDSR(nn.Module):
    def __init__(self, scale, blocks=2, features=8):
        super().__init__()
        self.conv_first = conv(3, features, 3)
        self.body = nn.Sequential(*(BasicBlock(features) for _ in range(blocks)))
        self.conv_after_body = conv(features, features, 3)
        self.upsample = stages(scale, features)
        self.conv_last = conv(features, 3, 3)

    def forward(self, lr):
        mean = MEAN.to(lr)[:, None, None]
        x = self.conv_first((lr - mean) * 255)
        x = self.conv_last(self.upsample(self.conv_after_body(self.body(x)) + x))
        return x / 255 + mean


def compare(theirs, checkpoint, scale, channels=1, enlarged=False, whole=False):
    """Check that the two agree but for the border, and that they do differ there.

    With ``whole`` that they agree at the border, too.
    """
    ours = load_checkpoint(checkpoint)[0].double()
    side = 2 * ours.halo + 9
    lr = torch.rand(1, channels, side, side + 3, dtype=torch.float64)
    wanted = theirs.double()(enlarge(lr, scale) if enlarged else lr)
    got = ours(lr)
    assert got.shape == wanted.shape == (1, channels, scale * side, scale * (side + 3))
    border = scale * ours.halo
    inner = (slice(None), slice(None), slice(border, -border), slice(border, -border))
    error = (got - wanted)[inner].abs().max() / wanted.abs().max().clamp(min=1)
    assert error < 1e-5
    assert (wanted[inner] - wanted[inner].mean()).abs().max() > 1e-3
    everywhere = (got - wanted).abs().max()
    assert everywhere < 1e-5 if whole else everywhere > 1e-4


def parameters(text):
    return int(text.split(" parameters")[0].rpartition(" ")[2].replace(",", ""))


def bring(taken, theirs, *arguments, name="foreign.pth"):
    torch.save(theirs.state_dict(), name)
    status, said = taken(f"from={name}", *arguments)
    assert (status, said.err) == (0, "")
    return said.out


@pytest.mark.parametrize(
    ("kernels", "channels", "scale"),
    [((9, 5, 5), 1, 2), ((9, 1, 5), 1, 3), ((9, 3, 5), 3, 3)],
)
def test_srcnn_of_a_port(kernels, channels, scale, taken):
    theirs = TheirSRCNN(kernels, channels)
    said = bring(taken, theirs, f"scale={scale}")
    name = "-".join(map(str, kernels))
    colour = "Y" if channels == 1 else "RGB"
    assert said.splitlines() == [
        "recognised: SRCNN of PyTorch ports",
        f"network: SRCNN {name} x{scale}, {colour}, {count(theirs):,} parameters",
        "mapped: 6 tensors of theirs to 6 of ours",
        *said.splitlines()[3:5],
        "written: foreign-srlab.pt",
    ]
    assert "the same picture, its border too" in said
    assert re.search(r"photograph astronaut: -?\d+\.\d\d dB, bicubic \d\d\.\d\d; are these", said)
    compare(theirs, "foreign-srlab.pt", scale, channels, enlarged=True, whole=True)


@pytest.mark.parametrize("kernels", [(9, 5, 5), (9, 1, 5)])
def test_srcnn_of_its_authors_has_its_kernels_in_columns(kernels, taken):
    theirs = TheirSRCNN(kernels)
    variables = {}
    for number, layer in enumerate((theirs.conv1, theirs.conv2, theirs.conv3), 1):
        # (out, in, row, column) to (in, column after column, out), as MATLAB has it
        columns = layer.weight.permute(1, 3, 2, 0).flatten(1, 2).double().numpy()
        variables[f"weights_conv{number}"] = columns
        variables[f"biases_conv{number}"] = layer.bias.double().numpy()[:, None]
    variables["weights_conv1"] = variables["weights_conv1"][0]
    variables["weights_conv3"] = variables["weights_conv3"][..., 0]
    assert variables["weights_conv1"].shape == (81, 64)
    assert variables["weights_conv2"].shape == (64, kernels[1] ** 2, 32)
    assert variables["weights_conv3"].shape == (32, 25)
    scipy.io.savemat("x3.mat", variables)
    status, said = taken("from=x3.mat", "scale=3")
    assert (status, said.err) == (0, "")
    assert "recognised: SRCNN of its authors (.mat)" in said.out
    assert f"SRCNN {'-'.join(map(str, kernels))} x3, Y" in said.out
    compare(theirs, "x3-srlab.pt", 3, enlarged=True)


def test_a_matlab_kernel_is_applied_as_imfilter_does(taken):
    kernel = torch.zeros(9, 9, dtype=torch.float64)
    kernel[6, 4] = 1  # imfilter, which correlates, then takes the pixel two rows below
    centre = np.zeros((64, 1, 32))
    centre[0, 0, 0] = 1
    last = np.zeros((32, 25))
    last[0, 12] = 1
    first = np.zeros((81, 64))
    first[:, 0] = kernel.numpy().flatten("F")
    biases = {f"biases_conv{n}": np.zeros((size, 1)) for n, size in ((1, 64), (2, 32), (3, 1))}
    weights = {"weights_conv1": first, "weights_conv2": centre, "weights_conv3": last}
    scipy.io.savemat("x2.mat", weights | biases)
    assert taken("from=x2.mat", "scale=2")[0] == 0
    lr = torch.rand(1, 1, 20, 20) * 0.5 + 0.25
    got = load_checkpoint("x2-srlab.pt")[0](lr)
    assert torch.allclose(got[..., 8:-10, 8:-8], enlarge(lr, 2)[..., 10:-8, 8:-8], atol=1e-5)


@pytest.mark.parametrize(("scale", "channels"), [(2, 1), (3, 1), (4, 1), (3, 3)])
def test_espcn_of_a_port_shows_its_scale(scale, channels, taken):
    theirs = TheirESPCN(scale, channels)
    said = bring(taken, theirs)
    assert "recognised: ESPCN of PyTorch ports" in said
    assert f"ESPCN x{scale}" in said
    assert parameters(said) == count(theirs)
    compare(theirs, "foreign-srlab.pt", scale, channels, whole=True)


@pytest.mark.parametrize(
    ("size", "scale"), [((56, 12, 4), 3), ((32, 5, 1), 2), ((32, 5, 1), 3), ((32, 5, 1), 4)]
)
def test_fsrcnn_of_a_port(size, scale, taken):
    theirs = TheirFSRCNN(scale, 1, *size)
    said = bring(taken, theirs, f"scale={scale}")
    assert f"FSRCNN({size[0]}, {size[1]}, {size[2]}) x{scale}, Y" in said
    assert parameters(said) == count(theirs)
    compare(theirs, "foreign-srlab.pt", scale, whole=True)


def test_vdsr_of_a_port(taken):
    theirs = TheirVDSR()
    said = bring(taken, theirs, "scale=2")
    assert "VDSR of 20 layers x2, Y, 665,921 parameters" in said
    assert "mapped: 20 tensors of theirs to 40 of ours" in said
    assert "the same picture, its border too" in said
    compare(theirs, "foreign-srlab.pt", 2, enlarged=True, whole=True)


class TheirCompact(nn.Module):
    def __init__(self, scale, channels, features=8, depth=3):
        super().__init__()
        layers = [conv(channels, features, 3), nn.PReLU(features)]
        for _ in range(depth):
            layers += [conv(features, features, 3), nn.PReLU(features)]
        self.body = nn.ModuleList([*layers, conv(features, channels * scale**2, 3)])
        self.scale = scale

    def forward(self, lr):
        x = lr
        for layer in self.body:
            x = layer(x)
        return F.pixel_shuffle(x, self.scale) + F.interpolate(lr, scale_factor=self.scale)


@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 1), (4, 3)])
def test_compact_of_real_esrgan(scale, channels, taken):
    theirs = TheirCompact(scale, channels)
    said = bring(taken, theirs)
    assert "recognised: SRVGGNetCompact of Real-ESRGAN" in said
    assert f"SRVGGNetCompact of 3 layers of 8 features x{scale}" in said
    assert parameters(said) == count(theirs)
    compare(theirs, "foreign-srlab.pt", scale, channels, whole=True)


SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
LAPLACE = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])


def among_biases(x, kernel, bias):
    """A 1x1 convolution, around which its bias lies as its output would around black."""
    return F.conv2d(F.pad(x, [1] * 4), kernel, bias)


class TheirPair(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        first, second = nn.Conv2d(ins, 2 * outs, 1), nn.Conv2d(2 * outs, outs, 3)
        self.k0, self.b0, self.k1, self.b1 = first.weight, first.bias, second.weight, second.bias

    def forward(self, x):
        return F.conv2d(among_biases(x, self.k0, self.b0), self.k1, self.b1)


class TheirEdge(nn.Module):
    def __init__(self, ins, outs, mask):
        super().__init__()
        first = nn.Conv2d(ins, outs, 1)
        self.k0, self.b0 = first.weight, first.bias
        self.scale = nn.Parameter(torch.randn(outs, 1, 1, 1))
        self.bias = nn.Parameter(torch.randn(outs))
        self.mask = nn.Parameter(mask.repeat(outs, 1, 1, 1), requires_grad=False)

    def forward(self, x):
        x, kernel = among_biases(x, self.k0, self.b0), self.scale * self.mask
        return F.conv2d(x, kernel, self.bias, groups=len(self.bias))


class TheirECB(nn.Module):
    def __init__(self, ins, outs, active, branches):
        super().__init__()
        self.conv3x3 = conv(ins, outs, 3)
        if branches:
            self.conv1x1_3x3 = TheirPair(ins, outs)
            self.conv1x1_sbx = TheirEdge(ins, outs, SOBEL)
            self.conv1x1_sby = TheirEdge(ins, outs, SOBEL.T)
            self.conv1x1_lpl = TheirEdge(ins, outs, LAPLACE)
        if active:
            self.act = nn.PReLU(outs)
            nn.init.uniform_(self.act.weight, -0.5, 0.5)

    def forward(self, x):
        act = getattr(self, "act", nn.Identity())
        return act(sum(m(x) for name, m in self.named_children() if name != "act"))


class TheirECBSR(nn.Module):
    def __init__(self, scale, channels=1, features=8, blocks=2, branches=True, act=True):
        super().__init__()
        sizes = [channels, *[features] * (blocks + 1), channels * scale**2]
        layers = [
            TheirECB(*pair, act and n <= blocks, branches) for n, pair in enumerate(pairwise(sizes))
        ]
        self.backbone, self.scale = nn.Sequential(*layers), scale

    def forward(self, lr):
        x = lr * 255
        return F.pixel_shuffle(self.backbone(x) + x, self.scale) / 255


@pytest.mark.parametrize(("scale", "branches"), [(2, True), (4, True), (3, False)])
def test_ecbsr_of_its_authors_as_branches_and_collapsed(scale, branches, taken):
    theirs = TheirECBSR(scale, branches=branches)
    said = bring(taken, theirs)
    assert "recognised: ECBSR of its authors" in said
    assert f"ECBSR of 2 blocks of 8 features x{scale}, Y" in said
    compare(theirs, "foreign-srlab.pt", scale, whole=True)


def test_an_ecbsr_whose_function_does_not_show_is_refused(taken):
    for theirs, sentence in (
        (TheirECBSR(2, channels=3), "it adds 3 channels to the phases of one"),
        (TheirECBSR(2, act=False), "its activations are no PReLUs, and which they are does not"),
    ):
        torch.save(theirs.state_dict(), "they.pth")
        assert sentence in refused(taken, "from=they.pth")


class TheirXC(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        self.sk = nn.Conv2d(ins, outs, 1)
        self.conv = nn.Sequential(
            nn.Conv2d(ins, 2 * ins, 1),
            nn.Conv2d(2 * ins, 2 * outs, 3),
            nn.Conv2d(2 * outs, outs, 1),
        )
        self.eval_conv = conv(ins, outs, 3)  # of another step

    def forward(self, x):
        """As it is used: one convolution, found here by its answers to impulses."""
        ins = self.sk.in_channels
        dots = torch.zeros(ins, ins, 5, 5).to(x)
        dots[range(ins), range(ins), 2, 2] = 1
        black = self.conv(torch.zeros(1, ins, 5, 5).to(x))
        kernel = (self.conv(dots) - black).transpose(0, 1).flip(2, 3)
        return F.conv2d(x, kernel, black[0, :, 0, 0], padding=1) + self.sk(x)


class TheirSPAB(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (TheirXC(features, features) for _ in range(3))

    def forward(self, x):
        first = F.silu(self.c1_r(x), inplace=True)
        last = self.c3_r(F.silu(self.c2_r(first)))
        return (last + x) * (torch.sigmoid(last) - 0.5), first


class TheirSPAN(nn.Module):
    def __init__(self, scale, channels=3, features=6, norm=True):
        super().__init__()
        self.norm = norm
        if not norm:
            self.register_buffer("no_norm", torch.zeros(1))
        self.conv_1 = TheirXC(channels, features)
        for number in range(1, 7):
            setattr(self, f"block_{number}", TheirSPAB(features))
        self.conv_cat, self.conv_2 = conv(4 * features, features, 1), TheirXC(features, features)
        last = conv(features, channels * scale**2, 3)
        self.upsampler = nn.Sequential(last, nn.PixelShuffle(scale))

    def forward(self, lr):
        x = (lr - MEAN.to(lr)[:, None, None]) * 255 if self.norm else lr
        features = first = self.conv_1(x)
        blocks = [getattr(self, f"block_{number}") for number in range(1, 7)]
        ends = []
        for block in blocks:
            features, middle = block(features)
            ends.append(features)
        stages = [first, self.conv_2(features), ends[0], middle]
        return self.upsampler(self.conv_cat(torch.cat(stages, 1)))


@pytest.mark.parametrize(
    ("scale", "channels", "norm"), [(2, 3, True), (4, 3, True), (3, 3, False), (2, 1, False)]
)
def test_span_of_its_authors(scale, channels, norm, taken):
    theirs = TheirSPAN(scale, channels, norm=norm)
    said = bring(taken, theirs)
    assert "recognised: SPAN of its authors" in said
    assert f"SPAN of 6 blocks of 6 features x{scale}" in said
    compare(theirs, "foreign-srlab.pt", scale, channels, whole=True)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("network", [TheirEDSR, BasicEDSR])
def test_edsr_of_its_authors_and_of_basicsr(network, scale, taken):
    theirs = network(scale)
    said = bring(taken, theirs)
    assert f"EDSR of 2 blocks of 8 features, block_scale 1.0 x{scale}, RGB" in said
    shifts = 24 if network is TheirEDSR else 0
    assert parameters(said) == count(theirs) - shifts
    compare(theirs, "foreign-srlab.pt", scale, 3, whole=scale < 4)


def test_edsr_on_pixels_from_0_to_1_is_told_by_the_mean_that_it_subtracts(taken):
    theirs = TheirEDSR(2, peak=1)
    bring(taken, theirs)
    compare(theirs, "foreign-srlab.pt", 2, 3, whole=True)


def test_edsr_with_a_mean_shift_that_also_scales(taken):
    theirs = TheirEDSR(2)
    theirs.sub_mean.weight.data /= torch.tensor([0.5, 0.25, 2]).view(3, 1, 1, 1)
    theirs.add_mean.weight.data *= torch.tensor([0.5, 0.25, 2]).view(3, 1, 1, 1)
    bring(taken, theirs)
    compare(theirs, "foreign-srlab.pt", 2, 3, whole=True)


def test_the_blocks_of_edsrs_large_network_are_damped_as_by_its_authors(taken):
    theirs = TheirEDSR(2, 1, 256, res_scale=0.1)
    said = bring(taken, theirs)
    assert "EDSR of 1 blocks of 256 features, block_scale 0.1 x2, RGB" in said
    compare(theirs, "foreign-srlab.pt", 2, 3, whole=True)


def test_edsr_baseline_is_the_papers(taken):
    theirs = TheirEDSR(2, 16, 64)
    said = bring(taken, theirs)
    assert "network: EDSR-baseline x2, RGB, 1,369,859 parameters" in said
    compare(theirs, "foreign-srlab.pt", 2, 3, whole=True)


def test_what_was_brought_in_is_described_evaluated_and_converted(taken, monkeypatch, capsys):
    save_pictures(Path(), train=0, test=1)
    bring(taken, TheirESPCN(3), name="they.pth")
    srlab = command_line(monkeypatch, capsys)
    config = load_checkpoint("they-srlab.pt")[1]
    assert {"name", "scale", "colour", "model", "upsampler"} == config.keys()
    status, said = srlab("describe", "checkpoint=they-srlab.pt")
    assert (status, said.err) == (0, "")
    assert "ESPCN" in said.out
    pictures = ("testset=folder", "testset.folder.path=test")
    status, said = srlab("evaluate", "checkpoint=they-srlab.pt", "output=scores", *pictures)
    assert status == 0
    assert "they (they-srlab)" in said.out
    assert srlab("convert", "checkpoint=they-srlab.pt", "upsampler=deconv")[0] == 0


def test_weights_may_lie_deeper_and_bear_a_prefix(taken):
    theirs = TheirESPCN(2)
    prefixes = ("module.", "_orig_mod.", "module._orig_mod.", "")
    for nest, prefix in zip(("state_dict", "params", "params_ema", "model"), prefixes, strict=True):
        state = {f"{prefix}{k}": v for k, v in theirs.state_dict().items()}
        torch.save({"epoch": 3, nest: state}, "nested.pth")
        assert taken("from=nested.pth", f"output={nest}.pt")[0] == 0, nest
        compare(theirs, f"{nest}.pt", 2, whole=True)


def test_averaged_weights_are_preferred(taken):
    plain, averaged = TheirESPCN(2), TheirESPCN(2)
    torch.save({"params": plain.state_dict(), "params_ema": averaged.state_dict()}, "both.pth")
    assert taken("from=both.pth")[0] == 0
    compare(averaged, "both-srlab.pt", 2, whole=True)


def test_every_kind_of_file_gives_the_same(taken):
    state = TheirESPCN(2).state_dict()
    torch.save(state, "new")
    torch.save(state, "old", _use_new_zipfile_serialization=False)
    save_file(state, "safe")
    written = []
    for name in ("new", "old", "safe"):
        assert taken(f"from={name}", "output=out.pt")[0] == 0
        written.append(load(Path("out.pt"))["weights"])
        Path("out.pt").unlink()
    for other in written[1:]:
        assert all(torch.equal(written[0][key], other[key]) for key in written[0])


def test_a_name_with_odd_characters_is_taken_as_it_is(srlab):
    name = "x3, (best) = über.pth"
    torch.save(TheirESPCN(3).state_dict(), name)
    status, said = srlab(f"from={name}")
    assert (status, said.err) == (0, "")
    assert "written: x3, (best) = über-srlab.pt" in said.out


def refused(taken, *arguments):
    status, said = taken(*arguments)
    assert (status, said.out) == (2, "")
    assert said.err.startswith("srlab: ")
    assert said.err.count("\n") == 1
    assert not list(Path().glob("*-srlab.pt"))
    return said.err.removeprefix("srlab: ").strip()


def test_a_scale_that_does_not_show_is_asked_for(taken):
    for theirs, named in (
        (TheirSRCNN(), "SRCNN"),
        (TheirFSRCNN(3), "FSRCNN"),
        (TheirVDSR(2, 4), "VDSR"),
    ):
        torch.save(theirs.state_dict(), "they.pth")
        said = refused(taken, "from=they.pth")
        assert said == (
            f"they.pth looks like {named} of PyTorch ports, whose scale does not show in its "
            f"weights: add scale=2, 3 or 4"
        )
        assert "at least 1, got 0" in refused(taken, "from=they.pth", "scale=0")


def test_another_scale_than_that_of_the_weights_is_refused(taken):
    torch.save(TheirESPCN(3).state_dict(), "they.pth")
    said = refused(taken, "from=they.pth", "scale=2")
    assert said == "they.pth is of scale 3, but scale=2 is asked"


def test_unknown_keys_are_told_beside_what_is_known(taken):
    torch.save({"encoder.a": torch.ones(2), "encoder.b": torch.ones(2)}, "they.pth")
    said = refused(taken, "from=they.pth")
    assert said.startswith("they.pth has no layout that is known, it begins encoder.a, encoder.b; ")
    assert "SRCNN of its authors (.mat)" in said
    assert "EDSR of BasicSR" in said


def broken(change):
    state = TheirFSRCNN(3).state_dict()
    change(state)
    return state


MISSHAPEN = [
    (lambda s: s.pop("first_part.1.weight"), "first_part.1.weight is missing"),
    (lambda s: s.pop("first_part.0.weight"), "first_part.0.weight is missing"),
    (lambda s: s.pop("last_part.bias"), "last_part.bias is missing"),
    (lambda s: s.update(more=torch.ones(1)), "it has more, too, which this layout has not"),
    (
        lambda s: s.update({"mid_part.2.bias": torch.ones(11)}),
        "mid_part.2.bias has the shape 11 where 12 is wanted",
    ),
    (
        lambda s: s.update({"last_part.weight": torch.ones(56, 1, 7, 7)}),
        "last_part.weight has the shape 56x1x7x7 where 56x1x9x9 is wanted",
    ),
    (
        lambda s: s.update({"first_part.0.weight": torch.ones(4)}),
        "first_part.0.weight is no kernel of a convolution: its shape is 4",
    ),
]


def test_what_is_missing_too_much_or_misshapen_is_told(taken):
    for change, sentence in MISSHAPEN:
        torch.save(broken(change), "they.pth")
        said = refused(taken, "from=they.pth", "scale=3")
        assert said == f"they.pth looks like FSRCNN of PyTorch ports, but {sentence}"


def test_a_kernel_or_a_number_of_channels_that_ours_has_not_is_refused(taken):
    for theirs, sentence in (
        (TheirSRCNN((5, 3, 3)), "its kernels are 5-3-3, and 9-1-5 or 9-3-5 or 9-5-5 are wanted"),
        (TheirSRCNN((9, 1, 5), 2), "it sees 2 channels, and ours see 1 (Y) or 3 (RGB)"),
    ):
        torch.save(theirs.state_dict(), "they.pth")
        assert refused(taken, "from=they.pth", "scale=3").endswith(f"ports, but {sentence}")


def test_features_or_a_scale_that_ours_has_not_are_told_beside_the_file(taken):
    theirs = TheirSRCNN()
    theirs.conv1, theirs.conv2, theirs.conv3 = conv(1, 4, 9), conv(4, 4, 5), conv(4, 1, 5)
    torch.save(theirs.state_dict(), "few.pth")
    said = refused(taken, "from=few.pth", "scale=3")
    assert said.startswith("few.pth looks like SRCNN of PyTorch ports, but model: features must be")
    torch.save(TheirFSRCNN(3).state_dict(), "they.pth")
    said = refused(taken, "from=they.pth", "scale=10")
    assert said.startswith("they.pth looks like FSRCNN of PyTorch ports, but ")
    assert "kernel_size must be at least the scale 10, got 9" in said


def test_weights_that_are_not_finite_are_refused(taken):
    for value in (torch.nan, torch.inf):
        torch.save(broken(lambda s, value=value: s["mid_part.0.bias"].fill_(value)), "they.pth")
        said = refused(taken, "from=they.pth", "scale=3")
        assert said == "they.pth holds weights that are not finite, in mid_part.0.bias"


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_a_pickle_of_code_is_not_run(taken):
    for new in (True, False):
        torch.save({"epoch": 1, "model": Trap()}, "trap.pth", _use_new_zipfile_serialization=new)
        assert "trap.pth holds no weights" in refused(taken, "from=trap.pth")
    Path("bare.pkl").write_bytes(pickle.dumps({"model": Trap()}))
    assert "bare.pkl is none of" in refused(taken, "from=bare.pkl")
    assert not Path("sprung").exists()


@pytest.mark.parametrize("new", [True, False])
def test_a_network_that_was_pickled_whole_is_read_and_not_run(new, taken):
    theirs = TheirVDSR(2, 4)
    content = {"epoch": 50, "model": nn.DataParallel(theirs), "trap": Trap()}
    torch.save(content, "model_epoch_50.pth", _use_new_zipfile_serialization=new)
    status, said = taken("from=model_epoch_50.pth", "scale=2")
    assert (status, said.err) == (0, "")
    assert "VDSR of 4 layers x2" in said.out
    assert not Path("sprung").exists()
    compare(theirs, "model_epoch_50-srlab.pt", 2, enlarged=True, whole=True)


class Held:
    def __init__(self, **modules):
        self._modules = modules


def test_modules_that_hold_each_other_without_end_are_refused(taken):
    many = Held()
    for _ in range(60):  # each twice: 2^60 ways to the last
        many = Held(a=many, b=many)
    ring = Held()
    ring._modules["a"] = ring
    for number, module in enumerate((many, ring)):
        torch.save({"epoch": 1, "model": module}, f"{number}.pth")
        assert f"{number}.pth is none of" in refused(taken, f"from={number}.pth", "scale=2")


@pytest.mark.parametrize("kind", ["authors", "layers", "filters"])
def test_vdsr_of_matconvnet(kind, taken):
    theirs = TheirVDSR(2, 4, bias=True)
    layers = [theirs.input, *(layer.conv for layer in theirs.residual_layer), theirs.output]
    kernels = [layer.weight.permute(2, 3, 1, 0).double().numpy() for layer in layers]
    kernels = [k[..., 0] if k.shape[3] == 1 else k for k in kernels]  # as MATLAB does
    biases = [layer.bias.double().numpy()[:, None] for layer in layers]

    def cell(items):
        made = np.empty((1, len(items)), dtype=object)
        for number, item in enumerate(items):
            made[0, number] = item
        return made

    pairs = list(zip(kernels, biases, strict=True))
    if kind == "authors":
        content = {"model": {"weight": cell(kernels), "bias": cell(biases)}}
    elif kind == "layers":
        convolutions = [{"type": "conv", "weights": cell([k, b])} for k, b in pairs]
        between = [{"type": "relu"} for _ in convolutions]
        both = [layer for pair in zip(convolutions, between, strict=True) for layer in pair]
        content = {"net": {"layers": cell(both)}}
    else:
        content = {"net": {"layers": cell([{"filters": k, "biases": b} for k, b in pairs])}}
    scipy.io.savemat("they.mat", content)
    status, said = taken("from=they.mat", "scale=2")
    assert (status, said.err) == (0, "")
    assert "recognised: VDSR of MatConvNet (.mat)" in said.out
    compare(theirs, "they-srlab.pt", 2, enlarged=True, whole=True)


@pytest.mark.parametrize("kind", ["new", "old", "safetensors", "mat"])
def test_a_file_that_is_cut_off_is_refused(kind, taken):
    state = TheirESPCN(2).state_dict()
    if kind == "mat":
        noise = np.random.default_rng(0).random((81, 64))
        scipy.io.savemat("they.mat", {"weights_conv1": noise}, do_compression=True)
        Path("they.mat").rename("they")
    elif kind == "safetensors":
        save_file(state, "they")
    else:
        torch.save(state, "they", _use_new_zipfile_serialization=kind == "new")
    whole = Path("they").read_bytes()
    for length in (0, 1, 9, 180, len(whole) // 2, len(whole) - 3):
        Path("cut").write_bytes(whole[:length])
        said = refused(taken, "from=cut")
        assert said.startswith("cut is none of ")


def test_onnx_is_said_to_be_onnx(taken):
    Path("they.onnx").write_bytes(b"\x08\x07")
    assert refused(taken, "from=they.onnx").startswith("they.onnx is ONNX, a program whose weights")


def test_a_file_without_weights_is_refused(taken):
    for content, sentence in (
        ([1, 2], "they holds no weights: a dict of tensors by their names is wanted"),
        ({"a": {"b": 1}}, "they holds no weights: a dict of tensors by their names is wanted"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "they holds no plain numbers in a"),
        ({"a": torch.eye(2).to_sparse()}, "they holds no plain numbers in a"),
    ):
        torch.save(content, "they")
        assert refused(taken, "from=they") == sentence


def test_a_dict_that_holds_itself_ends(taken):
    content = {}
    content["model"] = content
    torch.save(content, "they")
    assert "holds no weights" in refused(taken, "from=they")


def test_a_matlab_file_that_does_not_fit_is_refused(taken):
    shapes = {"1": (81, 64), "2": (64, 1, 32), "3": (32, 25)}
    for variables, sentence in (
        ({"weights_conv1": np.ones((81, 4))}, "biases_conv1 is missing"),
        ({"weights_conv1": np.ones((80, 64))}, "the kernels of weights_conv1 are not square"),
        ({"weights_conv2": np.ones((64, 32))}, "its weights have not 2, 3 and 2 dimensions"),
        ({"weights_conv3": np.ones((31, 25))}, "conv3.weight has the shape 1x31x5x5"),
    ):
        whole = {f"weights_conv{n}": np.ones(shape) for n, shape in shapes.items()}
        whole |= {f"biases_conv{n}": np.ones((shape[-1], 1)) for n, shape in shapes.items()}
        whole["biases_conv3"] = np.ones((1, 1))
        if "missing" in sentence:
            del whole["biases_conv1"]
        scipy.io.savemat("x3.mat", whole | variables)
        said = refused(taken, "from=x3.mat", "scale=3")
        assert said.startswith(f"x3.mat looks like SRCNN of its authors (.mat), but {sentence}")


def test_keys_that_do_not_go_together_are_refused(srlab):
    torch.save(TheirESPCN(2).state_dict(), "they.pth")
    for more in ("checkpoint=they.pth", "upsampler=deconv", "trust=[package]"):
        said = refused(srlab, "from=they.pth", more)
        assert said.startswith("from=FILE goes with output= and scale= only")
    assert refused(srlab, "from=no.pth") == "no.pth is not there"
    assert refused(srlab, "from=.") == ". is a folder"
    assert refused(srlab, "from=") == "from= names no file: add from=FILE"
    assert refused(srlab) == "checkpoint is missing: add checkpoint=..."


def test_our_own_checkpoints_need_not_be_brought_in(taken):
    bring(taken, TheirESPCN(2))
    Path("foreign-srlab.pt").rename("ours.pt")
    assert refused(taken, "from=ours.pt") == (
        "ours.pt is a model of srlab already: give it as checkpoint=FILE"
    )
    save_file({"a": torch.ones(1)}, "ours.safetensors", {"srlab": "1"})
    assert "is a model of srlab already" in refused(taken, "from=ours.safetensors")


def test_the_newest_of_matlabs_formats_is_sent_back_to_matlab(taken):
    Path("x3.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(600))
    said = refused(taken, "from=x3.mat", "scale=3")
    assert said == "x3.mat is of MATLAB's version 7.3: save it there once more, with -v7"


def test_weights_in_half_precision_are_taken(taken):
    theirs = TheirESPCN(2).half()
    bring(taken, theirs)
    compare(theirs, "foreign-srlab.pt", 2, whole=True)


def test_nothing_is_overwritten(taken):
    torch.save(TheirESPCN(2).state_dict(), "they.pth")
    shutil.copy("they.pth", "mine.pt")
    said = refused(taken, "from=they.pth", "output=mine.pt")
    assert said == "mine.pt exists: name another file by output=FILE"
    said = refused(taken, "from=they.pth", "output=no/mine.pt")
    assert said.startswith("the folder no does not exist")
