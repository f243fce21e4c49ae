import copy
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from common import largest
from PIL import Image
from torch import nn

from srlab.assembly import network as handle
from srlab.assembly.network import Network, layers_for
from srlab.commands.upscale.pictures import upscale_files
from srlab.words import Colour, UpscalePrecision
from srlab.errors import OutOfMemory, UserError
from srlab.imaging.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.imaging.resample import enlarge
from srlab.inference import tiles
from srlab.inference.colour import upscale_colour
from srlab.inference.ensemble import SelfEnsemble, self_ensemble
from srlab.inference.pixels import OnPixels, to_levels, to_pixels, upscale_pixels
from srlab.inference.quick import quick
from srlab.inference.sizing import automatic_number, automatic_tile
from srlab.inference.tiles import upscale_rows, upscale_tiled
from srlab.machine.memory import enough_memory
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet
from srlab.testing.waiting import rehearsal
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.unpool import Unpool

NETWORKS = {
    "espcn": lambda: ESPCN(PixelShuffle, 3),
    "espcn rgb residual": lambda: ESPCN(PixelShuffle, 2, channels=3, residual="bicubic"),
    "fsrcnn": lambda: FSRCNN(PixelShuffle, 2),
    "srcnn": lambda: SRCNN(Interpolate, 2),
    "edsr": lambda: EDSR(PixelShuffle, 2, blocks=2, features=8),
    "edsr rgb": lambda: EDSR(PixelShuffle, 3, channels=3, blocks=1, features=8),
    "unet": lambda: UNet(PixelShuffle, 2, depth=1, features=4),
    "unet unpool": lambda: UNet(Unpool, 2, depth=1, features=4),
    "espcn carafe": lambda: ESPCN(CARAFE, 2),
    "whole": lambda: ESPCN(partial(Interpolate, mode="bilinear", align_corners=True), 2),
}
COLOURS = {1: "y", 3: "rgb"}


def network(name):
    torch.manual_seed(5)
    return NETWORKS[name]().eval()


def pixels_of(height, width, channels, bits=8):
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(0).integers(0, 2**bits, (height, width, channels), dtype=kind)


def assembled(model, pixels, tile, at_once=1):
    return np.concatenate(list(upscale_pixels(model, pixels, tile, at_once)))


@pytest.fixture(params=["threads", "batches"])
def together(request, monkeypatch):
    """Tiles at once: by threads, as on the CPU, or in one batch, as on CUDA."""
    if request.param == "batches":
        monkeypatch.setattr(tiles._Tiling, "in_threads", tiles._Tiling.in_batches)


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("at_once", [1, 2, 3, 50])
def test_tiles_at_once_give_the_whole_picture(name, at_once):
    model = network(name)
    lr = torch.rand(1, model.channels, 25, 61)
    with torch.inference_mode():
        whole = model(lr)
    assert largest(upscale_tiled(model, lr, 12, at_once) - whole) < 1e-5


@pytest.mark.parametrize("at_once", [2, 4])
def test_several_tiles_are_given_at_once(at_once, monkeypatch):
    monkeypatch.setattr(tiles._Tiling, "in_threads", tiles._Tiling.in_batches)
    seen = []

    class Spy(Plain):
        def forward(self, lr, halo=0):
            seen.append(len(lr))
            return super().forward(lr, halo)

    upscale_tiled(Spy(Interpolate, 2), torch.rand(1, 1, 8, 80), 10, at_once)
    assert seen == [at_once] * (8 // at_once)
    seen.clear()
    upscale_tiled(Spy(Interpolate, 2), torch.rand(3, 1, 8, 80), 10, at_once)  # three pictures
    assert seen == [3 * at_once] * (8 // at_once)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_come_from_top_to_bottom_as_they_are_done(name):
    model = network(name)
    lr = torch.rand(1, model.channels, 30, 26)
    asked = []

    def read(first, last):
        asked.append((first, last))
        return lr[..., first:last, :]

    rows = upscale_rows(model, read, 30, 26, 10)
    first = next(rows)
    if not model.whole:
        assert first.shape[-2] in (10 * model.scale, 10 * model.scale + model.grid * model.scale)
        assert asked[0][1] <= 10 + model.grid + model.halo  # no more than it depends on
    with torch.inference_mode():
        whole = model(lr)
    assert largest(torch.cat([first, *rows], dim=-2) - whole) < 1e-5


def test_threads_are_as_many_again_when_the_rows_are_given_up():
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        lr = torch.rand(1, 1, 40, 40)
        rows = upscale_rows(network("espcn"), lambda a, b: lr[..., a:b, :], 40, 40, 8, 2)
        next(rows)
        others = upscale_rows(network("espcn"), lambda a, b: lr[..., a:b, :], 40, 40, 8, 2)
        next(others)
        assert torch.get_num_threads() == 3
        rows.close()
        others.close()
        assert torch.get_num_threads() == 3
        upscale_tiled(network("espcn"), lr, 8, 2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(usual)


def test_what_a_thread_raises_arrives():
    class Fails(Plain):
        def forward(self, lr, halo=0):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        upscale_tiled(Fails(Interpolate, 2), torch.rand(1, 1, 40, 40), 8, 2)


# --- pixels


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_pixels_in_strips_are_the_whole_pictures(name, channels, bits):
    model = network(name)
    pixels = pixels_of(21, 38, channels, bits)
    strips = assembled(OnPixels(model, COLOURS[model.channels]), pixels, 10, 2)
    top = 2**bits - 1
    x = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / top
    colours = channels - (channels in (2, 4))
    with torch.inference_mode():
        sr = upscale_colour(x[:, :colours], model, COLOURS[model.channels], model.scale)
        alpha = enlarge(x[:, colours:], model.scale).clamp(0, 1)
    expected = (torch.cat([sr, alpha], dim=1)[0].permute(1, 2, 0) * top).numpy()
    assert strips.dtype == pixels.dtype
    assert strips.shape == expected.shape
    assert np.abs(strips - expected).max() < 0.5 + 1e-5 * top


@pytest.mark.parametrize("bits", [8, 16])
def test_levels_and_pixels_are_each_others_inverse(bits):
    pixels = pixels_of(3, 5, 4, bits)
    assert np.array_equal(to_pixels(to_levels(pixels)), pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_rounded_to_the_nearest_level_and_clamped(bits):
    top = 2**bits - 1

    class Shift(Plain):
        def forward(self, lr, halo=0):
            return super().forward(lr, halo) + self.by / top

    model = Shift(partial(Interpolate, mode="nearest"), 2)
    pixels = np.array([[[0], [7], [top]]], dtype=np.uint8 if bits == 8 else np.uint16)
    for by, expected in ((0.4, [0, 7, top]), (0.6, [1, 8, top]), (-0.6, [0, 6, top - 1])):
        model.by = by
        sr = assembled(OnPixels(model, "y"), pixels, 0)
        assert sr[0, ::2, 0].tolist() == expected


def test_half_precision_is_near_and_leaves_interpolation_alone():
    pixels = pixels_of(20, 30, 3)
    exact = assembled(OnPixels(network("espcn"), "y"), pixels, 0).astype(int)
    half = assembled(OnPixels(network("espcn"), "y", torch.bfloat16), pixels, 0)
    assert 0 < np.abs(half - exact).max() <= 3
    bicubic = Plain(Interpolate, 3)
    for precision in (torch.bfloat16, torch.float16):
        assert np.array_equal(
            assembled(OnPixels(bicubic, "y", precision), pixels, 0),
            assembled(OnPixels(bicubic, "y"), pixels, 0),
        )


# --- self-ensemble


@pytest.mark.parametrize("name", NETWORKS)
def test_the_ensemble_in_tiles_is_that_of_the_whole_picture(name):
    model = network(name)
    lr = torch.rand(1, model.channels, 21, 34)
    with torch.inference_mode():
        whole = self_ensemble(model, lr)
    assert largest(upscale_tiled(SelfEnsemble(model, 10), lr, 10, 2) - whole) < 1e-5


# --- quick copies


@pytest.mark.parametrize("name", NETWORKS)
def test_a_quick_copy_computes_the_same_and_leaves_the_network_alone(name):
    model = network(name)
    before = copy.deepcopy(model.state_dict())
    lr = torch.rand(1, model.channels, 19, 23)
    with torch.inference_mode():
        assert largest(quick(model)(lr) - model(lr)) < 1e-6
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)
    assert any(isinstance(module, nn.Tanh) for module in network("espcn").modules())
    assert not any(isinstance(module, nn.Tanh) for module in quick(model).modules())


def test_the_quick_tanh_is_tanh():
    x = torch.linspace(-30, 30, 100_001)
    assert largest(quick(nn.Sequential(nn.Tanh()))(x) - x.tanh()) < 3e-7


# --- the size of tiles


def test_tiles_are_larger_for_larger_halos_and_bounded_by_memory():
    assert automatic_tile(network("espcn")) == 192
    assert automatic_tile(Plain(Interpolate, 2)) == 192
    assert 64 <= automatic_tile(SRCNN(Interpolate, 4)) < 192  # features at high resolution
    deep = EDSR(PixelShuffle, 2, blocks=16, features=8).eval()
    assert ((automatic_tile(deep) + 2 * deep.halo) / automatic_tile(deep)) ** 2 < 1.26
    wide = EDSR(PixelShuffle, 4, blocks=16, features=256).eval()
    assert deep.halo < automatic_tile(wide) < automatic_tile(deep)


def test_as_many_tiles_at_once_as_there_are_threads_if_they_fit():
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert automatic_number(network("espcn"), 128) == 2
        assert automatic_number(network("espcn"), 10_000) == 1
        assert automatic_number(network("espcn"), 0) == 1
    finally:
        torch.set_num_threads(usual)


class Interrupted(Plain):
    """A network that is interrupted at its second tile, wherever that is made."""

    def __init__(self):
        super().__init__(Interpolate, 2)
        self.tiles = 0

    def forward(self, lr, halo=0):
        self.tiles += 1
        if self.tiles > 1:
            time.sleep(0.05)
            raise KeyboardInterrupt
        return super().forward(lr, halo)


def test_an_interrupted_row_of_tiles_is_not_worked_off():
    model = Interrupted()
    lr = torch.rand(1, 1, 8, 400)
    with pytest.raises(KeyboardInterrupt):
        upscale_tiled(model, lr, 8, 2)
    made = model.tiles
    time.sleep(0.3)
    assert model.tiles <= made + 1  # the one that another thread was at
    assert model.tiles < 10


# --- files


def test_an_error_that_nobody_expects_is_not_swallowed(tmp_path, monkeypatch):
    Image.fromarray(pixels_of(20, 31, 3)).save(tmp_path / "a.png")

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(MemoryError):
        upscale_files([(tmp_path / "a.png", tmp_path / "b.jpg")], lambda pixels: [pixels], 1)
    assert not (tmp_path / "b.jpg").exists()


def test_files_are_made_one_after_the_other_and_failures_told_at_the_end(tmp_path, capsys):
    names = ["a.png", "b.jpg", "c.webp", "broken.png", "d.png"]
    for number, name in enumerate(names):
        Image.fromarray(pixels_of(20 + number, 31, 3)).save(tmp_path / name)
    (tmp_path / "broken.png").write_text("no picture")
    jobs = [(tmp_path / name, tmp_path / f"large-{name}") for name in names]
    model = OnPixels(Plain(Interpolate, 2), "y")
    failures = upscale_files(jobs, partial(upscale_pixels, model, tile=16), 2)
    assert len(failures) == 1
    assert "broken.png is not a readable image" in failures[0]
    for number, name in enumerate(names):
        if name == "broken.png":
            continue
        with Image.open(tmp_path / f"large-{name}") as image:
            assert image.size == (62, 40 + 2 * number)
    said = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["[1/5]", "[2/5]", "[3/5]", "[5/5]"]


def test_a_format_that_is_too_small_is_told_before_the_work(tmp_path):
    Image.fromarray(pixels_of(1, 9000, 1)[..., 0]).save(tmp_path / "a.png")

    def never(pixels):
        raise AssertionError("the work has begun")

    failures = upscale_files([(tmp_path / "a.png", tmp_path / "b.webp")], never, 2)
    assert failures == ["a WEBP file cannot hold 18000x2 pixels, only 16,383 a side; use .png"]
    assert not (tmp_path / "b.webp").exists()


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_an_interruption_leaves_no_half_file(tmp_path, kind):
    Image.fromarray(pixels_of(20, 31, 3)).save(tmp_path / "a.png")

    def interrupted(pixels):
        yield from upscale_pixels(OnPixels(Plain(Interpolate, 2), "y"), pixels[:10], 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_files([(tmp_path / "a.png", tmp_path / f"b.{kind}")], interrupted, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_progress_is_shown_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    Image.fromarray(pixels_of(40, 8, 3)).save(tmp_path / "a.png")
    model = OnPixels(Plain(Interpolate, 2), "y")
    upscale = partial(upscale_pixels, model, tile=16)
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    upscale_files([(tmp_path / "a.png", tmp_path / "b.png")], upscale, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    upscale_files([(tmp_path / "a.png", tmp_path / "c.png")], upscale, 2)
    err = capsys.readouterr().err
    assert " 35 %" in err
    assert err.endswith("\r     \r")


# --- number types


def unlike(ours, theirs):
    return abs(ours.astype(int) - theirs.astype(int)).max()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_that_are_cast_once_give_what_autocast_gives(name, kind):
    model, pixels = quick(network(name)), pixels_of(12, 15, 3)
    lr = torch.rand(1, model.channels, 12 + 2 * model.frame, 15 + 2 * model.frame)
    with torch.inference_mode(), torch.autocast("cpu", kind):
        expected = model(lr, halo=model.frame).float()
    ours = OnPixels(copy.deepcopy(model), COLOURS[model.channels], kind)
    with torch.inference_mode():
        assert torch.equal(ours._once(lr, model.frame), expected)
    full = assembled(OnPixels(model, COLOURS[model.channels]), pixels, 0)
    assert unlike(assembled(ours, pixels, 0), full) <= (2 if kind == torch.float16 else 12)


@pytest.mark.parametrize("place", ["cpu", "cuda"])
@pytest.mark.parametrize("levels", [np.uint8, np.uint16])
def test_sixteen_bits_are_never_computed_in_half_precision_unless_asked(place, levels):
    def kind(precision):
        return layers_for(UpscalePrecision(precision), torch.device(place), np.dtype(levels))

    half = place == "cuda" and levels == np.uint8
    assert kind("auto") == (torch.float16 if half else torch.float32)
    asked = [kind(precision) for precision in ("fp32", "fp16", "bf16")]
    assert asked == [torch.float32, torch.float16, torch.bfloat16]


def test_an_upscaler_takes_pictures_of_both_depths_in_turn(monkeypatch):
    asked = []

    def as_on_cuda(precision, device, levels):
        asked.append(levels)
        return layers_for(precision, torch.device("cuda"), levels)

    monkeypatch.setattr(handle, "layers_for", as_on_cuda)
    model = Network(network("espcn"), 3, Colour.y, "espcn", None, None)
    upscale = model.pixel_upscaler(0, False, UpscalePrecision.auto)
    exact = model.pixel_upscaler(0, False, UpscalePrecision.fp32)
    for bits in (8, 16, 8):
        pixels = pixels_of(9, 8, 3, bits)
        ours, theirs = (np.concatenate(list(f(pixels))) for f in (upscale, exact))
        assert ours.dtype == pixels.dtype
        assert unlike(ours, theirs) <= (2 if bits == 8 else 0)
    assert [kind.itemsize for kind in asked] == [1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize("error", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
])  # fmt: skip
def test_a_memory_that_is_full_is_told_with_what_to_lower(error, monkeypatch):
    class Hungry(Plain):
        def forward(self, lr, halo=0):
            if lr.shape[-1] > 64:
                raise error
            return super().forward(lr, halo)

    model = Network(Hungry(Interpolate, 2), 2, Colour.y, "hungry", None, None)
    upscale = model.pixel_upscaler(0, False, UpscalePrecision.fp32)
    with pytest.raises(OutOfMemory, match=r"memory.* is full: lower tile") as caught:
        list(upscale(pixels_of(8, 80, 1)))
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, UserError)


def test_other_errors_of_a_network_are_not_taken_for_a_full_memory():
    with pytest.raises(RuntimeError, match="sizes"), enough_memory("tile"):
        raise RuntimeError("sizes do not match")


def test_colour_conversion_waits_for_no_gpu():
    picture = torch.rand(2, 3, 5, 6, device="meta")
    with rehearsal():
        for convert in (luma, rgb_to_ycbcr, ycbcr_to_rgb):
            convert(picture)
