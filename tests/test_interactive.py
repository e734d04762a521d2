"""Figures with a slider: every state of their text, its stability, what is refused."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup, Tag

import gate_interactive
from rnnlimits.figures import INKS, Interactive, Moving, View, slider, svg
from rnnlimits.figures.svg import Scale, path

GRID = np.array([0.25, 0.5, 1.0])
LAGS = np.arange(5)
WEIGHTS = GRID[:, None] ** LAGS
LEFT = View([Moving(LAGS, WEIGHTS, "kernel", "weights")], "lag τ", "weight ρ_τ", "They fall.")
RIGHT = View(
    [Moving(LAGS, 1 / WEIGHTS, "kernel"), Moving(LAGS, np.full(5, 10.0), "theory", "steps")],
    "lag τ",
    "time",
    "They rise.",
    log_y=True,
)
NOTES = ["Steep.", "Halved.", "Flat."]


def made(views: Any = (LEFT, RIGHT), **more: Any) -> Interactive:
    given = {"values": GRID, "label": "variance", "symbol": "ν_W", "notes": NOTES, **more}
    return slider(views, **given)


def parsed(figure: Interactive) -> BeautifulSoup:
    return BeautifulSoup(figure.html, "html.parser")


def moving(figure: Interactive) -> list[Tag]:
    return parsed(figure).select("path[data-states]")


def vertices(text: str) -> np.ndarray:
    return np.array([pair.split() for pair in re.findall(r"[\d.-]+ [\d.-]+", text)], dtype=float)


def test_it_says_what_it_is_and_holds_what_is_drawn():
    figure = made()
    assert repr(figure) == "<interactive figure: ν_W, 3 values>"
    assert figure._repr_html_() == figure.html
    assert figure.values[0].tolist() == WEIGHTS.ravel().tolist()
    assert figure.values[1].tolist() == [*(1 / WEIGHTS).ravel(), *np.full(5, 10.0)]


@pytest.mark.parametrize("start", [0, 2])
def test_the_first_state_is_drawn_and_all_are_at_hand(start):
    soup = parsed(made(start=start))
    for tag in soup.select("[data-states]"):
        states = str(tag["data-states"]).split("|")
        shown = tag[str(tag["data-attribute"])] if tag.has_attr("data-attribute") else tag.text
        assert len(states) == 3
        assert shown == states[start]
    slider_ = soup.select_one("label[hidden] > input[type=range]")
    assert slider_ is not None
    assert [slider_[name] for name in ("min", "max", "value")] == ["0", "2", str(start)]
    assert slider_["aria-valuetext"] == f"ν W = {GRID[start]:.2f}"
    output, note = soup.select("p > output, p > span")
    assert (output.text, note.text) == (f"{GRID[start]:.2f}", NOTES[start])


def test_a_line_that_stays_has_no_states():
    paths = parsed(made()).select(".interactive-views > svg:nth-of-type(2) > svg > path")
    assert [path.has_attr("data-states") for path in paths] == [True, False]


def test_places_are_those_of_the_numbers():
    left, right = moving(made())
    for line, values in ((left, WEIGHTS), (right, np.log10(WEIGHTS))):
        drawn = np.stack([vertices(state) for state in str(line["data-states"]).split("|")])
        assert drawn.shape == (3, 5, 2)
        assert np.abs(np.diff(drawn[0, :, 0], n=2)).max() <= 0.21  # equal steps, to a tenth
        pixels, numbers = drawn[:, :, 1].ravel(), values.ravel()
        fit = np.polyfit(numbers, pixels, 1)
        assert np.abs(np.polyval(fit, numbers) - pixels).max() <= 0.1
        assert (fit[0] < 0) == (line is left)  # up is less


def test_every_view_has_its_words_and_the_state_as_its_description():
    soup = parsed(made())
    state = soup.select_one("p.interactive-state")
    views = soup.select(".interactive-views > svg")
    assert state is not None
    assert [view["aria-label"] for view in views] == ["They fall.", "They rise."]
    assert [view["aria-describedby"] for view in views] == [state["id"]] * 2


def test_the_gate_passes_it_with_one_view_and_with_two():
    for views in ((LEFT,), (LEFT, RIGHT)):
        assert gate_interactive.faults(made(views).html) == []


def test_every_kind_has_its_ink_and_its_mark():
    lines = [Moving(LAGS, LAGS + k, kind, kind) for k, kind in enumerate(INKS)]
    figure = made([replace(LEFT, lines=lines)])
    soup = parsed(figure)
    assert len(soup.select("marker")) == 6  # theory has none
    for kind, ink in INKS.items():
        assert f"var(--ink-{kind}, {ink})" in figure.html
        reference = f"url(#{soup.select_one('p')['id']}-{kind})"  # type: ignore[index]
        uses = soup.find_all("path", attrs={"marker-start": reference})
        assert len(uses) == (kind != "theory")
    assert gate_interactive.faults(figure.html) == []


def test_marks_without_a_line_and_a_line_without_marks():
    lines = [
        Moving(LAGS, WEIGHTS, "kernel", line=False),
        Moving(LAGS, WEIGHTS, "peer", marks=False),
    ]
    soup = parsed(made([replace(LEFT, lines=lines)]))
    first, second = soup.select("path[data-states]")
    assert "stroke:none" in str(first["style"])
    assert first.has_attr("marker-mid")
    assert not second.has_attr("marker-mid")
    assert len(soup.select("marker")) == 1


def test_noise_of_another_machine_leaves_no_trace():
    draw = np.random.default_rng(0)
    views = [
        replace(view, lines=[replace(line, y=line.states() * noise) for line in view.lines])
        for view in (LEFT, RIGHT)
        for noise in [1 + 1e-14 * draw.standard_normal()]
    ]
    assert made(views).html == made().html


def test_another_figure_has_other_names():
    name = re.compile(r'id="(interactive-[0-9a-f]{8})"')
    assert name.findall(made().html) != name.findall(made([LEFT]).html)


def test_what_is_infinite_is_not_drawn():
    times = np.array([[1.0, np.inf, 3, 4, np.inf], [np.inf] * 5, [1, 2, 3, 4, 5]])
    figure = made([replace(RIGHT, lines=[Moving(LAGS, times, "kernel")])])
    states = str(moving(figure)[0]["data-states"]).split("|")
    assert [state.count("M") for state in states] == [2, 0, 1]
    assert [len(vertices(state)) for state in states if state] == [3, 5]
    assert figure.values[0].tolist() == [1, 3, 4, 1, 2, 3, 4, 5]


def test_limits_cut_off_what_lies_beyond():
    figure = made([replace(LEFT, y_limits=(0.0, 1e-9))])
    soup = parsed(figure)
    window = soup.select_one("svg > svg")
    assert window is not None
    places = vertices(str(moving(figure)[0]["d"]))[:, 1]
    assert places.min() == -9999
    assert float(str(window["y"])) > 0
    assert str(window["viewbox"]).split()[1] == window["y"]


def test_ticks_may_be_given():
    figure = made([replace(LEFT, x_ticks=[0, 4], y_ticks=[0, 0.5])])
    words = [text.text for text in parsed(figure).select("text")]
    assert words == ["weight ρτ", "weights", "0", "4", "0", "0.5", "lag τ"]


def test_tensors_are_taken():
    tensors = Moving(torch.arange(5), torch.tensor(WEIGHTS), "kernel", "weights")
    assert made([replace(LEFT, lines=[tensors])]).html == made([LEFT]).html


def test_values_are_written_with_a_true_minus_sign():
    figure = made(values=[-1, 0, 1], spec=".0f")
    output = parsed(figure).select_one("output")
    assert output is not None
    assert output["data-states"] == "−1|0|1"


def test_a_constant_line_and_a_single_state_can_be_drawn():
    flat = replace(LEFT, lines=[Moving([2], [[3.0]], "kernel")])
    figure = slider([flat], [0.5], "variance", "ν_W", notes=["One."])
    assert figure.n_states == 1
    assert parsed(figure).select("path[data-states]") == []


def test_labels_that_do_not_fit_a_row_take_another():
    names = ["a name of some length", "another of some length", "short"]
    lines = [Moving(LAGS, LAGS, "kernel", name) for name in names]
    soup = parsed(made([replace(LEFT, lines=lines), RIGHT]))
    rows = {t.text: float(str(t["y"])) for t in soup.select("text") if t.text in names}
    assert rows[names[0]] < rows[names[1]] == rows[names[2]]
    left, right = soup.select(".interactive-views > svg")
    assert left["height"] == right["height"]


@pytest.mark.parametrize(
    ("words", "as_svg", "as_html"),
    [
        ("lag", "lag", "lag"),
        ("a < b", "a &lt; b", "a &lt; b"),
        ("lag τ", 'lag <tspan font-style="italic">τ</tspan>', "lag <i>τ</i>"),
        (
            "ν_W of h_0",
            '<tspan font-style="italic">ν</tspan>'
            '<tspan dy="3" font-style="italic" font-size="8">W</tspan><tspan dy="-3"> of </tspan>'
            '<tspan font-style="italic">h</tspan><tspan dy="3" font-size="8">0</tspan>',
            "<i>ν</i><sub><i>W</i></sub> of <i>h</i><sub>0</sub>",
        ),
        ("$10^{-5}$", '10<tspan dy="-5" font-size="8">−5</tspan>', None),
        (r"$3 \times 10^{5}$", '3×10<tspan dy="-5" font-size="8">5</tspan>', None),
    ],
)
def test_symbols_are_set_as_symbols(words, as_svg, as_html):
    found = re.fullmatch(r"<text [^>]*>(.*)</text>", svg.text(words, 0, 0, 10))
    assert found is not None
    assert found[1] == as_svg
    if as_html is not None:
        assert svg.html(words) == as_html


def test_places_on_an_axis_are_exact_at_its_ends():
    assert Scale(1, 100, 10, 210, True, []).place(10) == 110
    across, up = Scale(0, 1, 0, 100, False, []), Scale(0, 1, 100, 0, False, [])
    assert path([0, 0.5, 1], [0, 0.123456, 1], across, up) == "M0 100 50 87.7 100 0"


def test_few_ticks_on_a_short_logarithmic_axis_become_linear_ones():
    assert svg.tick_values(1.0, 1.5, True, 6) == pytest.approx([1, 1.1, 1.2, 1.3, 1.4, 1.5])
    assert svg.tick_values(1.0, 1e4, True, 6) == [1, 10, 100, 1000, 10000]


def test_an_axis_without_extent_gets_some():
    low, high = svg.limits(np.array([2.0, 2.0]), False, 0.05, None)
    assert low < 2 < high
    low, high = svg.limits(np.array([2.0, 2.0]), True, 0.05, None)
    assert 0 < low < 2 < high


BAR = [*NOTES[:2], "a|b"]
WRONG = [
    (lambda: made([]), "views must be one or two, got 0"),
    (lambda: made([LEFT] * 3), "views must be one or two, got 3"),
    (lambda: made(values=[0.5, 0.25, 1.0]), "values must increase"),
    (lambda: made(values=np.arange(51), notes=["x"] * 51), "at most 50, got 51"),
    (lambda: made(values=GRID[:2], notes=NOTES[:2]), "y must have 2 states, got 3 of 'weights'"),
    (lambda: made(values=[0.1, np.nan, 0.3]), "values must be finite"),
    (lambda: made(notes=NOTES[:2]), "notes must be 3 sentences"),
    (lambda: made(notes=["", "b", "c"]), "notes must be 3 sentences"),
    (lambda: made(notes=BAR), "without a bar"),
    (lambda: made(symbol="a|b"), "symbol must hold no bar"),
    (lambda: made(start=3), "start must be in 0 to 2, got 3"),
    (lambda: made([replace(LEFT, lines=[])]), "a view must have lines"),
    (lambda: made([replace(LEFT, alt=" ")]), "words that say what it shows"),
    (lambda: made([replace(LEFT, log_x=True)]), "x on a logarithmic axis must be positive"),
    (
        lambda: made([replace(LEFT, lines=[Moving(LAGS, LAGS, "kernel")], log_y=True)]),
        "y on a logarithmic axis must be positive",
    ),
    (
        lambda: made([replace(LEFT, lines=[Moving(LAGS, [np.inf] * 5, "kernel")])]),
        "a point that is not infinite",
    ),
    (lambda: Moving(LAGS, WEIGHTS, "red"), "kind must be one of"),
    (lambda: Moving(LAGS[:3], WEIGHTS, "kernel"), r"y must have 3 points .* got shape \(3, 5\)"),
    (lambda: Moving([0, np.inf], [1, 2], "kernel"), "x must be finite"),
    (lambda: Moving([0, 1], [1, np.nan], "kernel"), "y must be finite"),
    (lambda: Moving([0, 1], [1, -np.inf], "kernel"), "y must be finite"),
    (lambda: Moving([0, 1], ["a", "b"], "kernel"), "y must hold real numbers"),
    (lambda: Moving([0, 1], np.ones((1, 1, 2)), "kernel"), "y must have 2 dimension"),
    (lambda: Moving(LAGS, WEIGHTS, "theory", line=False), "this theory line has none"),
    (lambda: Moving(LAGS, WEIGHTS, "kernel", line=False, marks=False), "has none"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_too_much_is_refused():
    x = np.arange(400)
    heavy = replace(LEFT, lines=[Moving(x, np.sin(x + np.arange(50)[:, None]), "kernel")])
    with pytest.raises(ValueError, match="at most 200000 bytes"):
        slider([heavy], np.arange(50), "variance", "ν_W", notes=["x"] * 50)
