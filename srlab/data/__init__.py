"""Data: where images come from, packs of decoded pixels, patches drawn from them, test sets."""
