"""Pages in a real browser: sorting, choosing, pointing, without network, without script, for all.

They need Debian's `chromium` (or another one by CHROMIUM), and the Python packages playwright and
axe-playwright-python.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.aexbench.publishing.conftest import SCRIPT

PATHS = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
EVERY = ("index.html", "explainers/repair-*", "reading/*", "datasets/digits-*")
MAIN, GROUPS = "table.sortable >> nth=0", "table.upright >> nth=0"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in PATHS if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@contextmanager
def opened(browser: Any, page: Path, **options: Any) -> Iterator[Any]:
    """Open a page without a network; whatever it complains of is an error."""
    context = browser.new_context(offline=True, **options)
    shown, said = context.new_page(), []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("requestfailed", lambda request: said.append(request.url))
    shown.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    shown.goto(page.as_uri())
    yield shown
    context.close()
    assert said == []


def column(page: Any, table: str, number: int) -> list[str]:
    cells = page.locator(table).locator(f"tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_a_column_is_sorted_by_mouse_and_by_keyboard(browser, quickstart):
    with opened(browser, quickstart / "index.html") as page:
        before = column(page, MAIN, 1)
        head = page.locator(MAIN).locator("thead th >> nth=2")
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        means = [float(text.split()[0]) for text in column(page, MAIN, 3)]
        assert means == sorted(means)
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        means = [float(text.split()[0]) for text in column(page, MAIN, 3)]
        assert means == sorted(means, reverse=True)
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Space")
        ranks = page.locator(MAIN).locator("thead th >> nth=1")
        assert ranks.get_attribute("aria-sort") == "ascending"
        assert head.get_attribute("aria-sort") is None
        assert column(page, MAIN, 1)[:4] == before[:4]
        assert column(page, MAIN, 2)[-1] == "–", "what has no place comes last"


def test_groups_are_sorted_by_an_explainer(browser, quickstart):
    with opened(browser, quickstart / "index.html") as page:
        page.get_by_role("button", name="sort by residual", exact=True).click()
        found = [float(text.lstrip("·")) for text in column(page, GROUPS, 6)]
        assert found == sorted(found)


def test_groups_are_chosen_by_data_set_corruption_and_explainer(browser, quickstart):
    with opened(browser, quickstart / "index.html") as page:
        seen = page.locator(GROUPS).locator("tbody tr:visible")
        assert seen.count() == 7
        page.locator("select[name=dataset]").select_option("digits")
        assert seen.count() == 4
        page.locator("select[name=corruption]").select_option("random")
        assert [text.split()[:2] for text in seen.all_inner_texts()[1:]] == [["digits", "random"]]
        assert page.locator("output").inner_text().startswith("1 of 6 groups are shown. Means")
        page.locator("input[name=explainer]").fill("LRP")
        heads = page.locator(GROUPS).locator("thead th[data-explainer]:visible")
        assert heads.count() == 3
        assert page.locator(MAIN).locator("tbody tr:visible").count() == 3
        page.get_by_role("button", name="Show all").click()
        page.wait_for_function("document.querySelector('output').textContent === ''")
        assert seen.count() == 7
        assert page.locator(MAIN).locator("tbody tr:visible").count() == 11


def test_a_figure_is_in_full_where_one_points_at_it(browser, quickstart):
    with opened(browser, quickstart / "index.html") as page:
        hint = page.get_by_role("tooltip")
        assert not hint.is_visible()
        page.locator(MAIN).locator("td", has_text="0.96 ±0.01").hover()
        assert hint.inner_text() == "0.9620, 95 %: 0.9486 to 0.9754"
        box, width = hint.bounding_box(), page.viewport_size["width"]
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
        assert not hint.is_visible()


def test_an_explainer_leads_to_its_page_and_back(browser, quickstart):
    with opened(browser, quickstart / "index.html") as page:
        page.locator(MAIN).get_by_role("link", name="residual", exact=True).click()
        assert page.get_by_role("heading", level=1).inner_text() == "residual"
        assert page.get_by_role("heading", name="Where it wins and where it fails").is_visible()
        page.get_by_role("link", name="All boards").click()
        assert page.locator(MAIN).is_visible()


def test_without_script_all_of_it_is_there(browser, quickstart):
    with opened(browser, quickstart / "index.html", java_script_enabled=False) as page:
        assert page.locator("tbody tr:visible").count() > 20
        assert page.locator("svg:visible").count() == 2
        assert not page.locator("form.filters").is_visible(), "what does nothing is not shown"
        page.get_by_role("link", name="How to read this board").click()
        assert "How to read" in page.get_by_role("heading", level=1).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pattern", EVERY)
def test_no_rule_of_access_is_broken(pattern, scheme, browser, quickstart):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    (path,) = quickstart.glob(pattern)
    with opened(browser, path, color_scheme=scheme) as page:
        found = axe.Axe().run(page, options={"preload": False})  # it would ask for the style anew
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 15


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("pattern", EVERY)
def test_a_page_is_no_wider_than_the_screen(pattern, width, browser, quickstart):
    (path,) = quickstart.glob(pattern)
    with opened(browser, path, viewport={"width": width, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_ground_is_dark_where_somebody_wants_it_so_and_light_on_paper(browser, quickstart):
    seen = "getComputedStyle(document.body).backgroundColor"
    drawn = "getComputedStyle(document.querySelector('svg rect')).fill"
    with opened(browser, quickstart / "index.html", color_scheme="dark") as page:
        assert page.evaluate(seen) == page.evaluate(drawn) == "rgb(13, 17, 23)"
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(seen) == page.evaluate(drawn) == "rgb(255, 255, 255)"
        assert not page.locator("form.filters").is_visible()


def test_names_that_are_markup_are_text(browser, hostile):
    with opened(browser, hostile / "index.html") as page:
        assert SCRIPT in column(page, MAIN, 1)
        assert page.locator("img").count() == 0
        options = page.locator("select[name=dataset] option").all_inner_texts()
        assert any("onerror" in text for text in options)
        page.locator("select[name=dataset]").select_option(index=1)
        page.locator("td[title], td[data-hint]").first.hover()
        page.locator(MAIN).get_by_role("link", name=SCRIPT).click()
        assert page.get_by_role("heading", level=1).inner_text() == SCRIPT
