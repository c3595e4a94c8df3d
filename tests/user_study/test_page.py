"""The page of a user study in a browser, and its answers in the tables."""

import csv
import json

import pytest

from stylecinegan.benchmarks.chromium import Chromium, find_chromium
from stylecinegan.user_study.tables import measure_preferences
from tests.processes import run_script
from tests.user_study.studies import write_results

POINTS = {
    "anna": {"AL": (1, 1), "EMF": (2, 3), "Ours": (5, 4)},
    "bob": {"AL": (2, 1), "EMF": (4, 3), "Ours": (4, 5)},
}

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]


def run(script, *arguments, folder):
    done = run_script(script, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user study")
    write_results(folder)
    counts = ["num_scored=1", "num_paired=2"]
    printed = run("user_study.py", "videos=videos", "photos=photos", *counts, folder=folder)
    assert "page: 7 questions" in printed
    return folder / "outputs/user_study"


class Participant:
    """A participant on the page, with a mouse or a touch screen."""

    def __init__(self, browser, study, name, *, by_touch=False):
        self.browser, self.name, self.by_touch = browser, name, by_touch
        self.key = json.loads((study / "key.json").read_text("utf-8"))["videos"]
        self.url = f"{(study / 'page/index.html').as_uri()}?participant={name}"
        self.seen = []

    def press(self, selector):
        self.browser.press(selector, by_touch=self.by_touch)

    def videos(self):
        sources = self.browser.evaluate(
            "[...document.querySelectorAll('video')].map((x) => x.getAttribute('src'))"
        )
        return [source.split("/")[-1].split(".")[0] for source in sources]

    def start(self):
        self.browser.open(self.url)
        self.press("#begin")

    def answer(self):
        """Answers a question by the videos' methods, as in ``POINTS``."""
        videos = self.videos()
        methods = [self.key[name]["method"] for name in videos]
        self.seen.append(tuple(videos))
        assert self.browser.evaluate("document.querySelector('#next').disabled")
        if len(methods) == 1:
            values = POINTS[self.name][methods[0]]
        else:  # both prefer ours by static consistency, Bob also by motion quality
            ours, other = ("first", "second") if methods[0] == "Ours" else ("second", "first")
            values = (ours, ours if self.name == "bob" else other)
        for criterion, value in zip(("static_consistency", "motion_quality"), values, strict=True):
            self.press(f"label:has(input[name={criterion}][value='{value}'])")

    def advance(self):
        self.press("#next")


def test_two_participants_answer_and_their_files_give_the_tables(folder, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    with Chromium(tmp_path) as browser:
        anna = Participant(browser, folder, "anna")
        anna.start()
        assert browser.evaluate("document.title") == "Which cinemagraph is better?"
        # The video is decoded and plays by itself; the photo is there.
        browser.wait("document.querySelector('video').currentTime > 0")
        assert browser.evaluate("document.querySelector('video').videoWidth") == 64
        browser.wait("document.querySelector('#photo img').naturalWidth === 64")
        for _ in range(3):
            anna.answer()
            anna.advance()
        # After reloading, answers and position are restored.
        anna.start()
        assert browser.evaluate("document.querySelector('#progress').textContent") == "4 of 7"
        anna.press("#back")
        last = anna.seen[-1]
        assert tuple(anna.videos()) == last
        assert browser.evaluate("document.querySelectorAll('input:checked').length") == 2
        anna.advance()
        for _ in range(4):
            anna.answer()
            anna.advance()
        browser.wait("!document.querySelector('#end').hidden")
        for kind in ("json", "csv"):
            anna.press(f"#save-{kind}")
        saved = browser.wait_for_download("answers-anna.json").read_text("utf-8")
        rows = [{k: str(v) for k, v in row.items()} for row in json.loads(saved)["answers"]]
        assert rows == list(
            csv.DictReader(
                browser.wait_for_download("answers-anna.csv").read_text("utf-8").splitlines()
            )
        )
        assert [row["number"] for row in rows] == list("1234567")
        (answers / "anna.json").write_text(saved)

        browser.resize(390, 844, is_phone=True, ratio=2)
        bob = Participant(browser, folder, "bob", by_touch=True)
        bob.start()
        for _ in range(7):
            assert browser.evaluate("document.documentElement.scrollWidth") <= 390
            bob.answer()
            bob.advance()
        bob.press("#save-csv")
        (answers / "bob.csv").write_text(
            browser.wait_for_download("answers-bob.csv").read_text("utf-8")
        )

    # Both had all questions, in different orders and with different sides.
    orders = [[frozenset(videos) for videos in of.seen] for of in (anna, bob)]
    assert set(orders[0]) == set(orders[1])
    assert orders[0] != orders[1]
    assert set(anna.seen) != set(bob.seen)

    where = [f"table.study={folder}", f"table.answers={answers}", "output_dir=out"]
    # These tables need no model.
    run("evaluate.py", "table=2", "model.directory=nowhere", *where, folder=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    means = {row["row"]: (row["static consistency"], row["motion quality"]) for row in rows[:3]}
    assert means == {"AL": (1.5, 1.0), "EMF": (3.0, 3.0), "Ours": (4.5, 4.5)}
    assert "| Ours | 4.5 / 4.37 (+0.13) |" in (tmp_path / "out/table.md").read_text()
    table = measure_preferences(None, tmp_path, study=folder, answers=answers)
    assert list(table.rows) == [
        {"row": f"vs {other}", "static consistency": 100.0, "motion quality": 50.0, "choices": 4}
        for other in ("AL", "EMF")
    ]
