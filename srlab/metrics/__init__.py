"""PSNR and SSIM as the literature computes them."""
