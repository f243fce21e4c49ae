"""Judging: PSNR and SSIM by the protocol of the literature, tables, published figures."""
