"""srlab as a library, without configs and command line: python docs/examples/train_from_python.py.

A network with an upsampler of your choice is trained by a bare PyTorch loop, judged as the papers
judge, brought into its simplest form, and used on a photograph. Editors that know ``# %%`` run it
cell by cell.
"""

# %%
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

import srlab
from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import held_out, training
from srlab.imaging.colour import luma, quantise, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple

SCALE, STEPS = 3, 2000
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## A network
#
# A model takes a factory that is called with channels and scale. `srlab.PixelShuffle`,
# `srlab.ResizeConv`, `srlab.CARAFE` or a class of yours would do as well; `partial` sets options.

# %%
torch.manual_seed(0)
upsampler = partial(srlab.Deconv, kernel_size=9, init="bilinear")
model = srlab.ESPCN(upsampler, SCALE, init="identity").to(device, memory_format=torch.channels_last)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {model.upsampler}")

# %% [markdown]
# ## Batches
#
# The photographs that scikit-image bundles, decoded once. Low-resolution patches carry the frame
# that the network uses up, so that it sees no artificial border; batch t depends on seed and t.

# %%
pack = open_pack(training(), SCALE, "y", min_patch=16)
batches = PatchBatches(pack, batch_size=16, patch_size=16, halo=model.frame, seed=0)

# %% [markdown]
# ## Training

# %%
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
for step, (lr, hr) in enumerate(feed(batches, 0, STEPS, device), start=1):
    loss = F.mse_loss(model(lr, halo=model.frame), hr)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 500 == 0:
        print(f"step {step:,}  loss {loss.item():.2e}")
model.eval()

# %% [markdown]
# ## Scores
#
# On luma, rounded to 8 bits, without a border of `SCALE` pixels, on photographs that were held out.


# %%
@torch.inference_mode()
def scores(upscale):
    """Return the mean PSNR and SSIM of a function from LR to SR."""
    found = []
    for path in held_out().paths:
        hr = quantise(luma(crop_to_multiple(to_tensor(read_pixels(path)), SCALE))).to(device)
        lr = quantise(srlab.shrink(hr, SCALE))
        sr, hr = (crop(x, SCALE) for x in (quantise(upscale(lr.float()).double()), hr))
        found.append(torch.cat([srlab.psnr(sr, hr), srlab.ssim(sr, hr)]))
    return torch.stack(found).mean(dim=0).tolist()


bicubic = partial(srlab.enlarge, scale=SCALE)
for name, upscale in (("bicubic", bicubic), ("ours", model)):
    print("{:8} {:.2f} dB  {:.4f}".format(name, *scores(upscale)))

# %% [markdown]
# ## The same network, simpler
#
# A transposed convolution is a convolution at low resolution followed by PixelShuffle. `simplify`
# finds that form of every linear upsampler and returns a copy of the network; it computes the same.

# %%
simple = srlab.simplify(model)
lr, _ = next(feed(batches, 0, 1, device))
with torch.inference_mode():
    difference = (simple(lr) - model(lr)).abs().max().item()
print(f"{model.upsampler}\n-> {simple.upsampler}\nlargest difference {difference:.0e}")

# %% [markdown]
# ## A picture
#
# The network makes the luma; colour, in which eyes are less sharp, goes by bicubic.

# %%
photograph = to_tensor(read_pixels(held_out().paths[1])).float().to(device)
ycbcr = rgb_to_ycbcr(photograph)
with torch.inference_mode():
    enlarged = torch.cat([simple(ycbcr[:, :1]), srlab.enlarge(ycbcr[:, 1:], SCALE)], dim=1)
pixels = to_pixels(ycbcr_to_rgb(enlarged))
place = Path("cat_x3.png")
Image.fromarray(pixels).save(place)
print(f"written: {place}, {pixels.shape[1]} x {pixels.shape[0]} pixels")
