"""Figures: the palette's contrast, what is drawn, where labels go, and what is refused."""

import base64
import io
import struct
import subprocess
import sys
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import StepPatch
from matplotlib.text import Annotation, Text

from rnnlimits.estimate import Estimate
from rnnlimits.figures import (
    INKS,
    SIZES,
    Panel,
    Picture,
    Series,
    Slope,
    colour_map,
    curves,
    draw,
    heat,
    histogram,
    panels,
    sampled,
    spectrum,
)
from rnnlimits.figures.inks import FORMS
from rnnlimits.figures.sheet import log_ticks, number, render, spread, stride

GROUNDS = {"light": "#fdfcf9", "dark": "#121417"}
X = [1, 2, 3]
Y = [1.0, 0.5, 0.25]
WIDTHS = 2.0 ** np.arange(6, 12)


def line(kind: str = "kernel", label: str = "", **more) -> Series:
    return Series(X, Y, kind, label, **more)


def simple(**more) -> Picture:
    return curves([line(label="net")], "x", "y", **more)


def pixels(picture: Picture) -> np.ndarray:
    """RGBA in 0…255."""
    return np.round(255 * imread(io.BytesIO(picture.png))).astype(int)


def count(picture: Picture, ink: str, alpha: float = 1.0, slack: int = 0) -> int:
    target = np.round(255 * np.array(to_rgba(ink, alpha))).astype(int)
    return int((np.abs(pixels(picture) - target) <= slack).all(axis=-1).sum())


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The matplotlib figures behind the pictures, kept for a look at what stands in them."""
    kept: list[Figure] = []

    def keep(figure: Figure) -> Picture:
        kept.append(figure)
        return render(figure)

    monkeypatch.setattr(draw, "render", keep)
    return kept


# --- palette ---------------------------------------------------------------------------------


def luminance(colour) -> float:
    """Relative luminance, WCAG 2."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("kind", INKS)
def test_inks_keep_three_to_one_on_both_grounds(kind, ground):
    dark, light = sorted((luminance(INKS[kind]), luminance(GROUNDS[ground])))
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_inks_and_marks_tell_kinds_apart():
    assert len(set(INKS.values())) == len(INKS) == 7
    marks = [FORMS[kind].get("marker") for kind in INKS]
    assert len(set(marks)) == 7
    assert FORMS["theory"]["linestyle"] == "--"
    assert set(FORMS) == set(INKS)


def test_sequential_map_climbs_in_lightness_and_survives_the_lift():
    colours = colour_map(diverging=False)(np.linspace(0, 1, 64))[:, :3]
    assert all(a < b for a, b in pairwise(map(luminance, colours)))
    assert colours.max() * 1.2 <= 1


def test_diverging_map_is_pale_at_zero_and_balanced():
    colours = colour_map(diverging=True)(np.linspace(0, 1, 65))[:, :3]
    light = np.array([luminance(c) for c in colours])
    assert light.argmax() == 32
    # cube root: perceived lightness
    assert np.abs(np.cbrt(light) - np.cbrt(light[::-1])).max() < 0.04
    assert colours.max() * 1.2 <= 1


def test_maps_stay_out_of_the_registry():
    simple()
    assert not {"sequential", "diverging"} & set(matplotlib.colormaps)


# --- the picture -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_size_on_the_page_and_twice_that_in_the_file(size):
    picture = simple(size=size)
    width, height = (round(96 * inches) for inches in SIZES[size])
    assert (picture.width, picture.height) == (width, height)
    assert repr(picture) == f"<figure {width} x {height}>"
    rows, columns, _ = pixels(picture).shape
    assert abs(columns - 2 * width) <= 1
    assert abs(rows - 2 * height) <= 1


def test_ground_is_transparent():
    for picture in (simple(), heat(np.eye(3), "a", "b", "c"), spectrum([1j, 1], 1.0)):
        alpha = pixels(picture)[..., 3]
        assert not alpha[[0, 0, -1, -1], [0, -1, 0, -1]].any()
        assert (alpha == 0).mean() > 0.3


def chunks(png: bytes) -> list[str]:
    names, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        names.append(png[place + 4 : place + 8].decode())
        place += length + 12
    return names


def test_png_carries_no_text_and_no_time():
    assert set(chunks(simple().png)) == {"IHDR", "pHYs", "IDAT", "IEND"}


def test_same_bytes_twice_whatever_the_users_settings():
    first = simple(log_y=True).png
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert simple(log_y=True).png == first


def test_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    simple()
    heat(np.eye(2), "a", "b", "c")
    with pytest.raises(ValueError, match="size"):
        simple(size="poster")
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = (
        "import sys; from rnnlimits.figures import *; heat([[1, 2]], 'a', 'b', 'c');"
        "curves([Series([1, 2], [1, 2], 'peer', 'x')], 'x', 'y');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mime_bundle():
    picture = simple()
    data, metadata = picture._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(data["image/png"]) == picture.png
    assert data["text/plain"] == "<figure 504 x 317>"
    assert metadata == {"image/png": {"width": 504}}


def test_ipython_shows_the_png_at_its_width():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, metadata = formatters.DisplayFormatter().format(simple())
    assert data["image/png"].startswith("iVBOR")
    assert data["text/plain"] == "<figure 504 x 317>"
    assert metadata["image/png"] == {"width": 504}


def test_save_writes_the_bytes(tmp_path: Path):
    picture = simple()
    target = tmp_path / "figure.png"
    target.write_bytes(b"old")
    picture.save(target)
    picture.save(str(tmp_path / "again.png"))
    assert target.read_bytes() == (tmp_path / "again.png").read_bytes() == picture.png


def test_interrupted_save_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    target = tmp_path / "figure.png"
    target.write_bytes(b"old")

    def interrupt(self, data):
        with open(self, "wb") as file:
            file.write(data[:10])
        raise KeyboardInterrupt

    picture = simple()
    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        picture.save(target)
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert target.read_bytes() == b"old"


def test_save_needs_a_png_name(tmp_path):
    with pytest.raises(ValueError, match=r"\.png, got 'figure\.svg'"):
        simple().save(tmp_path / "figure.svg")


# --- curves ----------------------------------------------------------------------------------


def test_lists_arrays_and_tensors_draw_the_same():
    wanted = simple().png
    for convert in (np.asarray, torch.tensor):
        made = Series(convert(X), convert(Y), "kernel", "net")
        assert curves([made], "x", "y").png == wanted
    leaf = torch.tensor(Y, dtype=torch.float64, requires_grad=True)
    assert curves([Series(X, leaf * 1, "kernel", "net")], "x", "y").png == wanted


@pytest.mark.parametrize("kind", INKS)
def test_each_kind_shows_its_ink(kind):
    picture = curves([line(kind)], "x", "y")
    assert count(picture, INKS[kind]) > 300
    for other in set(INKS) - {kind, "theory"}:
        assert count(picture, INKS[other]) == 0


def test_theory_is_dashed_and_unmarked(figures):
    curves([line("theory"), line("kernel")], "x", "y")
    dashed, solid = figures[0].axes[0].lines
    assert dashed.is_dashed()
    assert dashed.get_marker() == ""
    assert (solid.get_linestyle(), solid.get_marker()) == ("-", "s")


def test_band_is_a_light_fill_with_two_edges(figures):
    picture = curves([line("kernel", low=[0.5, 0.2, 0.1], high=[2.0, 1.0, 0.5])], "x", "y")
    low, high, _ = figures[0].axes[0].lines
    assert (low.get_linewidth(), high.get_linewidth()) == (0.6, 0.6)
    assert count(picture, INKS["kernel"], alpha=0.18, slack=3) > 5000


def test_points_without_a_line_and_a_line_without_points(figures):
    curves([line(line=False), line(marks=False)], "x", "y")
    points, bare = figures[0].axes[0].lines
    assert (points.get_linestyle(), points.get_marker()) == ("None", "s")
    assert (bare.get_linestyle(), bare.get_marker()) == ("-", "")


def words(figure: Figure) -> list[Text]:
    """Every text that is drawn, but the leaders."""
    texts = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def box(text: Text) -> np.ndarray:
    text.get_window_extent()
    return np.array(Text.get_window_extent(text).extents)


def assert_labels_clear(figure: Figure) -> None:
    labels = [text for text in words(figure) if isinstance(text, Annotation)]
    for a, b in combinations(labels, 2):
        (x0, y0, x1, y1), (u0, v0, u1, v1) = box(a), box(b)
        assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0, (a.get_text(), b.get_text())


def assert_inside(figure: Figure) -> None:
    extent = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(extent.x0, extent.y0) > -0.01, extent
    assert extent.x1 < width + 0.01, extent
    assert extent.y1 < height + 0.01, extent


@pytest.mark.parametrize("draws", range(4))
@pytest.mark.parametrize("size", ["panel", "half"])
def test_end_labels_clear_each_other_and_the_edge(figures, draws, size):
    generator = np.random.default_rng(draws)
    ends = np.exp(generator.normal(scale=[0.01, 0.1, 1, 3][draws], size=5))
    series = [
        Series(WIDTHS, end * WIDTHS**-0.5, kind, f"{kind} net")
        for end, kind in zip(ends, INKS, strict=False)
    ]
    curves(series, "width (neurons)", "error", True, True, size=size)
    assert_labels_clear(figures[0])
    assert_inside(figures[0])


def test_a_label_with_room_stands_six_pixels_right_of_its_point(figures):
    curves([Series(X, Y, "theory", "limit")], "x", "y")
    (label,) = figures[0].axes[0].texts
    assert label.xy == (3, 0.25)
    assert label.xyann == (4.5, 0)  # 6 px of 96 to the inch
    assert not label.arrow_patch.get_visible()
    assert label.get_color() == INKS["theory"]


def test_labels_of_lines_that_meet_keep_their_order_and_get_leaders(figures):
    lower, upper = Series(X, [3, 2, 1], "kernel", "lower"), Series(X, [1, 1, 1.001], "peer", "up")
    curves([upper, lower, Series(X, [3, 3, 3], "ours", "apart")], "x", "y")
    up, low, apart = figures[0].axes[0].texts
    assert up.xyann[1] > 0 > low.xyann[1]
    assert up.arrow_patch.get_visible()
    assert low.arrow_patch.get_visible()
    assert not apart.arrow_patch.get_visible()


def test_label_of_a_shorter_line_avoids_the_other_ink(figures):
    x = np.arange(20)
    level = Series(x, np.full(20, 2.0), "theory", "limit")
    short = Series(x[:10], 1.9 + 0.01 * x[:10], "meanfield", "stops here", marks=False)
    curves([level, short], "x", "y")
    axes = figures[0].axes[0]
    x0, y0, x1, y1 = box(axes.texts[1])
    level_pixel = axes.transData.transform((0, 2.0))[1]
    assert not y0 <= level_pixel <= y1
    assert x1 < axes.transData.transform((19, 0))[0]
    assert x0 > axes.transData.transform((9, 0))[0]


def test_label_in_a_thicket_rises_above_it(figures):
    x = np.arange(60)
    thicket = Series(x, x % 2, "peer", "", marks=False)
    curves([thicket, Series([0, 30], [0.7, 0.7], "kernel", "inside")], "x", "y")
    axes = figures[0].axes[0]
    assert box(axes.texts[0])[1] > axes.transData.transform((0, 1))[1]
    assert_inside(figures[0])


def test_legend_takes_over_above_five_lines(figures):
    series = [Series(X, [k, k, k], "kernel", f"level {k}") for k in range(1, 7)]
    curves(series[:5], "x", "y")
    curves(series, "x", "y")
    few, many = figures
    assert (len(few.axes[0].texts), len(few.legends)) == (5, 0)
    assert (len(many.axes[0].texts), len(many.legends)) == (0, 1)
    assert [t.get_text() for t in many.legends[0].get_texts()] == [s.label for s in series]
    assert_inside(many)


def test_panels_share_axes_and_name_each(figures):
    picture = panels([Panel([line()], "train"), Panel([line("peer", "other")], "test")], "x", "y")
    left, right = figures[0].axes
    assert picture.width == 624
    assert left.get_ylim() == right.get_ylim()
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("train", "test")
    assert (left.get_ylabel(), right.get_ylabel()) == ("y", "")
    assert_inside(figures[0])


def test_stated_slope_lies_on_its_power_law():
    for slope in (Slope(2, 8, 3, -0.5), Slope(2, 8, 3, 2, above=True), Slope(2, 8, 3, 1)):
        (x0, y0), (x1, y1), _ = slope.corners
        assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(slope.exponent, rel=1e-14)


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("exponent", [-0.5, 1.0])
def test_slope_triangle_lies_on_the_side_asked_for(exponent, above):
    slope = Slope(2, 8, 3, exponent, above)
    x, y = slope.corners[2]
    assert (y > 3 * (x / 2) ** exponent) == above


@pytest.mark.parametrize(
    ("exponent", "text"),
    [(-0.5, "−1/2"), (-1, "−1"), (1 / 3, "1/3"), (float(Fraction(-3, 2)), "−3/2")],
)
def test_slope_label_is_a_fraction(exponent, text):
    assert Slope(1, 2, 1, exponent).label == text


@pytest.mark.parametrize("above", [False, True])
def test_slope_is_drawn_in_slate_with_its_label_beside_it(figures, above):
    series = [Series(WIDTHS, WIDTHS**-0.5, "kernel", "net")]
    curves(series, "n", "e", True, True, slopes=[Slope(128, 512, 0.03, -0.5, above)])
    axes = figures[0].axes[0]
    (triangle,) = axes.patches
    assert to_rgba(triangle.get_edgecolor()) == to_rgba(INKS["theory"])
    (label,) = (text for text in axes.texts if text.get_text() == "−1/2")
    x0, _, x1, _ = box(label)
    leg = axes.transData.transform((512 if above else 128, 1))[0]
    assert (x0 > leg) if above else (x1 < leg)


# --- ticks -----------------------------------------------------------------------------------


def shown_ticks(axes: Axes, which: str) -> list[str]:
    axis = getattr(axes, f"{which}axis")
    low, high = sorted(axis.get_view_interval())
    texts = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text.get_text().replace(r"$\mathdefault{", "").replace("}$", "") for text in texts]


def test_widths_are_named_as_powers_of_two(figures):
    curves([Series(WIDTHS, WIDTHS**-0.5, "kernel", "")], "n", "e", True, True)
    axes = figures[0].axes[0]
    assert shown_ticks(axes, "x") == ["64", "128", "256", "512", "1024", "2048"]
    assert shown_ticks(axes, "y") == ["0.03", "0.04", "0.06", "0.08", "0.1"]


def test_half_the_width_shows_half_the_ticks(figures):
    curves([Series(WIDTHS, WIDTHS, "kernel", "some name")], "n", "e", True, size="half")
    assert shown_ticks(figures[0].axes[0], "x") == ["64", "256", "1024"]


def test_huge_widths_are_written_as_powers(figures):
    curves([Series(WIDTHS * 256, WIDTHS, "kernel", "")], "n", "e", log_x=True)
    assert shown_ticks(figures[0].axes[0], "x")[0] == "$2^{14"


def test_sixteen_decades_stay_readable(figures):
    x = np.arange(1, 17)
    curves([Series(x, 10.0**x, "fail", "real nodes")], "horizon", "condition", log_y=True)
    labels = shown_ticks(figures[0].axes[0], "y")
    assert 3 <= len(labels) <= 8
    assert all(label.startswith("$10^{") for label in labels)
    assert_inside(figures[0])


def test_a_narrow_logarithmic_axis_still_has_ticks(figures):
    curves([Series(X, [0.53, 0.55, 0.58], "measured", "")], "x", "y", log_y=True)
    labels = shown_ticks(figures[0].axes[0], "y")
    assert len(labels) >= 2
    assert {"0.53", "0.58"} & set(labels)


def test_a_single_point_has_an_axis(figures):
    curves([Series([3.0], [2.0], "ours", "one")], "x", "y", True, True)
    assert len(shown_ticks(figures[0].axes[0], "x")) >= 2


def test_whole_numbers_have_whole_ticks(figures):
    curves([Series([0, 1, 2], Y, "kernel", "")], "lag", "weight")
    assert shown_ticks(figures[0].axes[0], "x") == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("low", "high", "values", "ticks"),
    [
        (0.9, 1100, [1, 1000], [1, 10, 100, 1000]),
        (0.9, 33, [1, 30], [1, 3, 10, 30]),
        (1.9, 11, [2, 10], [2, 5, 10]),
        (3.9, 8.2, [4.1, 8], [4, 6, 8]),
        (0.9, 17, [1, 2, 4, 8, 16], [1, 2, 4, 8, 16]),
        (60, 2200, [64, 2048], [100, 300, 1000]),  # two widths are too few to tell a base
        (1, 1e12, [1, 1e12], [1, 1e5, 1e10]),
    ],
)
def test_logarithmic_ticks(low, high, values, ticks):
    assert log_ticks(low, high, np.array(values, dtype=float), room=6)[0] == pytest.approx(ticks)


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_stride_is_the_least_round_step_that_suffices(count_, most):
    steps = [m * 10**k for k in range(6) for m in (1, 2, 5)]
    step = stride(count_, most)
    assert step == next(s for s in steps if -(-count_ // s) <= most)


def test_numbers_on_ticks():
    assert [number(v) for v in (0, 1, 0.5, 2048, -0.25)] == ["0", "1", "0.5", "2048", "−0.25"]
    assert number(3e-5) == r"$3 \times 10^{-5}$"
    assert number(-1e6) == "$-10^{6}$"
    assert number(100, plain=False) == "$10^{2}$"


# --- label spreading -------------------------------------------------------------------------

CENTRES = st.lists(st.floats(-100, 100), min_size=1, max_size=8)


@given(CENTRES)
def test_spread_centres_no_longer_overlap_and_keep_their_order(centres):
    start = np.array(centres)
    heights = np.linspace(1, 3, start.size)
    moved, _ = spread(start, heights)
    order = np.argsort(start, kind="stable")
    gaps = np.diff(moved[order])
    assert (gaps >= (heights[order][1:] + heights[order][:-1]) / 2 - 1e-9).all()
    assert moved.mean() == pytest.approx(start.mean(), abs=1e-9)


@given(CENTRES)
def test_spread_leaves_free_labels_where_they_are(centres):
    start = np.sort(centres) + 4 * np.arange(len(centres))
    moved, cluster = spread(start, np.full(start.size, 3.0))
    np.testing.assert_allclose(moved, start, atol=1e-9)
    assert len(set(cluster.tolist())) == start.size


def test_spread_of_nothing():
    moved, cluster = spread(np.array([]), np.array([]))
    assert moved.size == cluster.size == 0


# --- spectrum, heat, histogram ---------------------------------------------------------------


def test_spectrum_has_equal_aspect_and_its_circle(figures):
    values = torch.tensor([0.5 + 0.5j, 0.5 - 0.5j, -0.9 + 0j], dtype=torch.complex128)
    picture = spectrum(values, 0.8, "eigenvalues", "theory")
    axes = figures[0].axes[0]
    points, circle = axes.lines
    np.testing.assert_array_equal(points.get_xdata(), [0.5, 0.5, -0.9])
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 0.8, rtol=1e-14)
    assert circle.is_dashed()
    unit = np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0)[0]
    assert unit[0] == pytest.approx(unit[1], rel=1e-6)
    assert count(picture, INKS["measured"]) > 100
    assert_labels_clear(figures[0])
    assert_inside(figures[0])


def test_spectrum_without_labels_draws_no_leader(figures):
    spectrum([1, -1], 1.0)
    assert not any(t.arrow_patch.get_visible() for t in figures[0].axes[0].texts)


def test_heat_has_four_spines_and_rows_downwards(figures):
    heat([[1.0, 2.0], [3.0, 4.0]], "column", "row", "value", rows=[10, 20], columns=[0.5, 1.5])
    axes = figures[0].axes[0]
    assert all(spine.get_visible() for spine in axes.spines.values())
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert shown_ticks(axes, "y") == ["10", "20"]
    assert shown_ticks(axes, "x") == ["0.5", "1.5"]
    assert_inside(figures[0])


def test_heat_shows_the_ends_of_the_map():
    picture = heat([[0.0, 0.5], [0.5, 1.0]], "a", "b", "c")
    for end in ("#08336c", "#d4ba72"):
        assert count(picture, end, slack=1) > 5000


@pytest.mark.parametrize("sign", [1, -1])
def test_diverging_scale_is_symmetric(figures, sign):
    heat(sign * np.array([[0.0, 3.0, -1.0]]), "a", "b", "c", diverging=True)
    assert figures[0].axes[0].images[0].get_clim() == (-3, 3)


def test_heat_over_decades(figures):
    index = np.arange(12)
    kernel = 10.0 ** -np.abs(index[:, None] - index)
    heat(kernel, "time", "time", "kernel", log=True)
    axes, bar = figures[0].axes
    assert axes.images[0].norm(1e-6) == pytest.approx(5 / 11, rel=1e-12)
    assert shown_ticks(axes, "x") == ["0", "2", "4", "6", "8", "10"]
    assert "$10^{-4" in shown_ticks(bar, "y")
    assert_inside(figures[0])


@pytest.mark.parametrize(
    ("shape", "size", "flags"),
    [
        ((12, 12), "panel", {}),
        ((3, 40), "pair", {}),
        ((1, 1), "half", {"log": True}),
        ((12, 12), "half", {"log": True}),
        ((40, 3), "half", {"diverging": True}),
    ],
)
def test_constant_matrices_of_any_shape_have_a_picture(figures, shape, size, flags):
    value = 0.0 if "diverging" in flags else 2.0
    heat(np.full(shape, value), "time", "row", "kernel", size=size, **flags)
    assert_inside(figures[0])


def test_histogram_has_unit_area_under_its_density(figures):
    samples = np.random.default_rng(0).standard_normal(2000)
    x = np.linspace(-4, 4, 101)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    histogram(torch.from_numpy(samples), x, density, "output", "2000 networks", "Gaussian")
    axes = figures[0].axes[0]
    fill, outline = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    heights, edges, _ = outline.get_data()
    assert heights @ np.diff(edges) == pytest.approx(1, rel=1e-12)
    assert fill.get_alpha() == 0.18
    assert axes.lines[0].is_dashed()
    assert axes.get_ylim()[0] == 0
    assert_labels_clear(figures[0])
    assert_inside(figures[0])


def test_histogram_of_a_flat_density_keeps_its_labels_inside(figures):
    samples = np.random.default_rng(1).random(500)
    histogram(samples, [0, 0, 1, 1], [0, 1, 1, 0], "phase", "500 samples", "uniform", size="half")
    assert_labels_clear(figures[0])
    assert_inside(figures[0])


# --- refusals --------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Series(X, Y, "blue", ""), "kind must be one of meanfield.*got 'blue'"),
        (lambda: Series(X, [1.0], "peer", ""), "x, y must have the same length.*'y': 1"),
        (lambda: Series(X, Y, "peer", "", [0.1], Y), "same length.*'low': 1"),
        (lambda: Series(X, [1, NAN, 2], "peer", ""), "y must be finite, got nan at index 1"),
        (lambda: Series([1, 2, -INF], Y, "peer", ""), "x must be finite, got -inf at index 2"),
        (lambda: Series(X, Y, "peer", "", Y, [INF] * 3), "high must be finite, got inf"),
        (lambda: Series(X, Y, "peer", "", low=Y), "give both or neither"),
        (lambda: Series(X, Y, "peer", "", high=Y), "give both or neither"),
        (lambda: Series(X, Y, "peer", "", [0, 2, 0], [1, 1, 1]), "got 2.0 and 1.0 at index 1"),
        (lambda: Series(X, ["a", "b", "c"], "peer", ""), "y must hold real numbers, got dtype"),
        (lambda: Series(X, [1j, 2, 3], "peer", ""), "y must hold real numbers, got dtype complex"),
        (lambda: Series([], [], "peer", ""), r"x must have 1 dimension.*shape \(0,\)"),
        (lambda: Series([X], [Y], "peer", ""), r"x must have 1 dimension.*shape \(1, 3\)"),
        (lambda: Series(X, Y, "peer", "", line=False, marks=False), "line=False.*peer series"),
        (lambda: Series(X, Y, "theory", "", line=False), "line=False.*theory series"),
        (lambda: Slope(0, 1, 1, 1), "x0 must be positive and finite, got 0"),
        (lambda: Slope(1, INF, 1, 1), "x1 must be positive and finite, got inf"),
        (lambda: Slope(1, 2, -1, 1), "y0 must be positive and finite, got -1"),
        (lambda: Slope(2, 2, 1, 1), "x1 must exceed x0 = 2, got 2"),
        (lambda: Slope(1, 2, 1, 0), "exponent must be finite and not zero, got 0"),
        (lambda: Slope(1, 2, 1, NAN), "exponent must be finite and not zero, got nan"),
        (lambda: curves([], "x", "y"), "at least one"),
        (lambda: panels([], "x", "y"), "at least one"),
        (lambda: panels([Panel([line()]), Panel([])], "x", "y"), "each at least one series"),
        (lambda: curves([line()], "x", "y", size="huge"), "size must be one of panel.*'huge'"),
        (
            lambda: curves([Series([0, 1, 2], Y, "peer", "net")], "x", "y", log_x=True),
            "x of 'net' on a logarithmic axis must be positive, got 0.0 at index 0",
        ),
        (
            lambda: curves([Series(X, Y, "peer", "", [-1, 0, 0], Y)], "x", "y", log_y=True),
            "low of 'peer' on a logarithmic axis must be positive, got -1.0 at index 0",
        ),
        (
            lambda: curves([line()], "x", "y", log_x=True, slopes=[Slope(1, 2, 1, 1)]),
            "slopes need two logarithmic axes",
        ),
        (lambda: spectrum([], 1.0), "eigenvalues must have"),
        (lambda: spectrum([1j, NAN], 1.0), "eigenvalues must be finite"),
        (lambda: spectrum([1j], 0.0), "radius must be positive and finite, got 0.0"),
        (lambda: spectrum([1j], NAN), "radius must be positive and finite, got nan"),
        (lambda: spectrum([1j], 1.0, kind="dots"), "kind must be one of"),
        (lambda: heat(X, "a", "b", "c"), r"matrix must have 2 dimension.*\(3,\)"),
        (
            lambda: heat([[1, INF]], "a", "b", "c"),
            r"matrix must be finite, got inf at index \(0, 1\)",
        ),
        (
            lambda: heat([[1, 0]], "a", "b", "c", log=True),
            r"matrix on a logarithmic scale must be positive, got 0.0 at index \(0, 1\)",
        ),
        (
            lambda: heat([[1, 2]], "a", "b", "c", diverging=True, log=True),
            "log and diverging exclude each other",
        ),
        (lambda: heat([[1, 2]], "a", "b", "c", rows=X), "rows must have 1 values.*got 3"),
        (lambda: heat([[1, 2]], "a", "b", "c", columns=X), "columns must have 2 values.*got 3"),
        (lambda: histogram(X, X, [1, 2], "x", "a", "b"), "same length"),
        (lambda: histogram([1, NAN], X, Y, "x", "a", "b"), "samples must be finite"),
        (lambda: histogram(X, X, Y, "x", "a", "b", bins=0), "bins must be at least 1, got 0"),
        (lambda: histogram(X, X, Y, "x", "a", "b", kind="bars"), "kind must be one of"),
    ],
)
def test_bad_input_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sampled_draws_two_standard_errors_either_side() -> None:
    found = Estimate(np.array([0.2, 0.1]), np.array([0.03, 0.01]), 30)
    series = sampled([64, 128], found, "kernel", "C", line=False)
    assert series.arrays()["y"].tolist() == [0.2, 0.1]
    assert series.arrays()["low"] == pytest.approx([0.14, 0.08])
    assert series.arrays()["high"] == pytest.approx([0.26, 0.12])
    assert not series.line
