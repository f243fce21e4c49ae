"""Guards: the figures that tables quote are those of the papers."""

from srlab.config.compose import option_node
from srlab.evaluation.methods import method_of
from srlab.evaluation.published import FIGURES, OTHER_DATA, published, published_for_other_data


def test_published_figures_are_those_of_the_papers():
    known = {
        ("bicubic", "Set5", 3): (30.39, 0.8682),
        ("bicubic", "Urban100", 4): (23.14, 0.6577),
        ("SRCNN 9-1-5", "Set5", 3): (32.39, None),
        ("SRCNN 9-5-5", "Set14", 2): (32.42, 0.9063),
        ("ESPCN tanh", "Set5", 3): (32.55, None),
        ("ESPCN relu", "Set14", 3): (28.97, None),
        ("FSRCNN", "Urban100", 3): (26.43, 0.8080),
        ("EDSR-baseline", "B100", 3): (29.09, 0.8052),
        ("CSCN", "B100", 4): (27.03, 0.7161),
        ("CSC-SR", "Set14", 3): (29.15, 0.8208),
    }
    figures = {asked: published(*asked) for asked in known}
    assert {asked: (f.psnr, f.ssim) for asked, f in figures.items()} == known
    assert all(figure.source for figure in figures.values())


def test_what_no_paper_reports_is_unknown():
    methods = [(None, "Set5", 3), ("", "Set5", 3), ("nearest", "Set5", 3)]
    sets = [("bicubic", "Set6", 3), ("bicubic", "photos", 3)]
    scales = [("bicubic", "Set5", 5), ("ESPCN tanh", "Set5", 2)]
    assert [asked for asked in methods + sets + scales if published(*asked) is not None] == []


def test_figures_for_other_training_images_say_which():
    espcn = published_for_other_data("ESPCN tanh", "Set5", 3)
    assert espcn is not None
    assert (espcn.psnr, espcn.source) == (33.13, "ESPCN tanh, ImageNet")
    assert published("ESPCN tanh", "Set5", 3).source == "ESPCN tanh, T91"
    sources = {f.source for rows in OTHER_DATA.values() for f in rows.values()}
    assert all(source.endswith(("ImageNet", "T91")) for source in sources)


def test_published_figures_are_plausible():
    for method, rows in (*FIGURES.items(), *OTHER_DATA.items()):
        for (testset, scale), figure in rows.items():
            assert 20 < figure.psnr < 40
            assert figure.ssim is None or 0.6 < figure.ssim < 1
            easier = rows.get((testset, scale - 1))
            assert easier is None or easier.psnr > figure.psnr, (method, testset, scale)
            bicubic = FIGURES["bicubic"][testset, scale]
            assert method == "bicubic" or figure.psnr > bicubic.psnr + 0.5


def test_the_options_of_the_papers_have_their_figures_and_others_have_none():
    names = {
        "csc_sr": "CSC-SR", "scn": "CSCN", "fsrcnn": "FSRCNN", "compact": None,
        "espcn": "ESPCN tanh", "espcn_l": None, "srcnn": "SRCNN 9-1-5", "srcnn_s": None,
    }  # fmt: skip
    found = {name: method_of(option_node("model", name, "model", 3)) for name in names}
    assert found == names
    assert method_of(option_node("model", "edsr_baseline", "model", 3, "rgb")) == "EDSR-baseline"
