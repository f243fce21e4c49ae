"""Guards: the page of a report needs nothing else, shows what it holds, obeys mouse and keys."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2", reason="a report wants jinja2")

from srlab.reporting.cost_plot import CostPoint, draw_cost
from srlab.reporting.page import render
from srlab.reporting.plots import Bar, draw_curves, draw_intervals

NASTY = """<b>&"' k=9</b>"""
SIDE = 24


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def table(*values):
    rows = [
        {"label": f"row{k}", "cells": [{"text": str(v), "value": v}]} for k, v in enumerate(values)
    ]
    return {"columns": ["value"], "rows": rows}


def crops():
    truth = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) % 200
    truth = truth.astype(np.uint8)
    pictures = {"truth": truth, "darker": truth // 2, NASTY: truth + 9}
    colour = np.stack([truth, truth + 1, truth + 2], axis=2)
    pictures["colour"] = colour
    return [{"label": k, "detail": "30 dB", "src": png(v)} for k, v in pictures.items()]


def context(**changes):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="40"><path d="M0 0"/></svg>'
    rankings = [
        {"id": i, "name": i.upper(), "unit": "dB", "note": "", "svg": svg, **table(3, 1, 2)}
        for i in ("psnr", "ssim", "ripple")
    ]
    image = {"testset": "Set5", "left": 3, "top": 6, "width": SIDE, "height": SIDE, "why": "best"}
    images = [{"name": name, "crops": crops(), **image} for name in ("first", "second")]
    extremes = table(1, 2)
    extremes["rows"][0]["images"] = ["second"]
    extremes["rows"].insert(1, {"label": "none", "cells": [{"text": "", "value": None}]})
    return {
        "title": NASTY, "subtitle": "2 choices", "made": "today", "warnings": [NASTY],
        "answer": ["This is the answer."], "rankings": rankings,
        "costs": {"note": "", "svgs": [{"title": "cost", "svg": svg}], **table(10, 9)},
        "pictures": {"scale": 3, "note": "", "images": images},
        "extremes": {"note": "", **extremes},
        "artefacts": [{"label": "deconv", "note": "", "svg": svg}],
        "curves": [{"title": "PSNR", "svg": svg}],
        "repeat": {"commands": ["srlab sweep"], "differences": table(1), "config": "a: 1",
                   "environment": [["torch", "2"]]},
        "files": ["ranking.csv"],
    } | changes  # fmt: skip


def test_the_page_needs_nothing_else():
    page = render(context())
    sources = re.findall(r"""(?:src|href)=["']([^"']*)|url\(([^)]*)\)|@import\s+(\S+)""", page)
    assert sources
    assert all((a or b or c).startswith(("data:", "#")) for a, b, c in sources)


def test_labels_are_text():
    page = render(context())
    assert NASTY not in page
    assert "&lt;b&gt;&amp;" in page


def test_what_is_empty_is_left_out():
    page = render(
        context(
            rankings=[], artefacts=[], curves=[], pictures={"scale": 3, "note": "", "images": []}
        )
    )
    for part in ("ranking", "look", "artefacts", "curves"):
        assert f'id="{part}"' not in page
    assert 'id="cost"' in page


ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    if not any(found):
        pytest.skip("no Chromium is installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, found)), args=ARGUMENTS
        )
        yield browser
        browser.close()


def wait(page, condition):
    """Wait as wait_for_function does, which needs the eval that the page's policy refuses."""
    page.evaluate(
        f"""new Promise((done, fail) => {{
            const end = Date.now() + 10000;
            const look = () => {{
                if ({condition}) done();
                else if (Date.now() > end) fail(new Error("timed out"));
                else setTimeout(look, 10);
            }};
            look();
        }})"""
    )


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    """A tab, the page's file, and what the tab has complained of and asked for."""
    file = tmp_path_factory.mktemp("page") / "index.html"
    file.write_text(render(context()))
    tab, said, asked = browser.new_page(), [], []
    tab.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    yield tab, file, said, asked
    tab.close()


@pytest.fixture
def page(tab):
    """Open the page from disk; at the end nothing was complained of, and nothing else asked for."""
    page, file, said, asked = tab
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(media="screen", color_scheme="light")
    page.mouse.move(0, 0)
    said.clear()
    asked.clear()
    page.goto(f"file://{file}")
    wait(page, "srlabViewer.ready()")
    settle(page)  # decoded is not drawn yet
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [f"file://{file}"]


def view(page):
    return page.evaluate("srlabViewer.view()")


def pixels(page, selector):
    """What a canvas shows: the colour of the middle of each pixel of the crop."""
    return page.evaluate(
        """([selector, side]) => {
            const canvas = document.querySelector(selector), pen = canvas.getContext("2d");
            const step = canvas.width / side, found = [];
            for (let y = 0; y < side; y++) for (let x = 0; x < side; x++)
                found.push([...pen.getImageData((x + .5) * step, (y + .5) * step, 1, 1).data]);
            return found;
        }""",
        [selector, SIDE],
    )


def settle(page):
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def test_tiles_show_their_pixels(page):
    shown = np.array(pixels(page, ".tile:nth-child(1) canvas"))[:, 0].reshape(SIDE, SIDE)
    expected = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 200
    assert np.array_equal(shown, expected)


def test_zoom_and_pan_are_those_of_all(page):
    first, other = (page.locator(f".tile:nth-child({n}) canvas") for n in (1, 4))
    first.hover(position={"x": 20, "y": 20})
    page.mouse.wheel(0, -300)
    settle(page)
    assert view(page)["zoom"] == pytest.approx(1.25)
    other.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert view(page)["zoom"] > 1.5
    assert view(page)["x"] > 0
    corner = pixels(page, ".tile:nth-child(1) canvas"), pixels(page, ".tile:nth-child(4) canvas")
    reds = [[c[0] for c in found] for found in corner]
    assert reds[0] == reds[1]  # the red of the colour picture is the truth
    page.keyboard.press("0")
    assert view(page) == {"zoom": 1, "x": 0, "y": 0}


def test_dragging_pans(page):
    canvas = page.locator(".tile:nth-child(2) canvas")
    canvas.focus()
    for _ in range(3):
        page.keyboard.press("+")
    canvas.scroll_into_view_if_needed()
    before = view(page)["x"]
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 50, steps=4)
    page.mouse.up()
    assert view(page)["x"] > before


def test_the_slider_moves_by_mouse_and_by_keyboard(page):
    canvas = page.locator("#compare")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = box["y"] + min(200, box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle, steps=5)
    page.mouse.up()
    assert page.evaluate("srlabViewer.slider()") == pytest.approx(0.25, abs=0.02)
    page.locator("#slider").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("srlabViewer.slider()") == pytest.approx(0.3, abs=0.02)


def test_a_and_b_stand_on_their_sides_and_flip_in_place(page):
    page.locator("#a").select_option("0")
    page.locator("#b").select_option("1")
    settle(page)
    truth = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 200
    shown = np.array(pixels(page, "#compare"))[:, 0].reshape(SIDE, SIDE)
    assert np.array_equal(shown[:, : SIDE // 2 - 1], truth[:, : SIDE // 2 - 1])
    assert np.array_equal(shown[:, SIDE // 2 + 1 :], truth[:, SIDE // 2 + 1 :] // 2)
    page.locator("#compare").focus()
    for key, expected in (("f", truth), ("f", truth // 2)):
        page.keyboard.press(key)
        settle(page)
        shown = np.array(pixels(page, "#compare"))[:, 0].reshape(SIDE, SIDE)
        assert np.array_equal(shown, expected)


def test_a_click_on_a_tile_makes_it_b_with_shift_a_and_so_do_its_buttons(page):
    page.locator(".tile:nth-child(2) canvas").click()
    page.locator(".tile:nth-child(4) canvas").click(modifiers=["Shift"])
    assert page.locator("#b").input_value() == "1"
    assert page.locator("#a").input_value() == "3"
    tile = page.locator(".tile:nth-child(2)")
    tile.get_by_role("button", name="A: darker").press("Enter")
    settle(page)
    assert page.locator("#a").input_value() == "1"
    assert tile.get_by_role("button", name="A: darker").get_attribute("aria-pressed") == "true"
    assert page.locator("#corner-a").inner_text().split() == ["A", "darker"]


def test_the_pixel_under_the_pointer_is_read_and_marked_in_all_tiles(page):
    def crosshairs():
        return page.evaluate(
            """[...document.querySelectorAll(".tile canvas")].map((canvas) => {
                const pen = canvas.getContext("2d"), x = Math.floor(5.5 * canvas.width / 24);
                const [r, g, b] = pen.getImageData(x, canvas.height - 3, 1, 1).data;
                return r > 150 && r > g + 40 && g > b + 20;
            })"""
        )

    assert crosshairs() == [False] * 4
    canvas = page.locator(".tile:nth-child(2) canvas")
    width = canvas.bounding_box()["width"]
    canvas.hover(position={"x": 5.5 * width / SIDE, "y": 2.5 * width / SIDE})
    settle(page)
    assert crosshairs() == [True] * 4
    truth = (2 * SIDE + 5) % 200
    expected = [str(truth), str(truth // 2), str(truth + 9), f"{truth} {truth + 1} {truth + 2}"]
    assert page.evaluate("srlabViewer.values()") == expected
    assert page.locator(".tile:nth-child(3) .value").inner_text() == expected[2]


def test_keys_move_the_pixel_that_is_read_and_the_view_follows(page):
    page.locator("#compare").focus()
    for _ in range(4):
        page.keyboard.press("+")
    for _ in range(SIDE):
        page.keyboard.press("Shift+ArrowLeft")
    settle(page)
    x, y = page.evaluate("Object.values(srlabViewer.point())")
    assert (x, view(page)["x"]) == (0, 0)
    truth = (y * SIDE) % 200
    assert page.locator("#value-truth").inner_text() == str(truth)
    assert page.locator("#where").inner_text() == f"column 3, row {6 + y}"


def differences(page):
    page.locator("fieldset label", has=page.locator("#mode-difference")).click()
    page.mouse.move(0, 0)
    settle(page)
    assert page.evaluate("srlabViewer.mode()") == "difference"


def test_the_difference_of_the_truth_is_none_and_colour_is_measured_as_grey_is(page):
    differences(page)
    assert {tuple(c) for c in pixels(page, ".tile:nth-child(1) canvas")} == {(247, 247, 247, 255)}
    lighter = pixels(page, ".tile:nth-child(3) canvas")
    assert all(red > blue for red, _, blue, _ in lighter)
    darker = np.array(pixels(page, ".tile:nth-child(2) canvas"))
    dark = (np.arange(SIDE * SIDE) % 200) > 1
    assert (darker[dark, 0] < darker[dark, 2]).all()
    # A colour a level off must not look more than a level off where the truth is grey.
    off = np.array(pixels(page, ".tile:nth-child(4) canvas"))[:, 1]
    expected = 247 - (0.587 + 2 * 0.114) / 32 * (247 - 24)
    assert np.abs(off - expected).max() <= 1


def test_the_gain_deepens_differences_and_names_their_range(page):
    differences(page)
    assert page.locator("#highest").inner_text() == "+32"
    before = pixels(page, ".tile:nth-child(3) canvas")[0][1]
    page.locator("#gain").focus()
    page.keyboard.press("End")
    settle(page)
    assert page.locator("#gain-shown").inner_text() == "16×"  # noqa: RUF001
    assert page.locator("#highest").inner_text() == "+8"
    assert pixels(page, ".tile:nth-child(3) canvas")[0][1] < before


def test_at_the_whole_crop_the_page_scrolls_past_the_tiles(page):
    page.locator(".tile:nth-child(1) canvas").hover()
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 200)
    wait(page, f"scrollY > {before}")
    assert view(page)["zoom"] == 1


def test_pictures_are_chosen_in_three_ways_and_another_picture_keeps_a_and_b(page):
    page.locator("#a").select_option("2")
    page.locator("#b").select_option("0")
    page.locator("#next").click()
    wait(page, "srlabViewer.image() === 1")
    assert (page.locator("#a").input_value(), page.locator("#b").input_value()) == ("2", "0")
    page.locator("#picture").select_option("0")
    wait(page, "srlabViewer.image() === 0")
    page.locator("button.show").click()
    wait(page, "srlabViewer.image() === 1")
    assert "second of Set5" in page.locator("#about").inner_text()


def column(page, name):
    return page.locator(f"#{name} tbody tr td").all_inner_texts()


def test_tables_sort_both_ways_and_what_is_blank_comes_last(page):
    heading = page.locator("#ranking-psnr thead th").nth(1)
    assert column(page, "ranking-psnr") == ["3", "1", "2"]
    heading.locator("button").click()
    assert column(page, "ranking-psnr") == ["1", "2", "3"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").press("Enter")
    assert column(page, "ranking-psnr") == ["3", "2", "1"]
    assert heading.get_attribute("aria-sort") == "descending"
    page.locator("#ranking-psnr thead th").first.locator("button").click()
    assert heading.get_attribute("aria-sort") == "none"
    assert column(page, "ranking-psnr") == ["3", "1", "2"]
    heading = page.locator("#extremes thead th").nth(1)
    for expected in (["1", "2", ""], ["2", "1", ""]):
        heading.locator("button").click()
        assert column(page, "extremes") == expected


def test_tabs_go_by_arrow_keys_and_print_shows_all(page):
    assert page.locator("#panel-psnr").is_visible()
    page.locator("#tab-psnr").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#panel-ssim").is_visible()
    assert not page.locator("#panel-psnr").is_visible()
    page.keyboard.press("End")
    assert page.locator("#panel-ripple").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator(".bench").is_visible()
    assert all(page.locator(f"#panel-{i}").is_visible() for i in ("psnr", "ssim", "ripple"))


def test_a_phone_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


LONG = [f"upsampler=deconv{k} model.features=64 model.upsampler.kernel_size=9" for k in range(6)]


def long_drawings():
    pytest.importorskip("matplotlib")
    points = [CostPoint(name, 10.0 + k // 3, 30.0, 29.9, 30.1) for k, name in enumerate(LONG)]
    bars = [Bar(name, -0.1, -0.2, 0.1, "abcdef") for name in LONG]
    curves = {name: [(1, 30.0, 29.0, 31.0), (2, 30.0, 29.0, 31.0)] for name in LONG}
    return [
        draw_cost(points, "parameters", "PSNR, dB", [], 0.2),
        draw_intervals(bars, f"difference from {LONG[0]}, dB", 0.2),
        draw_curves(curves, "PSNR, dB"),
    ]


def wide_ranking():
    """A ranking of long names whose test sets stand before its answer."""
    columns = ["group", "all images", *(f"set {k}" for k in range(5)), "from the first"]
    cells = [{"text": text, "value": None} for text in ("abc", "30.12", *["1"] * 5, "\u22120.123")]
    return {"id": "psnr", "name": "PSNR", "note": "", "svg": "", "columns": columns,
            "rows": [{"label": name, "cells": cells} for name in LONG]}  # fmt: skip


@pytest.fixture(scope="module")
def phone(browser, tmp_path_factory):
    """A phone that shows a page of long names."""
    cost, intervals, curves = long_drawings()
    changes = {
        "rankings": [{**wide_ranking(), "svg": intervals}],
        "curves": [{"title": "PSNR", "svg": curves}],
        "costs": {"note": "", "svgs": [{"title": "cost", "svg": cost}], **table(1)},
    }
    file = tmp_path_factory.mktemp("phone") / "index.html"
    file.write_text(render(context(**changes)))
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(f"file://{file}")
    yield tab
    tab.close()


def test_labels_of_drawings_are_whole(phone):
    cut = phone.evaluate(
        """[...document.querySelectorAll("#ranking svg, #cost svg, #curves svg")].map((svg) => {
            const out = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter((text) => {
                const box = text.getBoundingClientRect();
                return box.left < out.left || box.right > out.right
                    || box.top < out.top || box.bottom > out.bottom;
            }).map((text) => text.textContent);
        })"""
    )
    assert cut == [[], [], []]
    for part in ("ranking", "cost", "curves"):
        lines = phone.locator(f"#{part} svg text").all_text_contents()
        said = "".join(lines).replace(" ", "")
        assert all(name.replace(" ", "") in said for name in LONG), part


def test_a_phone_shows_the_answer_beside_the_names_and_does_not_scroll_sideways(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for words in ("abc", "30.12", "\u22120.123"):
        box = phone.locator("#ranking-psnr tbody tr").last.get_by_text(words).bounding_box()
        assert box["x"] + box["width"] <= 390
    cost = phone.locator("#cost svg").bounding_box()
    assert cost["width"] / 360 > 0.95  # drawn for 360 pixels: nothing is smaller than it was meant


def test_dark_is_dark(page):
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert dark < 150 < 600 < light


def test_without_script_all_can_be_read(browser, tmp_path):
    file = tmp_path / "index.html"
    file.write_text(render(context()))
    tab = browser.new_page(java_script_enabled=False)
    tab.goto(f"file://{file}")
    assert all(tab.locator(f"#panel-{i}").is_visible() for i in ("psnr", "ssim", "ripple"))
    assert tab.get_by_role("heading", name="RIPPLE").is_visible()
    assert tab.locator("noscript img").count() == 4
    assert not tab.locator("#viewer").is_visible()
    tab.close()


def test_two_fingers_pinch(browser, tmp_path):
    file = tmp_path / "index.html"
    file.write_text(render(context()))
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    tab = phone.new_page()
    tab.goto(f"file://{file}")
    wait(tab, "srlabViewer.ready()")
    tab.locator("#compare").scroll_into_view_if_needed()
    box = tab.locator("#compare").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    touch = phone.new_cdp_session(tab)
    for kind, apart in (("touchStart", 20), ("touchMove", 30), ("touchMove", 40)):
        points = [{"x": x + sign * apart, "y": y, "id": 1 + sign} for sign in (-1, 1)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(tab)
    assert view(tab)["zoom"] == pytest.approx(2, rel=0.1)
    assert tab.evaluate("srlabViewer.slider()") == 0.5
    phone.close()
