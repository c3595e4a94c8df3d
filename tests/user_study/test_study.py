import csv
import json
import math
import re
from itertools import groupby

import av
import numpy as np
import pytest

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.user_study.answers import read_answers
from stylecinegan.user_study.study import build_study
from stylecinegan.user_study.tables import measure_preferences, measure_scores
from tests.user_study.studies import CLIPS, METHODS, write_results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_results(folder)
    return folder


@pytest.fixture
def study(results, tmp_path):
    build_study(
        results / "videos", results / "photos", tmp_path / "study", num_scored=2, num_paired=1
    )
    return tmp_path / "study"


def read_page(study):
    text = (study / "page/study.js").read_text("utf-8")
    return json.loads(text.removeprefix("const STUDY = ").rstrip(";\n"))


def read_key(study):
    return json.loads((study / "key.json").read_text("utf-8"))


def name_of(path):
    return path.split("/")[-1].removesuffix(".mp4")


def test_all_methods_are_scored_and_ours_is_paired_with_each_other_on_other_clips(study):
    key, page = read_key(study), read_page(study)
    assert key["methods"] == list(METHODS)
    asked = [
        (q["task"], [key["videos"][name_of(v)] for v in q["videos"]]) for q in page["questions"]
    ]
    scored = [videos[0] for task, videos in asked if task == "score"]
    pairs = [videos for task, videos in asked if task == "pair"]
    assert sorted(v["method"] for v in scored) == sorted(METHODS * 2)
    assert sorted(sorted(v["method"] for v in pair) for pair in pairs) == [
        ["AL", "Ours"],
        ["EMF", "Ours"],
    ]
    clips = {v["clip"] for v in scored}
    paired_clips = {v["clip"] for pair in pairs for v in pair}
    assert (len(clips), len(paired_clips)) == (2, 1)
    assert clips | paired_clips == set(CLIPS)


def test_the_page_has_videos_and_photos_and_does_not_reveal_methods_or_clips(study, results):
    key, page = read_key(study), read_page(study)
    for question in page["questions"]:
        for path in question["videos"]:
            source = key["videos"][name_of(path)]
            original = results / f"videos/{source['method']}/{source['clip']}.mp4"
            assert (study / "page" / path).read_bytes() == original.read_bytes()
            photo = io.read_image(results / f"photos/{source['clip']}.png")
            shown = io.read_image(study / "page" / question["photo"])
            assert (shown - photo).abs().mean() < 0.05  # but for what JPEG does to it
        # An order by method would reveal ours.
        assert question["videos"] == sorted(question["videos"])
    for _, questions in groupby(page["questions"], key=lambda question: question["photo"]):
        videos = [question["videos"] for question in questions]
        assert videos == sorted(videos)
    everything = " ".join(str(p.relative_to(study)) for p in (study / "page").rglob("*"))
    everything += json.dumps(page, ensure_ascii=False)
    for secret in (*METHODS, *CLIPS):
        assert secret not in everything
    # Nothing is loaded from anywhere else.
    for file in ("index.html", "page.js", "style.css", "study.js"):
        assert not re.search(r"https?:|[\"'(]//", (study / "page" / file).read_text("utf-8"))


def test_the_seed_chooses_the_clips(results, tmp_path):
    chosen = []
    for number, seed in enumerate((0, 0, 1, 2, 3)):
        folder = tmp_path / str(number)
        build_study(
            results / "videos",
            results / "photos",
            folder,
            num_scored=1,
            num_paired=1,
            seed=seed,
        )
        chosen.append(sorted((v["clip"], v["method"]) for v in read_key(folder)["videos"].values()))
    assert chosen[0] == chosen[1]
    assert any(other != chosen[0] for other in chosen[2:])


def test_missing_clips_and_methods_are_refused_before_anything_is_written(results, tmp_path):
    def build(**changes):
        arguments = {"num_scored": 2, "num_paired": 1, **changes}
        build_study(results / "videos", results / "photos", tmp_path / "study", **arguments)

    with pytest.raises(
        InputError, match=r"wanted 5 clips .* found 3 \(AL 3, EMF 3, Ours 3, photos 3"
    ):
        build(num_scored=4)
    with pytest.raises(InputError, match=r"folders of Mine and of other methods .* AL, EMF, Ours"):
        build(ours="Mine")
    with pytest.raises(InputError, match="num_paired must be a whole number of at least 0, got -1"):
        build(num_paired=-1)
    assert not (tmp_path / "study").exists()
    build()
    with pytest.raises(InputError, match="holds a study already"):
        build()


def test_a_video_that_browsers_do_not_play_is_refused(tmp_path):
    write_results(tmp_path)
    path = tmp_path / "videos/EMF/lake.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24, width=64, height=48, pix_fmt="yuv420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    with pytest.raises(InputError, match=r"do not play .*lake.mp4: wanted h264, .* found mpeg4"):
        build_study(
            tmp_path / "videos", tmp_path / "photos", tmp_path / "s", num_scored=3, num_paired=0
        )


def answer(study, participant, points, *, prefers_ours):
    """Answers of a participant who gives each method the same points on every clip."""
    key, page = read_key(study), read_page(study)
    rows = []
    for number, question in enumerate(page["questions"], 1):
        names = [name_of(path) for path in question["videos"]]
        methods = [key["videos"][name]["method"] for name in names]
        if question["task"] == "score":
            values = points[methods[0]]
        else:
            ours = ("first", "second")[methods.index("Ours")]
            others = {"first": "second", "second": "first"}[ours]
            values = [ours if choice else others for choice in prefers_ours]
        rows.append(
            {
                "study": page["study"],
                "participant": participant,
                "number": number,
                "task": question["task"],
                "first": names[0],
                "second": names[1] if len(names) > 1 else "",
                "static_consistency": str(values[0]),
                "motion_quality": str(values[1]),
            }
        )
    return rows


def save_json(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"answers": rows}), "utf-8")


def save_csv(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


ANNA = {"AL": (1, 1), "EMF": (2, 3), "Ours": (5, 3)}
BOB = {"AL": (2, 1), "EMF": (4, 3), "Ours": (4, 5)}


def test_tables_of_two_participants_equal_those_computed_by_hand(study, tmp_path):
    save_json(tmp_path / "answers/a.json", answer(study, "anna", ANNA, prefers_ours=(True, False)))
    save_csv(tmp_path / "answers/b.csv", answer(study, "bob", BOB, prefers_ours=(True, True)))
    scores = measure_scores(None, tmp_path, study=study, answers=tmp_path / "answers")
    rows = {row["row"]: row for row in scores.rows}
    assert list(rows)[:3] == ["AL", "EMF", "Ours"]
    # Both participants scored two clips: 5, 5 and 4, 4 points.
    ours = rows["Ours"]
    assert ours["static consistency"] == 4.5
    assert ours["scores"] == 4
    assert ours["± static consistency, over participants"] == pytest.approx(0.5**0.5)
    assert ours["± static consistency, over clips"] == 0.0
    assert rows["EMF"]["motion quality"] == 3.0
    # Ranks of 1 1 2 2 | 2 2 4 4 | 5 5 4 4: 1.5 1.5 4.5 4.5 | 4.5 4.5 8.5 8.5 | 11.5 11.5 8.5 8.5.
    h = 12 / (12 * 13) * (12**2 + 26**2 + 40**2) / 4 - 3 * 13
    h /= 1 - (2 * (2**3 - 2) + 2 * (4**3 - 4)) / (12**3 - 12)
    assert rows["Kruskal-Wallis H, 2 degrees of freedom"]["static consistency"] == pytest.approx(h)
    # For two degrees of freedom χ² exceeds h with exp(-h / 2).
    assert rows["Kruskal-Wallis p"]["static consistency"] == pytest.approx(np.exp(-h / 2))
    # Motion quality, 1 1 1 1 | 3 3 3 3 | 3 3 5 5: ranks 2.5 each | 7.5 each | 7.5 7.5 11.5 11.5.
    h = 12 / (12 * 13) * (10**2 + 30**2 + 38**2) / 4 - 3 * 13
    h /= 1 - ((4**3 - 4) + (6**3 - 6) + (2**3 - 2)) / (12**3 - 12)
    assert rows["Kruskal-Wallis H, 2 degrees of freedom"]["motion quality"] == pytest.approx(h)
    pairs = [name for name in rows if name.startswith("Dunn p (holm), ")]
    assert [name.removeprefix("Dunn p (holm), ") for name in pairs] == [
        "AL and EMF",
        "AL and Ours",
        "EMF and Ours",
    ]
    # Mean ranks 3, 6.5 and 10: two pairs have the same p-value, which Holm multiplies by 3 and by
    # 2, and raises to the former.
    variance = 12 * 13 / 12 - (2 * (2**3 - 2) + 2 * (4**3 - 4)) / (12 * 11)
    p = math.erfc(3.5 / math.sqrt(variance * (1 / 4 + 1 / 4)) / math.sqrt(2))
    adjusted = [rows[name]["static consistency"] for name in pairs]
    assert adjusted[0] == pytest.approx(2 * p)
    assert adjusted[2] == pytest.approx(2 * p)
    assert len(scores.details) == 2 * 6 * 2
    assert scores.paper["Ours"]["motion quality"] == 3.86

    preferences = measure_preferences(None, tmp_path, study=study, answers=tmp_path / "answers")
    assert list(preferences.rows) == [
        {"row": f"vs {other}", "static consistency": 100.0, "motion quality": 50.0, "choices": 2}
        for other in ("AL", "EMF")
    ]


def test_answers_saved_several_times_count_once(study, tmp_path):
    rows = answer(study, "anna", ANNA, prefers_ours=(True, False))
    save_json(tmp_path / "answers/half.json", rows[:3])
    save_json(tmp_path / "answers/whole.json", rows)
    # The same choices with the videos' sides exchanged.
    swapped = []
    for row in rows:
        if row["task"] == "pair":
            flip = {"first": "second", "second": "first"}
            row = row | {"first": row["second"], "second": row["first"]}
            row |= {c: flip[row[c]] for c in ("static_consistency", "motion_quality")}
        swapped.append(row)
    save_csv(tmp_path / "answers/again.csv", swapped)
    answers = read_answers(study, tmp_path / "answers")
    assert (len(answers.scores), len(answers.preferences)) == (2 * 6, 2 * 2)


def test_invalid_and_contradictory_answers_are_refused(study, tmp_path):
    rows = answer(study, "anna", ANNA, prefers_ours=(True, False))

    def refused(changed, message):
        save_json(tmp_path / "a.json", changed)
        with pytest.raises(InputError, match=message):
            read_answers(study, tmp_path / "a.json")

    refused([rows[0] | {"static_consistency": "6"}], "found score static_consistency = 6")
    refused([rows[0] | {"first": "unknown"}], "question 1 is no question of this study")
    refused([rows[0] | {"study": "other"}], "answers the study other, wanted")
    refused(
        [rows[0], rows[0] | {"motion_quality": "5"}], "participant anna answers question 1 diff"
    )
    refused([{"study": "x"}], "found no participant")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InputError, match="wanted saved answers, found other data"):
        read_answers(study, tmp_path / "a.json")
    with pytest.raises(InputError, match=r"wanted answers \(.json or .csv\) in .*, found none"):
        read_answers(study, study / "page/videos")
    with pytest.raises(InputError, match=r"wanted a study with its key\.json"):
        read_answers(tmp_path, tmp_path / "a.json")


def test_tables_need_scores_of_all_methods_and_comparisons(study, tmp_path):
    rows = answer(study, "anna", ANNA, prefers_ours=(True, False))
    save_json(tmp_path / "a.json", rows[:1])
    (video,) = read_page(study)["questions"][0]["videos"]
    answered = read_key(study)["videos"][name_of(video)]["method"]
    absent = next(method for method in METHODS if method != answered)
    with pytest.raises(
        InputError, match=f"wanted scores of every method .*, found none of {absent}"
    ):
        measure_scores(None, tmp_path, study=study, answers=tmp_path / "a.json")
    with pytest.raises(InputError, match="wanted side-by-side answers"):
        measure_preferences(None, tmp_path, study=study, answers=tmp_path / "a.json")
