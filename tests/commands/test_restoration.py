"""Guards: at scale 1 a network restores pictures at their size."""

import numpy as np
from common import ran
from PIL import Image

from srlab.imaging.picture import read_picture

RUN = (
    "scale=1", "model=srcnn_s", "degradation=noise", "degradation.variants=1", "trainer.steps=2",
    "trainer.batch_size=2", "trainer.patch_size=16", "run_dir=run", "valset=first_testset",
)  # fmt: skip


def test_a_network_of_scale_1_restores_pictures_at_their_size(tmp_path):
    made = ran(tmp_path, "train", *RUN)
    assert made.returncode == 0, made.stderr
    assert "x1" in made.stdout
    assert "input=PICTURE output=RESTORED.png" in made.stdout
    judged = ran(tmp_path, "evaluate", "checkpoint=run")
    assert judged.returncode == 2
    assert "at scale=1 there is nothing to restore" in judged.stderr
    noise = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    made = ran(tmp_path, "upscale", "checkpoint=run/last.pt", "input=photo.png")
    assert made.returncode == 0, made.stderr
    assert "photo_restored.png  30x20" in made.stdout
    restored = read_picture(tmp_path / "photo_restored.png").pixels
    assert restored.shape == (20, 30, 1)
    made = ran(tmp_path, "upscale", "checkpoint=run/last.pt", "input=photo.png", "width=60")
    assert made.returncode == 2
    assert "restores pictures at their size (scale 1): leave out scale, size," in made.stderr
