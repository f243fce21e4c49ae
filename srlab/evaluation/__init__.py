"""Judging: PSNR and SSIM by the literature's protocol, checkerboard, tables, published figures."""
