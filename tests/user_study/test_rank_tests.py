import math

import pytest

from stylecinegan.errors import InputError
from stylecinegan.user_study.rank_tests import adjust, dunn, kruskal_wallis

# Mangiafico, Summary and Analysis of Extension Program Evaluation in R, "Kruskal-Wallis Test":
# points from 1 to 5 for three speakers, with many ties, and what R prints of them.
SPEAKERS = {
    "First": [2, 4, 2, 2, 1, 2, 3, 2, 2, 3],
    "Second": [3, 5, 4, 4, 4, 4, 4, 4, 5, 5],
    "Third": [4, 4, 4, 4, 5, 3, 5, 4, 4, 3],
}


def test_kruskal_wallis_equals_a_published_example():
    statistic, p = kruskal_wallis(SPEAKERS)
    assert statistic == pytest.approx(16.842, abs=5e-4)
    assert p == pytest.approx(0.0002202, abs=5e-8)


def test_dunn_equals_the_same_published_example():
    tests = dunn(SPEAKERS)
    assert [(test.first, test.second) for test in tests] == [
        ("First", "Second"),
        ("First", "Third"),
        ("Second", "Third"),
    ]
    assert [test.z for test in tests] == pytest.approx(
        [-3.7702412, -3.2889338, 0.4813074], abs=5e-8
    )
    published = [0.0001630898, 0.0010056766, 0.6302980448]
    assert [test.p for test in tests] == pytest.approx(published, abs=5e-11)
    # Three pairs: Holm multiplies by 3, 2 and 1, Bonferroni by 3 each.
    holm = [3 * published[0], 2 * published[1], published[2]]
    assert [test.adjusted for test in tests] == pytest.approx(holm, rel=1e-6)
    bonferroni = [3 * published[0], 3 * published[1], 1.0]
    adjusted = [test.adjusted for test in dunn(SPEAKERS, "bonferroni")]
    assert adjusted == pytest.approx(bonferroni, rel=1e-6)


def test_dunn_equals_the_example_of_another_implementation():
    # The README of pereirabarataap/dunn: five groups of five, without ties.
    groups = {
        "a": [0.28551035, 0.338524035, 0.088631321, 0.205930807, 0.363240102],
        "b": [0.52173913, 0.763358779, 0.325436786, 0.425305688, 0.378071834],
        "c": [0.98911968, 1.192718142, 0.788288288, 0.549176236, 0.544588155],
        "d": [1.26705653, 1.625320787, 1.266108976, 1.154187629, 1.268489431],
        "e": [1.25697569, 1.265897356, 1.237814561, 0.954612564, 2.365415457],
    }
    tests = dunn(groups)
    z = [-0.9882, -2.1054, -3.8241, -3.3944, -1.1171, -2.8358, -2.4061, -1.7187, -1.2890, 0.42967]
    assert [test.z for test in tests] == pytest.approx(z, abs=5e-5)
    p = [0.32304, 0.03526, 0.00013, 0.00069, 0.26393, 0.00457, 0.01612, 0.08567, 0.19740, 0.66744]
    assert [test.p for test in tests] == pytest.approx(p, abs=5e-6)


def test_both_tests_of_two_groups_of_two_equal_those_computed_by_hand():
    # Ranks 1 2 | 3 4 without ties: mean ranks 1.5 and 3.5, variance 4*5/12 * (1/2 + 1/2).
    (test,) = dunn({"a": [1, 2], "b": [3, 4]})
    assert test.z == pytest.approx(-2 / math.sqrt(5 / 3))
    # H = 12/20 * (3²/2 + 7²/2) - 3*5, which for two groups is z².
    assert kruskal_wallis({"a": [1, 2], "b": [3, 4]})[0] == pytest.approx(2.4)
    assert test.z**2 == pytest.approx(2.4)


def test_statistics_of_equal_values_are_nan():
    equal = {"a": [3, 3], "b": [3, 3, 3]}
    assert all(math.isnan(x) for x in kruskal_wallis(equal))
    (test,) = dunn(equal)
    assert all(math.isnan(x) for x in (test.z, test.p, test.adjusted))


def test_holm_keeps_the_order_of_p_values():
    # 0.01*4, then 0.02*3, then 0.025*2 = 0.05 which is raised to 0.06, then 0.9.
    assert adjust([0.02, 0.01, 0.9, 0.025], "holm") == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert adjust([0.4, 0.5], "holm") == pytest.approx([0.8, 0.8])
    with pytest.raises(InputError, match="holm or bonferroni, got none"):
        adjust([0.4], "none")
