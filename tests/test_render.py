import numpy as np
import pytest
import torch

from vae import render
from vae.errors import BadRequest


def blob(count: int = 5, places: int = 1, side: int = 28) -> np.ndarray:
    """A soft disc that moves to the right, one in each place: float64 (count, side, side * places)."""
    y, x = np.mgrid[:side, : side * places]
    frames = []
    for t in np.linspace(0.4, 0.6, count):
        distance = np.hypot(y - side / 2, x % side - side * t)
        frames.append(1 / (1 + np.exp(distance - side / 6)))
    return np.stack(frames)


@pytest.mark.parametrize("style", render.STYLES)
def test_a_disc_is_drawn_between_paper_and_ink(style: render.Style) -> None:
    pictures = render.render_frames(blob(), size=256, style=style)
    paper, ink = render.STYLES[style]
    assert pictures.shape == (5, 256, 256)
    assert pictures.dtype == np.uint8
    assert (pictures[:, :20] == paper).all()
    assert abs(int(pictures[0, 128, int(256 * 0.4)]) - ink) <= 3
    assert pictures.min() >= min(paper, ink)
    assert pictures.max() <= max(paper, ink)


def test_the_contour_lies_where_the_disc_ends_and_is_crisp() -> None:
    y, x = np.mgrid[:28, :28]
    disc = np.clip(7.5 - np.hypot(y - 13.5, x - 13.5), 0, 1)  # radius 7 pixels, antialiased
    picture = render.render_frames(disc[None], size=560)[0]
    v, u = np.mgrid[:560, :560]
    radius = np.hypot(v - 279.5, u - 279.5) / 20  # in pixels of the disc
    assert (picture[radius < 6.4] == 20).all()
    assert (picture[radius > 7.9] == 255).all()
    half = radius[abs(picture.astype(int) - 137) < 20]
    assert half.min() > 6.9
    assert half.max() < 7.6
    assert half.std() < 0.1  # no staircase


def test_matches_a_plain_resampling_of_the_logits() -> None:
    ink = np.random.default_rng(0).random((3, 28, 56))
    p = ink.clip(0.02, 0.98)
    logit = np.log(p / (1 - p))
    large = render._weights(28, 300) @ logit @ render._weights(56, 600).T
    alpha = (render._GAIN * (large - render._EDGE) + 0.5).clip(0, 1)
    difference = render.render_frames(ink, size=300) - (255 - 235 * alpha)
    assert abs(difference).max() < 0.52


def test_weights_keep_a_constant_and_a_slope() -> None:
    for n, m in ((28, 512), (14, 96), (56, 28)):
        weights = render._weights(n, m)
        assert weights.shape == (m, n)
        assert weights.min() >= 0  # nothing that could ring
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
        middle = slice(m // 4, -m // 4)
        slope = weights @ (np.arange(n) + 0.5)
        np.testing.assert_allclose(slope[middle], (np.arange(m)[middle] + 0.5) * n / m, atol=1e-4)


def test_a_thin_grey_stroke_survives() -> None:
    stroke = np.zeros((1, 28, 28))
    stroke[0, 4:24, 14] = 0.6
    picture = render.render_frames(stroke, size=512)[0]
    assert picture[256, 265] < 190
    assert (picture[:, :200] == 255).all()


def test_every_frame_is_drawn_whatever_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = blob(7)
    together = render.render_frames(frames, size=200)
    monkeypatch.setattr(render, "_BUFFER", 1)
    np.testing.assert_array_equal(render.render_frames(frames, size=200), together)
    for frame, picture in zip(frames, together, strict=True):
        np.testing.assert_array_equal(render.render_frames(frame[None], size=200)[0], picture)


def test_pixels_are_the_pixels() -> None:
    ink = np.random.default_rng(0).random((2, 28, 28))
    pictures = render.render_frames(ink, size=280, style="pixels")
    np.testing.assert_array_equal(pictures, (255 - 255 * ink).round().repeat(10, 1).repeat(10, 2))


@pytest.mark.parametrize(("size", "places", "shape"), [(97, 1, (98, 98)), (512, 2, (512, 1024)), (28, 3, (28, 84))])
@pytest.mark.parametrize("style", ["ink", "pixels"])
def test_sizes_are_even_and_keep_the_aspect(
    size: int, places: int, shape: tuple[int, int], style: render.Style
) -> None:
    assert render.render_frames(blob(2, places), size=size, style=style).shape == (2, *shape)
    assert render.render_frames(blob(2, places, side=14), size=size, style=style).shape == (2, *shape)


def test_a_tensor_and_a_channel_are_welcome() -> None:
    frames = blob()
    expected = render.render_frames(frames, size=64)
    np.testing.assert_array_equal(render.render_frames(torch.tensor(frames)[:, None], size=64), expected)


def test_ink_in_range_is_not_copied() -> None:
    frames = blob().astype(np.float32)
    assert render.as_ink(frames) is frames
    assert render.as_ink(frames - np.float32(1e-3)).min() == 0


def test_black_and_white_move_the_greys() -> None:
    pictures = render.render_frames(blob(), size=128, black=16, white=235)
    assert pictures.max() == 235
    assert pictures.min() == 16 + round(219 * 20 / 255)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((28, 28)),
        np.zeros((0, 28, 28)),
        np.zeros((2, 3, 28, 28)),
        np.full((1, 28, 28), 255.0),
        np.full((1, 28, 28), -1.0),
        np.full((1, 28, 28), np.nan),
        np.full((1, 28, 28), np.inf),
    ],
)
def test_what_is_not_ink_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        render.render_frames(frames)


@pytest.mark.parametrize("size", [27, 2049, 64.5, float("nan"), "64", True, -1])
def test_sizes_that_make_no_sense_are_refused(size: int) -> None:
    with pytest.raises(BadRequest, match="between 28 and 2048"):
        render.render_frames(blob(), size=size)


def test_too_wide_and_unknown_styles_are_refused() -> None:
    with pytest.raises(BadRequest, match="pixels wide"):
        render.render_frames(blob(1, places=5), size=2048)
    with pytest.raises(BadRequest, match="ink, pixels, chalk"):
        render.render_frames(blob(), style="crayon")  # type: ignore[arg-type]


def test_transparent_is_black_ink_with_alpha() -> None:
    rgba = render.transparent(blob(2, places=2), size=100)
    assert rgba.shape == (2, 100, 200, 4)
    assert rgba.dtype == np.uint8
    assert not rgba[..., :3].any()
    assert (rgba[:, 0, 0, 3] == 0).all()
    assert rgba[0, 50, 40, 3] == 255
    dark = (255 - render.render_frames(blob(2, places=2), size=100).astype(float)) / 235
    np.testing.assert_allclose(rgba[..., 3] / 255, dark, atol=0.005)


def test_filmstrip_shows_first_and_last_with_hairlines() -> None:
    frames = blob(30)
    strip = render.filmstrip(frames, count=4, size=96)
    assert strip.shape == (96, 4 * 96 + 3)
    ends = render.render_frames(frames[[0, -1]], size=96)
    np.testing.assert_array_equal(strip[:, :96], ends[0])
    np.testing.assert_array_equal(strip[:, -96:], ends[1])
    assert (strip[:, 96] == 208).all()
    assert render.filmstrip(frames[:3], count=12, size=96).shape == (96, 3 * 96 + 2)
    assert render.filmstrip(frames, count=1, size=50).shape == (50, 50)


def test_grid_lays_out_row_by_row() -> None:
    images = blob(5)
    sheet = render.grid(images, columns=3, size=40, gap=2)
    tiles = render.render_frames(images, size=40)
    assert sheet.shape == (82, 124)
    np.testing.assert_array_equal(sheet[:40, 42:82], tiles[1])
    np.testing.assert_array_equal(sheet[42:, :40], tiles[3])
    assert (sheet[42:, 84:] == 208).all()  # a free place
    np.testing.assert_array_equal(render.grid(images[:, None], size=40), sheet)  # 3 columns are squarest


@pytest.mark.parametrize("columns", [None, 5, 2])
def test_grid_sets_counterparts_below(columns: int | None) -> None:
    above, below = blob(5), blob(5)[::-1]
    sheet = render.grid(above, columns, below=below, size=40, gap=1)
    tiles, others = render.render_frames(above, size=40), render.render_frames(below, size=40)
    width = columns or 5
    for i in range(5):
        y, x = 2 * (i // width) * 41, i % width * 41
        np.testing.assert_array_equal(sheet[y : y + 40, x : x + 40], tiles[i])
        np.testing.assert_array_equal(sheet[y + 41 : y + 81, x : x + 40], others[i])
    with pytest.raises(ValueError, match="as many images below"):
        render.grid(above, below=below[:2])
