"""The report as a browser shows it: its text, dark and light, on a phone."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from small_tasks import ppca_task
from test_report import Text

import zoo

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
PHONE = 390  # points wide


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("shown") / "out"
    guides = ["amortised_normal", "amortised_full_rank"]
    zoo.compare(ppca_task(), guides, seeds=2, steps=20, draws=200, out=out)
    return out / "report.html"


def browse(page, *words):
    """What the browser prints when it has opened the page without a network."""
    if not BROWSER:
        pytest.skip("no Chromium is installed here")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    offline = ("--proxy-server=127.0.0.1:1", f"--user-data-dir={page.parent / 'browser'}")
    done = subprocess.run(
        [BROWSER, *flags, *offline, *words, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(page.parent)},
    )
    return done.stdout


def picture(page, name, *words):
    path = page.parent / name
    browse(page, f"--screenshot={path}", *words)
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=float)


def test_its_text_is_there(page):
    shown = Text(browse(page, "--dump-dom"))
    for words in (
        "2 guides, 1 objective, 2 seeds",
        "Which rows can be trusted?",
        "have a k-hat below 0.5",
        "Each pair less each other, paired by seed and by row",
        "these fits, on other rows from the same source",
        "± both: trained again, and on other rows. It decides what is called clear.",
        "Is the bound as it should be?",
        "How to make it again",
    ):
        assert words in shown.text, words
    assert shown.tags.count("svg") == 3


def test_it_is_light_or_dark_as_the_reader_likes(page):
    light = picture(page, "light.png", "--window-size=1000,800")
    dark = picture(page, "dark.png", "--window-size=1000,800", "--force-dark-mode")
    assert light[:, :5].mean() > 200
    assert dark[:, :5].mean() < 100


def test_a_phone_shows_all_of_its_width(page):
    """What is wider than the screen scrolls by itself, and not the page."""
    script = "<script>document.title = document.documentElement.scrollWidth</script>"
    probe = page.with_name("probe.html")
    probe.write_text(page.read_text().replace("</body>", f"{script}</body>"))
    shown = browse(probe, "--dump-dom", f"--window-size={PHONE},2000")
    width = int(shown.partition("<title>")[2].partition("</title>")[0])
    assert width <= max(PHONE, 500)  # desktop browsers open no window below 500
