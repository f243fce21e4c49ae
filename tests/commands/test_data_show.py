"""Guards: what is shown is what a training is fed."""

import numpy as np
from common import ran, save_pictures
from PIL import Image

from srlab.data.images import folder
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.degradations.degradation import Degradation
from srlab.degradations.noise import GaussianNoise
from srlab.degradations.shrink import Shrink
from srlab.words import Colour


def test_the_sheet_has_the_patches_of_the_first_batch(tmp_path):
    save_pictures(tmp_path, train=2, test=1)
    arguments = [
        "data=folder", "data.path=train", "scale=2", "patch_size=8", "patches=3",
        "degradation=noise", "data.hardest=0.4", "output=shown.png",
    ]  # fmt: skip
    done = ran(tmp_path, "data", "show", *arguments)
    assert done.returncode == 0, done.stderr
    assert "3 patches of train/, LR by noise (DN)" in done.stdout
    # 4x4 tiles in each of 2 pictures, which have 16 variants of LR each
    told = "x2: patches are of 205 tiles of train/, the 40 % that bicubic errs most on"
    assert told in done.stdout
    sheet = np.asarray(Image.open(tmp_path / "shown.png"))
    degrade = Degradation("noise (DN)", {"shrink": Shrink(), "noise": GaussianNoise(30)})
    pack = open_pack(folder(str(tmp_path / "train"), hardest=0.4), 2, Colour.rgb, 8, degrade)
    lr, hr = PatchBatches(pack, 3, 8, 0, seed=0)[0]
    side = sheet.shape[1] // 3
    zoom = (side - 12) // 16
    for k in range(3):
        column = sheet[:, k * side : (k + 1) * side]
        for row, patch, repeat in ((0, lr[k], 2 * zoom), (2, hr[k], zoom)):
            drawn = column[row * side + 6 : (row + 1) * side - 6, 6:-6][::repeat, ::repeat]
            np.testing.assert_array_equal(drawn, patch.permute(1, 2, 0).numpy())
    again = ran(tmp_path, "data", "show", *arguments)
    assert again.returncode == 2
    assert "shown.png exists" in again.stderr
