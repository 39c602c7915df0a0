import math
import zipfile
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from io import BytesIO
from typing import Any

import av
import made_up
import numpy as np
import pytest
import torch
from PIL import Image

import vae
from vae import BadRequest, EmptyDrawing, MorphRequest, UnreadablePicture, produce, request, video
from vae.bank import STYLES
from vae.model import VAE
from vae.pipeline import Pipeline, default_pipeline, load_pipeline, pipeline_of
from vae.reading import Reading, read_drawn, read_number, read_typed, type_digits
from vae.request import read_numbers
from vae.style import measure_style

QUICK: dict[str, Any] = {"steps": 4, "size": 56, "path": "linear", "speed": "raw", "formats": ()}
NO_WHOLE_NUMBER = [math.nan, math.inf, -math.inf, 30.5, True, False, "30", None, [30], 10**400, -(10**400)]
NUMBERS_NOT = ["", " ", "12345", "-1", "3.5", "abc", "٣", "３", "3 2", "test:7"]  # noqa: RUF001


def read(side: Any) -> Reading:
    return read_number(side, default_pipeline())


def read_all(request: MorphRequest) -> tuple[Reading, ...]:
    return read_numbers(request, default_pipeline())


def png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def refusal(**options: Any) -> str:
    """The sentence with which a request is refused."""
    with pytest.raises(BadRequest) as caught:
        MorphRequest(**{"source": "3", "target": "8", **options})
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert len(sentence) < 200
    return sentence


def test_a_request_may_be_as_plain_as_two_numbers() -> None:
    asked = MorphRequest("32", "41")
    assert (asked.steps, asked.path, asked.formats) == (60, "auto", ("mp4",))
    with pytest.raises(FrozenInstanceError):
        asked.steps = 3  # type: ignore[misc]


BOUNDS = {"steps": (2, 240), "seed": (0, 2**31 - 1), "fps": (1, 60), "size": (56, 1024)}


def test_a_whole_number_is_nothing_else() -> None:
    for value in (2, 240, 2.0):
        number = request.whole("It", value, 2, 240)
        assert number == value and type(number) is int
    for value in (1, 241, *NO_WHOLE_NUMBER):
        with pytest.raises(BadRequest, match=r"^It must be a whole number from 2 to 240\.$"):
            request.whole("It", value, 2, 240)


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
def test_whole_numbers_have_bounds(name: str, bounds: tuple[int, int]) -> None:
    for value in bounds:
        assert getattr(MorphRequest("3", "8", **{name: value}), name) == value
    for value in (bounds[0] - 1, bounds[1] + 1, None):
        assert f"from {bounds[0]} to {bounds[1]}" in refusal(**{name: value})


def test_a_choice_is_among_the_known() -> None:
    assert request.one_of("path", "slerp", ("linear", "slerp")) == "slerp"
    for value in ("", "nonsense", "Linear", 3, True, ["linear"], math.nan, None):
        with pytest.raises(BadRequest, match=r"^There is no such path; choose one of linear, slerp\.$"):
            request.one_of("path", value, ("linear", "slerp"))


@pytest.mark.parametrize("name", ["path", "speed", "style", "playback", "hand", "model"])
def test_choices_are_checked(name: str) -> None:
    assert "choose one of" in refusal(**{name: "nonsense"})
    if name != "model":  # none is the shipped one
        assert "choose one of" in refusal(**{name: None})


@pytest.mark.parametrize("formats", [("mov",), ("mp4", "exe"), ("MP4",), ("",), (None,), "mp4", 3, None], ids=repr)
def test_formats_are_a_list_of_the_known(formats: object) -> None:
    assert "mp4" in refusal(formats=formats)


@pytest.mark.parametrize("hold", [-0.1, 3.1, math.nan, math.inf, True, "1", None], ids=repr)
def test_the_pause_is_0_to_3_seconds(hold: object) -> None:
    assert "between 0 and 3" in refusal(hold=hold)
    assert MorphRequest("3", "8", hold=3).hold == 3


@pytest.mark.parametrize("refine", [1, 0, "yes", None])
def test_refining_is_on_or_off(refine: object) -> None:
    assert "on or off" in refusal(refine=refine)


def test_typed_numbers_are_checked_on_every_side() -> None:
    for number in NUMBERS_NOT:
        assert "one to four digits" in refusal(source=number)
    for side in ({"target": "3x"}, {"via": ("3", "3x")}):
        assert "one to four digits" in refusal(**side)


def test_what_takes_too_long_is_refused_with_what_to_choose() -> None:
    with pytest.raises(BadRequest, match=r"would take 2630 frames, and 2400 is the most: choose fewer steps\.$"):
        MorphRequest("3", "8", via=("1",) * 10, steps=240, hold=0)
    with pytest.raises(BadRequest, match=r"choose a size of at most \d+ pixels, fewer frames or another format"):
        MorphRequest("3", "8", via=("1",) * 9, steps=239, size=1024, formats=("gif",))
    with pytest.raises(BadRequest, match="choose fewer frames or another format"):
        MorphRequest("3456", "8", via=("1",) * 9, steps=239, size=1024, formats=tuple(video.FORMATS))


def test_numbers_in_between_are_a_list() -> None:
    for via in ("17", 17, None):
        with pytest.raises(BadRequest, match=r"^The numbers in between are given as a list\.$"):
            MorphRequest("3", "8", via=via)  # type: ignore[arg-type]


def test_digits_that_were_read_before_are_taken_as_they_are(pipeline: Pipeline) -> None:
    drawn = read_drawn(type_digits("38", seed=4), pipeline)
    assert drawn.number == "38" and drawn.typed is None
    again = read_typed("838", pipeline, like=drawn)  # nothing of it has to be written anew
    assert torch.equal(again.pictures, drawn.pictures[[1, 0, 1]])


def test_a_sequence_has_at_most_24_numbers() -> None:
    assert len(MorphRequest("1", "2", ("3",) * 22).sides) == 24
    assert "at most 24" in refusal(via=("3",) * 23)
    assert "list" in refusal(via="345")
    assert "list" in refusal(via=None)


@pytest.mark.parametrize(
    "stack",
    [
        torch.zeros(0, 1, 28, 28),
        torch.zeros(5, 1, 28, 28),
        torch.zeros(1, 28, 28),
        torch.zeros(1, 1, 14, 14),
        torch.full((1, 1, 28, 28), torch.nan),
        torch.full((1, 1, 28, 28), 1.01),
        torch.full((1, 1, 28, 28), -0.01),
    ],
    ids=["none", "five", "flat", "small", "nan", "above 1", "below 0"],
)
def test_stacks_are_digits_in_0_to_1(stack: torch.Tensor) -> None:
    assert "digit" in refusal(source=stack).lower()


@pytest.mark.parametrize("side", [None, 3, 3.5, b"not a picture", {"a": 1}, "folder/none.png"], ids=repr)
def test_what_is_no_number_at_all_is_refused_in_a_sentence(side: object) -> None:
    with pytest.raises(BadRequest):
        produce(MorphRequest(side, "8", **QUICK))


@pytest.mark.parametrize("count", [0, 5])
def test_a_list_of_pictures_is_one_to_four(count: int) -> None:
    with pytest.raises(BadRequest, match="one to 4 digits"):
        read([made_up.drawing("3")] * count)


@pytest.mark.parametrize("pad", ["L", "RGB", "RGBA"])
def test_an_empty_pad_is_an_empty_drawing(pad: str) -> None:
    white = Image.new(pad, (280, 280), (255,) * len(pad) if len(pad) > 1 else 255)
    with pytest.raises(EmptyDrawing):
        produce(MorphRequest(white, "8", **QUICK))


def test_a_picture_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UnreadablePicture, match="4 megapixels"):
        read(png(Image.new("1", (13_000, 13_000))))


@pytest.mark.parametrize("form", ["image", "bytes", "path", "array", "list", "one in a list"])
def test_a_drawn_number_is_read_in_any_form(form: str, tmp_path) -> None:
    drawing = made_up.drawing("17")
    drawing.save(tmp_path / "17.png")
    ones: Sequence[Image.Image] = [made_up.drawing("1"), made_up.drawing("7")]
    side = {
        "image": drawing,
        "bytes": png(drawing),
        "path": tmp_path / "17.png",
        "array": np.asarray(drawing),
        "list": ones,
        "one in a list": [drawing],
    }[form]
    reading = read(side)
    assert reading.pictures.shape == (2, 1, 28, 28)
    assert reading.number == "17"
    assert reading.typed is None
    assert all(0 < sure <= 1 for sure in reading.certainty)
    centre = reading.pictures[:, 0].sum(1) @ torch.arange(28.0) / reading.pictures.sum((1, 2, 3))
    assert centre.tolist() == pytest.approx([14, 14], abs=0.6)


def test_a_drawing_is_the_same_in_any_form() -> None:
    drawing = made_up.drawing("17")
    readings = [read(side) for side in (drawing, png(drawing), np.asarray(drawing))]
    assert all(torch.equal(reading.pictures, readings[0].pictures) for reading in readings)


def test_a_result_says_what_was_read(flagship: VAE) -> None:
    result = produce(MorphRequest("32", made_up.drawing("7"), **QUICK))
    assert (result.source.number, result.source.typed) == ("32", "32")
    assert (result.target.number, result.target.typed) == ("7", None)
    assert len(result.source.digits) == len(result.source.certainty) == 2
    assert result.frames.shape == (4, 28, 56)
    assert result.files == {}
    torch.testing.assert_close(result.frames[-1, :, 14:42], result.target.pictures[0, 0], atol=1e-4, rtol=0)


def frames_in(content: bytes, form: str) -> int:
    if form == "zip":
        with zipfile.ZipFile(BytesIO(content)) as archive:
            assert archive.testzip() is None
            return len(archive.namelist())
    if form in ("gif", "webp", "png"):
        with Image.open(BytesIO(content)) as picture:
            picture.load()
            return getattr(picture, "n_frames", 1)
    with av.open(BytesIO(content)) as file:
        return sum(1 for _ in file.decode(video=0))


def test_every_format_is_made_and_opens_again() -> None:
    options = {**QUICK, "steps": 6, "formats": tuple(video.FORMATS)}
    result = produce(MorphRequest("3", made_up.drawing("8"), **options))
    assert list(result.files) == list(video.FORMATS)
    counts = {form: frames_in(content, form) for form, content in result.files.items()}
    assert counts == {form: 1 if form == "png" else 6 for form in video.FORMATS}


def test_options_reach_the_file() -> None:
    options = {**QUICK, "fps": 10, "hold": 0.2, "formats": ("mp4",), "size": 64}
    result = produce(MorphRequest("3", "8", ("4",), playback="bounce", **options))
    assert len(result.frames) == 3 * 2 + 1 + 3 * 2  # two legs of 4 frames sharing one, 2 longer on each number
    with av.open(BytesIO(result.files["mp4"])) as file:
        (stream,) = file.streams
        assert (stream.codec_context.height, stream.codec_context.width) == (64, 64)
        assert stream.average_rate == 10
        assert sum(1 for _ in file.decode(video=0)) == 2 * 13 - 2
    inks = [
        produce(MorphRequest("3", "8", style=s, **{**QUICK, "formats": ("png",)})).files["png"]
        for s in ("ink", "chalk")
    ]
    dark, light = (np.asarray(Image.open(BytesIO(i)).convert("L")).mean() for i in inks)
    assert dark > 128 > light


def test_the_same_request_gives_the_same_bytes_and_another_seed_others() -> None:
    options = {**QUICK, "formats": ("mp4", "gif", "png"), "path": "auto", "speed": "constant", "steps": 8}
    a, b, c = (produce(MorphRequest("32", "41", seed=seed, **options)).files for seed in (1, 1, 2))
    assert a == b
    assert all(a[form] != c[form] for form in a)


def test_a_number_typed_beside_a_drawn_one_is_in_its_hand() -> None:
    drawing = made_up.drawing("17")
    for asked in (MorphRequest(drawing, "41"), MorphRequest("41", drawing), MorphRequest("2", "3", (drawing, "41"))):
        readings = read_all(asked)
        reading = readings[asked.sides.index("41")]
        assert (reading.number, reading.digits, reading.typed) == ("41", (4, 1), "41")
        drawn = next(r for r in readings if r.typed is None)
        torch.testing.assert_close(reading.pictures[1], drawn.pictures[0])  # this 1 was drawn
        assert not torch.equal(reading.pictures, type_digits("41"))
    again = read_all(MorphRequest(drawing, "41", seed=8))[1]
    assert torch.equal(again.pictures, read_all(MorphRequest(drawing, "41"))[1].pictures)  # no seed in it


def test_the_hand_of_the_test_set_may_be_asked_for() -> None:
    (_, typed) = read_all(MorphRequest(made_up.drawing("17"), "41", seed=5, hand="test"))
    assert torch.equal(typed.pictures, type_digits("41", seed=5))
    both = read_all(MorphRequest("32", "41", seed=5, hand="own"))  # nobody drew: by seed
    assert torch.equal(both[1].pictures, type_digits("41", seed=5))


def test_what_is_typed_in_somebodys_hand_reads_as_what_was_typed(sketches) -> None:
    numbers = {"0123": "2_1", "4567": "5_2", "89": "0_3"}
    for number, name in numbers.items():
        typed = read_all(MorphRequest(sketches / f"{name}.png", number))[1]
        assert "".join(map(str, typed.digits)) == number
        assert min(typed.certainty) > 0.7


def test_a_broad_hand_stays_broad(sketches) -> None:
    """Over drawings of a class, the widths of pen and digit of a typed 4 go with those of the drawn one."""
    measures = []
    for digit in "2357":
        styles = torch.stack(
            [
                torch.cat([measure_style(r.pictures)[0] for r in read_all(MorphRequest(path, "4"))])
                for path in sorted(sketches.glob(f"{digit}_*.png"))
            ]
        )
        measures.append(styles - styles.mean(0))
    together = np.corrcoef(torch.cat(measures).T.numpy())
    pen, width = (STYLES.index(name) for name in ("pen", "width"))
    for i in (pen, width):
        assert together[i, len(STYLES) + i] > 0.3


def test_a_model_may_stand_in_and_a_preset_may_be_asked_for(small_pipeline: Pipeline) -> None:
    given = produce(MorphRequest("3", "8", **QUICK), small_pipeline)
    shipped = produce(MorphRequest("3", "8", **QUICK))
    named = produce(MorphRequest("3", "8", model="flagship", **QUICK), small_pipeline)
    assert torch.equal(named.frames, shipped.frames)
    assert not torch.equal(given.frames, shipped.frames)
    assert torch.equal(given.source.pictures, shipped.source.pictures)  # the hand is the shipped bank's


def test_a_colour_model_is_refused_in_a_sentence() -> None:
    model = vae.model.build("mlp", channels=3).eval()
    with pytest.raises(BadRequest, match="colour"):
        produce(MorphRequest("3", "8", **QUICK), pipeline_of(model))


def test_a_model_is_loaded_once_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGIT_MORPH_WEIGHTS", raising=False)
    pipeline = load_pipeline()
    assert pipeline.model is pipeline.typist.model is pipeline.presets["flagship"]
    assert pipeline.bank is pipeline.typist.bank
    assert set(pipeline.presets) == {"flagship"}
    assert pipeline.with_preset("flagship").bank is pipeline.bank and pipeline.with_preset("mlp").bank is None


def test_test_drawings_read_as_labelled(sketches) -> None:
    paths = sorted(sketches.glob("*_0.png"))
    assert len(paths) == 10
    readings = {path.stem[0]: read(path).number for path in paths}
    assert sum(label == number for label, number in readings.items()) >= 9, readings


@pytest.mark.parametrize(
    ("read_as", "sentence"),
    [
        ("78", "given as a list"),
        (("7",), "of each of them, or of none"),
        (("7", "8", "9"), "of each of them, or of none"),
        (("7", "x"), "one to four digits"),
        ((7, "8"), "one to four digits"),
    ],
)
def test_what_numbers_are_said_to_be_is_checked(read_as: Any, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        MorphRequest("7", "8", read_as=read_as)
    assert MorphRequest("7", "8", read_as=["", "8"]).read_as == ("", "8")
