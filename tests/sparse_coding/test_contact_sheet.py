"""Guards: a contact sheet shows every filter once."""

import torch

from srlab.sparse_coding.contact_sheet import contact_sheet


def test_a_contact_sheet_shows_every_filter_once():
    filters = torch.arange(1.0, 7.0).view(6, 1, 1, 1).expand(6, 1, 2, 2)
    sheet = contact_sheet(filters, zoom=2)
    assert (sheet == 1).sum() == 6 * 16
    assert sheet.min() == 0
