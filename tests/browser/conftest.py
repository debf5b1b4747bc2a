"""One headless Chromium for all tests, and a site of drawn results to look at."""

import json
import os
from pathlib import Path

import pytest
from synthetic_results import lay_out, standing_in, write_results

from voxelbench import paths
from voxelbench.report.site.render import write_site

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000"),
)
LOCAL = ("file:", "data:", "about:")
TABLES = ("table1", "label_fractions")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    lay_out(root, TABLES)
    with standing_in(root):
        for table in TABLES:
            write_results(table)
        write_site(None)
    return root / paths.site().parent


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    for program in (CHROMIUM, DRIVER):
        if not program.is_file():
            pytest.skip(f"there is no {program}; on Debian `apt-get install chromium chromium-driver` brings it")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    os.environ["SE_OFFLINE"] = "true"  # selenium looks for no driver elsewhere
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    driver.get("about:blank")
    driver.get_log("performance")  # of the page that a browser opens by itself
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, site):
    """Open the leaderboard as a reader who was never here; afterwards, no error and no request to another host."""
    browser.get((site / "index.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    browser.get((site / "index.html").as_uri())
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in requests if each["method"] == "Network.requestWillBeSent"]
    assert asked, "the log of requests is empty, so it proves nothing"
    assert [url for url in asked if not url.startswith(LOCAL)] == []
