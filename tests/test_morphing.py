from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from vae import morph, morph_sequence, paths, type_digits
from vae.bank import bank_of
from vae.errors import BadRequest
from vae.layout import layout, morphing_time, paste
from vae.model import VAE, build
from vae.morphing import (
    change_share,
    crossfade,
    curve_between,
    endpoints,
    handwritten_curve,
    hold_frames,
    ink_penalty,
    make_morph,
    residual_weight,
)
from vae.pipeline import Pipeline, pipeline_of
from vae.request import MorphRequest, produce, read_numbers

PATHS = ["linear", "slerp", "handwritten", "auto"]
SPEEDS = ["raw", "constant", "eased", "turn"]


def other(preset: str) -> VAE:
    """An untrained model of another kind."""
    torch.manual_seed(0)
    return build(preset).eval().requires_grad_(False)


def side_by_side(stack: Tensor, places: int) -> Tensor:
    """A number in the middle of a picture of `places` digits."""
    canvas = torch.zeros(28, 28 * places)
    left = 14 * (places - len(stack))
    canvas[:, left : left + 28 * len(stack)] = torch.cat(list(stack[:, 0]), dim=1)
    return canvas


@pytest.mark.parametrize(("a", "b"), [("3", "8"), ("32", "41")])
@torch.inference_mode()
def test_unrefined_linear_raw_is_the_classic_formula(a: str, b: str, small: VAE, stack) -> None:
    frames = morph(small, stack(a), stack(b), 9, path="linear", speed="raw", refine=False)
    z1, z2 = small.encode(stack(a))[0], small.encode(stack(b))[0]
    assert frames.shape == (9, 28, 28 * len(a))
    for frame, alpha in zip(frames, torch.linspace(0, 1, 9), strict=True):
        decoded = small.decode((1 - alpha) * z1 + alpha * z2)  # (places, 1, 28, 28)
        torch.testing.assert_close(frame, torch.cat(list(decoded[:, 0]), dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_refined_frames_begin_and_end_with_the_stacks(path, speed, small: VAE, stack) -> None:
    a, b = stack("32"), stack("41")
    frames = morph(small, a, b, 12, path, speed)
    assert frames.shape == (12, 28, 56)
    assert frames.dtype == torch.float32
    assert not frames.requires_grad
    assert frames.min() >= 0
    assert frames.max() <= 1
    torch.testing.assert_close(frames[0], side_by_side(a, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[-1], side_by_side(b, 2), atol=1e-4, rtol=0)
    middle = frames[6]
    assert (middle - frames[0]).abs().max() > 0.3
    assert (middle - frames[-1]).abs().max() > 0.3


@pytest.mark.parametrize("preset", ["conv2d", "autoencoder", "tiny", "cvae", "flagship"])
def test_every_kind_of_model_morphs(preset: str, stack) -> None:
    model = other(preset)
    frames = morph(model, stack("3"), stack("8"), 5, speed="raw")
    torch.testing.assert_close(frames[0], stack("3")[0, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[-1], stack("8")[0, 0], atol=1e-4, rtol=0)
    assert torch.isfinite(frames).all()
    assert all(p.grad is None for p in model.parameters())


def test_a_conditional_model_goes_from_class_to_class(stack) -> None:
    model = other("cvae")
    stacks = [stack("3"), stack("8")]
    frames = make_morph(pipeline_of(model), stacks, [[3], [8]], 3, "linear", "raw", refine=False).frames
    z = [model.encode(stack(d), torch.tensor([int(d)]))[0] for d in "38"]
    mixed = torch.zeros(1, 10)
    mixed[0, [3, 8]] = 0.5
    expected = model.decode((z[0] + z[1]) / 2, mixed)[0, 0]
    torch.testing.assert_close(frames[1], expected, atol=1e-5, rtol=0)


def test_steps_between_handwritten_digits_are_even(pipeline: Pipeline) -> None:
    """Over 100 pairs of test digits the spread of the step lengths is 0.0043 of their mean, at most 0.019; on typed
    digits, which are here, it is alike."""
    spreads = []
    for seed in range(12):
        stacks = [type_digits(text, seed) for text in ("32", "74")]
        change = make_morph(pipeline, stacks, [[3, 2], [7, 4]]).digits.diff(dim=0).flatten(1).norm(dim=1)
        spreads.append(float(change.std() / change.mean()))
    assert sum(spreads) / len(spreads) < 0.008
    assert max(spreads) < 0.03


@pytest.mark.parametrize("path", PATHS)
def test_constant_speed_changes_the_picture_evenly(path, small: VAE, stack) -> None:
    def unevenness(speed: str) -> float:
        change = (morph(small, stack("32"), stack("41"), 60, path, speed).diff(dim=0)).flatten(1).norm(dim=1)
        return float(change.std() / change.mean())

    assert unevenness("constant") < 0.1
    assert unevenness("raw") > 2 * unevenness("constant")


def test_the_turn_takes_its_share_of_the_frames(small: VAE, stack) -> None:
    reader = pipeline_of(small).reader
    turns = {}
    for speed in ("constant", "turn"):
        digits = make_morph(pipeline_of(small), [stack("32"), stack("41")], [[3, 2], [4, 1]], 60, speed=speed).digits
        for k, ends in enumerate(((3, 4), (2, 1))):
            seen = reader(digits[:, k : k + 1]).softmax(1)[:, list(ends)]
            turns[speed, k] = int((seen < 0.95).all(1).sum())
    for k in (0, 1):  # pictures of this small model are unsure for longer than digits
        assert 12 <= turns["turn", k] <= 45
        assert turns["turn", k] >= turns["constant", k]


def test_the_turn_has_its_share_of_all_frames_in_numbers_of_different_lengths(small: VAE, stack) -> None:
    pipeline = pipeline_of(small)
    digits = make_morph(pipeline, [stack("8"), stack("41")], [[8], [4, 1]], 60, speed="turn").digits
    seen = pipeline.reader(digits[:, 1:]).softmax(1)[:, [8, 1]]
    assert (seen < 0.95).all(1).sum() >= 12


def test_a_digit_that_stays_itself_has_no_turn(small: VAE, stack) -> None:
    one, other = (morph(small, stack("3"), stack("3", 1), 20, speed=speed) for speed in ("turn", "constant"))
    assert torch.equal(one, other)


def test_eased_speed_is_slow_at_both_ends(small: VAE, stack) -> None:
    change = morph(small, stack("3"), stack("8"), 40, "linear", "eased").diff(dim=0).flatten(1).norm(dim=1)
    assert change[[0, -1]].max() < 0.3 * change.mean()


@pytest.mark.parametrize(("m", "n"), list(product(range(1, 5), repeat=2)))
def test_numbers_of_any_length_meet(m: int, n: int, small: VAE, stack) -> None:
    a, b = stack("3281"[:m]), stack("4075"[:n], seed=1)
    places = max(m, n)
    frames = morph(small, a, b, 5, "linear", "raw")
    assert frames.shape == (5, 28, 28 * places)
    torch.testing.assert_close(frames[0], side_by_side(a, places), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[-1], side_by_side(b, places), atol=1e-4, rtol=0)


def test_a_digit_that_only_one_number_has_is_written(small: VAE, stack) -> None:
    frames = morph(small, stack("7"), stack("128"), 20, "linear", "raw")
    ink = frames.sum((1, 2))
    own = stack("7").sum(), stack("128").sum()
    assert ink[0] == pytest.approx(float(own[0]), rel=0.01)
    assert ink[-1] == pytest.approx(float(own[1]), rel=0.01)
    assert own[0] < ink[10] < own[1]


@pytest.mark.parametrize("hold", [0, 3])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_sequence_shows_every_number_once_and_holds_it(hold: int, count: int, small: VAE, stack) -> None:
    stacks = [stack(str(digit)) for digit in range(count)]
    frames = morph_sequence(small, stacks, 6, "linear", hold=hold)
    assert len(frames) == (6 - 1) * (count - 1) + 1 + hold * count
    for i, one in enumerate(stacks):
        first = i * (6 - 1 + hold)
        for frame in frames[first : first + hold + 1]:
            torch.testing.assert_close(frame, one[0, 0], atol=1e-4, rtol=0)
    assert (frames.diff(dim=0).flatten(1).norm(dim=1) < 1e-3).sum() == hold * count


def test_a_sequence_is_as_wide_as_its_widest_number(small: VAE, stack) -> None:
    frames = morph_sequence(small, [stack("9"), stack("10"), stack("9")], 4, "linear")
    assert frames.shape == (7, 28, 56)
    torch.testing.assert_close(frames[-1], side_by_side(stack("9"), 2), atol=1e-4, rtol=0)


def test_the_same_morph_is_the_same(small: VAE, stack) -> None:
    a, b = (morph(small, stack("32"), stack("41"), 8) for _ in range(2))
    assert torch.equal(a, b)


def test_the_paths_differ_and_auto_is_handwritten(small: VAE, stack) -> None:
    frames = {path: morph(small, stack("3"), stack("8"), 9, path, "raw") for path in PATHS}
    assert torch.equal(frames["auto"], frames["handwritten"])
    assert not torch.allclose(frames["auto"], frames["linear"], atol=0.05)
    assert not torch.allclose(frames["slerp"], frames["linear"], atol=0.05)


def test_without_a_bank_auto_is_slerp_and_handwritten_cannot_be(stack) -> None:
    model = other("mlp")
    both = [morph(model, stack("3"), stack("8"), 5, path, "raw") for path in ("auto", "slerp")]
    assert torch.equal(*both)
    with pytest.raises(BadRequest, match="handwritten path"):
        morph(model, stack("3"), stack("8"), 5, "handwritten")


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (0, 1, 28, 28), (1, 3, 28, 28), (1, 1, 14, 14), (1, 1, 28, 29)], ids=str
)
def test_a_stack_of_another_shape_is_refused(shape: tuple[int, ...], small: VAE, stack) -> None:
    with pytest.raises(ValueError, match="a stack must be"):
        morph(small, stack("3"), torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"steps": 1}, "two steps"), ({"path": "scenic"}, "scenic.*slerp"), ({"speed": "fast"}, "fast.*eased")],
)
def test_options_that_do_not_exist_are_refused(options: dict, named: str, small: VAE, stack) -> None:
    with pytest.raises(ValueError, match=named):
        morph(small, stack("3"), stack("8"), **options)


def test_one_number_is_no_sequence(small: VAE, stack) -> None:
    with pytest.raises(ValueError, match="two numbers"):
        morph_sequence(small, [stack("3")])


def test_a_handwritten_path_goes_by_its_own_two_classes(small: VAE, stack) -> None:
    pipeline = replace(pipeline_of(small), bank=bank_of(small))
    make_morph(pipeline, [stack("3"), stack("8")], [[3], [8]], 3, "handwritten")
    assert set(pipeline.bank._graphs) == {3, 8}
    nodes = pipeline.bank.class_graph(3)[0].nodes @ pipeline.bank.inverse_metric
    own = pipeline.bank.graph.z[pipeline.bank.graph.labels == 3]
    torch.testing.assert_close(nodes, own, atol=1e-3, rtol=0)


def test_a_handwritten_path_ends_exactly_at_its_latents(small: VAE, stack) -> None:
    for target in ("3", "8"):
        a, b = endpoints(small, [stack("3"), stack(target)], [[3], [int(target)]])
        curve = curve_between("handwritten", bank_of(small), a, 0, b, 0)
        assert torch.equal(curve(torch.tensor([0.0, 1.0])), torch.cat([a.z, b.z]))


def test_where_the_bank_knows_no_way_there_is_an_arc(small: VAE) -> None:
    bank = bank_of(small)
    z = bank.graph.z[[0, -1]]
    none = replace(bank, crossings=bank.crossings[:0], flaws=bank.flaws[:0])
    alpha = torch.linspace(0, 1, 5)
    arc = paths.slerp(z[0], z[1])(alpha)
    ink = torch.tensor([100.0, 100])
    assert torch.equal(handwritten_curve(none, (z[0], z[1]), (3, 8), ink)(alpha), arc)
    assert not torch.equal(handwritten_curve(bank, (z[0], z[1]), (3, 8), ink)(alpha), arc)


def test_ink_beyond_the_two_ends_has_a_penalty() -> None:
    penalty = ink_penalty(torch.tensor([85.0, 95, 100, 120, 128, 200]), torch.tensor([120.0, 100]))
    assert penalty[[1, 2, 3, 4]].tolist() == [0, 0, 0, 0]
    assert penalty[0] == pytest.approx(1)
    assert penalty[5] > 10


def test_the_residual_is_kept_while_the_digit_is_the_same() -> None:
    weight = residual_weight(torch.tensor([0.0, 0.25, 0.375, 0.5, 1.0]))
    assert weight.tolist() == pytest.approx([1, 1, 0.5, 0, 0])


def test_the_share_of_change_is_that_of_the_picture_and_not_of_alpha() -> None:
    one, other = torch.zeros(1, 28, 28), torch.ones(1, 28, 28)
    pictures = torch.stack([one, 0.9 * one + 0.1 * other, 0.5 * (one + other), other])
    alpha = torch.tensor([0, 0.6, 0.7, 1])
    share = change_share(pictures, one, other, alpha)[:, 0]
    assert share.tolist() == pytest.approx([0, 0.1, 0.5, 1], abs=1e-3)
    still = change_share(one.expand(4, 1, 28, 28), one, one, alpha)[:, 0]
    assert still.tolist() == pytest.approx(alpha.tolist())


def test_what_the_decoder_cannot_draw_stays_for_the_first_tenth(small: VAE, stack) -> None:
    """A dot beside the digit, which no model would draw."""
    dotted = stack("3").clone()
    dotted[0, 0, 1:3, 1:3] = 1
    for path in ("linear", "handwritten"):
        frames = morph(small, dotted, stack("8"), 60, path)
        assert frames[:7, 1:3, 1:3].min() > 0.85
        assert frames[40:, 1:3, 1:3].max() < 0.2


def test_digits_morph_first_where_they_stand_and_then_make_room() -> None:
    time = torch.linspace(0, 1, 21)
    for source, target, extra in ((1, 3, 2), (3, 1, 2), (1, 2, 1), (4, 2, 2)):
        places = max(source, target)
        left, share = layout(source, target, places, time)
        first, last = ((places - count) / 2 for count in (source, target))
        ends = [first + source - 1, last + target - 1]  # where the last digit stands
        assert left[[0, -1], -1].tolist() == ends
        assert share[0, :extra].tolist() == pytest.approx([float(source > target)] * extra, abs=1e-5)
        assert share[-1, :extra].tolist() == pytest.approx([float(target > source)] * extra, abs=1e-5)
        morphed = morphing_time(source, target, time)
        waiting = morphed < 1
        assert (left[waiting] == left[0]).all() and (share[waiting] == share[0]).all()
        assert (morphed[0], morphed[-1]) == (0, 1) and waiting.double().mean() > 0.5
    still, all_of_it = layout(2, 2, 3, time)
    assert still.tolist() == [[0.5, 1.5]] * 21 and bool((all_of_it == 1).all())
    assert torch.equal(morphing_time(2, 2, time), time)


def test_nobody_stands_beside_an_empty_stage() -> None:
    """Once a digit steps aside there is soon something where it was, and until it does nothing is missing."""
    time = torch.linspace(0, 1, 101)
    for source, target in ((1, 2), (2, 1), (1, 3), (3, 1)):
        left, share = layout(source, target, max(source, target), time)
        home = left[:, -1][0 if source < target else -1]
        alone = (left[:, -1] - home).abs() > 0.05
        assert ((share[:, :-1].sum(1) == 0) & alone).double().mean() < 0.07


def test_extra_digits_are_written_from_left_to_right() -> None:
    share = layout(1, 4, 4, torch.linspace(0, 1, 50))[1][:, :3]
    assert ((share[:, 1:] == 0) | (share[:, :-1] == 1)).all()


def test_a_morph_has_every_digit_on_its_own_and_composes_them(small: VAE, stack) -> None:
    stacks, labels = [stack("7"), stack("128"), stack("3")], [[7], [1, 2, 8], [3]]
    made = make_morph(pipeline_of(small), stacks, labels, 6, "linear", "raw")
    assert made.digits.shape == (11, 3, 28, 28) and made.frames.shape == (11, 28, 84)
    assert list(made.stops) == [0, 5, 10]
    assert not made.digits[0, :2].any() and not made.digits[-1, :2].any()  # not drawn yet, and erased again
    for frame, number in zip(made.stops, stacks, strict=True):
        torch.testing.assert_close(made.digits[frame, -len(number) :], number[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(made.digits.sum((1, 2, 3)), made.frames.sum((1, 2)), rtol=0.02, atol=1)


def test_holding_repeats_the_frames_in_which_numbers_stand() -> None:
    assert hold_frames(3, (0, 2), 2) == [0, 0, 0, 1, 2, 2, 2]
    assert hold_frames(5, (0, 2, 4), 1) == [0, 0, 1, 2, 2, 3, 4, 4]
    assert hold_frames(2, (0, 1), 0) == [0, 1]


def test_a_crossfade_is_the_mean_in_the_middle() -> None:
    one, other = torch.rand(1, 1, 28, 28), torch.rand(1, 1, 28, 28)
    assert torch.allclose(crossfade(one, other, 3)[1], (one + other)[0, 0] / 2)


def test_a_shorter_number_is_faded_in_the_middle() -> None:
    frames = crossfade(torch.ones(1, 1, 28, 28), torch.zeros(2, 1, 28, 28), 2)
    assert frames.shape == (2, 28, 56)
    assert torch.equal(frames[0, 0], torch.cat([torch.zeros(14), torch.ones(28), torch.zeros(14)]))


def test_paste_lays_pictures_anywhere() -> None:
    disc = torch.zeros(3, 28, 28)
    disc[:, 10:18, 10:18] = 1
    canvas = torch.zeros(3, 28, 56)
    paste(canvas, disc, torch.tensor([-28.0, 10.5, 28.0]))
    assert canvas[0].abs().max() < 1e-6  # outside
    torch.testing.assert_close(canvas[2], side_by_side(disc[2:, None], 2).roll(14, 1), atol=1e-6, rtol=0)
    column = torch.arange(56.0)
    assert (canvas[1].sum(0) @ column / canvas[1].sum()) == pytest.approx(13.5 + 10.5, abs=1e-3)
    assert canvas[1].sum() == pytest.approx(64, rel=0.1)
    paste(canvas, disc, torch.zeros(3))
    assert canvas.max() <= 1  # ink on ink stays ink


def test_digits_that_the_model_wrote_are_where_they_were_decoded_from(pipeline: Pipeline) -> None:
    request = MorphRequest("32", "41", formats=(), steps=20)
    readings = read_numbers(request, pipeline)
    first, last = endpoints(
        pipeline.model, [r.pictures for r in readings], [r.labels for r in readings], codes=[r.z for r in readings]
    )
    assert torch.equal(first.z, readings[0].z) and not first.residual.any() and not last.residual.any()
    made = produce(request, pipeline).frames
    for frame, reading in ((made[0], readings[0]), (made[-1], readings[1])):
        torch.testing.assert_close(frame, torch.cat(list(reading.pictures[:, 0]), 1), atol=1e-5, rtol=0)
    mixed = endpoints(
        pipeline.model, [readings[0].pictures, readings[1].pictures], [[3, 2], [4, 1]], codes=[None, readings[1].z]
    )
    assert not torch.equal(mixed[0].z, readings[0].z) and torch.equal(mixed[1].z, readings[1].z)
