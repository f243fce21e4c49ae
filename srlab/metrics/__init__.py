"""PSNR and SSIM as the literature computes them, and a measure of checkerboard artefacts."""
