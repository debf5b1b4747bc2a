"""The site in a browser, from the file system: sorting, filters, links, theme, keyboard. README.md says what else."""

import pytest
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.browser

N_CELLS = 78
KEYS = {"tab": "\ue004", "enter": "\ue007", "space": "\ue00d"}


def rows(page):
    return page.execute_script(
        "return [...document.querySelectorAll('#site-cells tbody tr')].filter(row => !row.hidden)"
    )


def column(page, key):
    """The texts of a column of the rows that are shown, by the key of its header."""
    return page.execute_script(
        """const table = document.getElementById("site-cells");
        const index = [...table.tHead.rows[0].cells].findIndex(cell => cell.dataset.key === arguments[0]);
        return [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[index].innerText.trim());""",
        key,
    )


def header(page, key):
    return page.find_element("css selector", f"#site-cells th[data-key={key}]")


def choose(page, name, value):
    page.find_element("css selector", f"#site-filters select[name={name}] option[value='{value}']").click()


def press(page, *keys):
    for key in keys:
        page.switch_to.active_element.send_keys(KEYS[key])


def focused(page):
    return page.switch_to.active_element


def test_the_leaderboard_opens_from_the_file_system_with_all_cells(page):
    assert page.current_url.startswith("file:")
    assert len(rows(page)) == N_CELLS
    assert page.find_element("css selector", "#site-filters output").text == f"{N_CELLS} of {N_CELLS} cells"


def test_a_click_on_a_header_sorts_by_its_numbers_and_another_turns_them(page):
    button = header(page, "value").find_element("css selector", "button")
    for direction, is_reversed in (("descending", True), ("ascending", False)):
        button.click()
        values = [float(text.split()[0]) for text in column(page, "value") if text]
        assert values == sorted(values, reverse=is_reversed)
        assert column(page, "value")[-1] == ""  # what has no value comes last either way
        assert header(page, "value").get_attribute("aria-sort") == direction


def test_a_column_of_words_is_sorted_as_words(page):
    header(page, "dataset").find_element("css selector", "button").click()
    names = column(page, "dataset")
    assert names == sorted(names) and header(page, "dataset").get_attribute("aria-sort") == "ascending"


def test_filters_add_up_and_are_undone_together(page):
    choose(page, "task", "segmentation")
    choose(page, "modality", "MRI")
    assert set(column(page, "dataset")) == {"brats21"}
    assert page.find_element("css selector", "#site-filters output").text == f"6 of {N_CELLS} cells"
    page.find_element("css selector", "#site-filters button").click()
    assert len(rows(page)) == N_CELLS


def test_a_link_shares_filters_and_order(page):
    choose(page, "table", "table1")
    choose(page, "method", "s2dc.code")
    header(page, "value").find_element("css selector", "button").click()
    shared, shown = page.current_url, column(page, "dataset")
    assert "method=s2dc.code" in shared and len(shown) == 10
    page.get("about:blank")
    page.get(shared)
    assert column(page, "dataset") == shown
    assert header(page, "value").get_attribute("aria-sort") == "descending"


def test_a_number_leads_to_the_page_of_its_cell(page):
    page.find_element("css selector", ".matrix tbody tr:nth-child(2) td a").click()
    assert page.current_url.endswith("cells/table1-btcv-s2dc.code-swin12-demo.html")
    assert page.find_element("css selector", "h1").text == "s2dc.code on btcv"
    spec = page.find_element("xpath", "//details[summary='Spec']")
    assert not spec.find_element("css selector", "pre").is_displayed()
    spec.find_element("css selector", "summary").click()
    assert spec.find_element("css selector", "pre").is_displayed()


def test_the_theme_is_the_systems_until_a_reader_chooses_and_the_choice_stays(page):
    def background():
        return page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")

    for system, expected in (("light", "rgb(253, 253, 252)"), ("dark", "rgb(20, 23, 27)")):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": system}]}
        )
        assert background() == expected
    button = page.find_element("id", "site-theme")
    # The browser tells of the system's choice a moment later.
    WebDriverWait(page, 5).until(lambda _: button.get_attribute("aria-pressed") == "true")
    button.click()
    assert background() == "rgb(253, 253, 252)" and button.get_attribute("aria-pressed") == "false"
    page.refresh()
    assert background() == "rgb(253, 253, 252)"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_all_can_be_done_with_the_keyboard(page):
    page.execute_script("document.body.focus()")
    press(page, "tab")
    assert focused(page).text == "Skip to the content"
    press(page, "enter", "tab")
    assert focused(page).get_attribute("class") == "scroll"  # a wide table can be scrolled with arrows
    header(page, "value").find_element("css selector", "button").send_keys(KEYS["space"])
    assert header(page, "value").get_attribute("aria-sort") == "descending"
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    press(page, "tab")
    assert focused(page).text.startswith("n")


@pytest.mark.parametrize("name", ["index", "cells/table1-btcv-s2dc.code-swin12-demo", "methods/s2dc", "cost", "about"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(page, site, name):
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.get((site / f"{name}.html").as_uri())
    assert page.execute_script("return document.documentElement.scrollWidth") <= 400
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page, theme):
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    ratios = page.execute_script(CONTRASTS)
    assert len(ratios) > 20
    assert min(ratios.values()) >= 4.5, min(ratios.items(), key=lambda item: item[1])


CONTRASTS = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const isClear = (colour) => /, 0\\)$/.test(colour);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (!isClear(colour)) return colour;
  }
  return getComputedStyle(document.documentElement).backgroundColor;
};
const found = {};
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!text || !element.checkVisibility()) continue;
  const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((x, y) => y - x);
  const name = `${element.tagName} ${element.className} ${element.parentElement.className}`;
  found[name] = Math.min(found[name] ?? Infinity, (a + 0.05) / (b + 0.05));
}
return found;
"""
