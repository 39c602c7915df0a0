"""What one request may ask for: how large its files, how long they take, how much memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import made_up
import pytest
import torch

from vae import BadRequest, MorphRequest, produce, request, video
from vae.pipeline import Pipeline
from vae.reading import Reading
from vae.ui import downloads, permalink

LONG: dict[str, Any] = {"steps": 240, "fps": 60, "hold": 3, "playback": "bounce"}  # the most of two numbers
MEASURE = """if True:
    import json
    from pathlib import Path
    import torch
    from vae import BadRequest, MorphRequest, produce, video

    def memory(name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024

    def largest(form, first, *via, **options):
        for size in range(1024, 54, -2):
            try:
                return MorphRequest(first, "5678", via, formats=(form,), size=size, **options)
            except BadRequest:
                continue

    torch.set_num_threads(1)
    held = {"steps": 2, "fps": 60, "hold": 3, "path": "linear", "speed": "raw"}
    wanted = [largest(form, "1234", steps=10, playback="bounce") for form in video.FORMATS]
    wanted += [largest(form, *["1234"] * 11, **held) for form in ("png", "gif")]  # 2,172 frames
    produce(MorphRequest("32", "41", steps=10, size=128, formats=tuple(video.FORMATS)))
    grown = []
    for request in wanted:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
        before = memory("VmRSS")
        produce(request)
        grown.append([*request.formats, len(request.sides), request.size, memory("VmHWM") - before])
    print(json.dumps(grown))
"""


def refusal(**options: Any) -> str:
    """The sentence with which a request for these files is refused."""
    with pytest.raises(BadRequest) as caught:
        MorphRequest(**{"source": "1234", "target": "5678", **options})
    sentence = str(caught.value)
    assert sentence.endswith(".") and len(sentence) < 200
    assert "choose" in sentence and "fewer frames" in sentence
    return sentence


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are Linux's to tell")
def test_no_file_takes_more_than_150_megabytes() -> None:
    root = Path(video.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=root, capture_output=True, text=True, check=True)
    grown = json.loads(done.stdout)
    assert len(grown) == len(video.FORMATS) + 2
    assert max(megabytes for *_, megabytes in grown) <= 150, grown


@pytest.mark.parametrize("form", ["mp4", "avi", "webm", "gif", "webp", "zip"])
def test_a_file_may_be_so_large_and_no_larger(form: str) -> None:
    request = MorphRequest("1234", "5678", formats=(), **LONG)
    most = video.tallest((form,), request.shown, 4)
    assert most % 2 == 0
    MorphRequest("1234", "5678", size=most, formats=(form,), **LONG)
    for size in (most + 1, 1024):
        sentence = refusal(size=size, formats=(form,), **LONG)
        assert f"at most {most} pixels" in sentence and "another format" in sentence


def test_where_no_size_will_do_none_is_named() -> None:
    sequence = {"via": ("1234",) * 22, "steps": 104, "playback": "bounce"}
    assert video.tallest(("zip",), 4738, 4) < 56
    assert "pixels" not in refusal(size=56, formats=("zip",), **sequence)
    for form in ("mp4", "avi", "webm", "gif", "webp", "png"):
        MorphRequest("1", "2", formats=(form,), size=56, **sequence)


def test_the_longest_of_two_numbers_can_be_had_from_the_page() -> None:
    offered = {"steps": 240, "fps": 60, "hold": permalink.LOOK["hold"], "playback": "bounce", "size": 768}
    for form in ("mp4", "gif", "avi", "png"):
        MorphRequest("1234", "5678", formats=(form,), **offered)
    for form in ("webp", "zip"):  # these would take half a minute
        refusal(formats=(form,), **offered)


def test_a_filmstrip_has_few_pictures_and_no_files_no_bound() -> None:
    most = {"via": ("1234",) * 22, "steps": 104, "playback": "bounce", "size": 1024}
    for formats in ((), ("png",)):
        assert MorphRequest("1", "2", formats=formats, **most).shown == 4738


def test_files_of_one_request_share_its_bound() -> None:
    each = {"steps": 240, "size": 512, "playback": "bounce"}
    for form in ("mp4", "gif"):
        assert MorphRequest("1234", "5678", formats=(form,) * 9, **each).formats == (form,)
    refusal(formats=("mp4", "gif", "webm"), **each)


@pytest.mark.parametrize("pictures", [False, True], ids=["digits", "list of pictures"])
def test_drawn_digits_that_are_counted_are_refused_at_once(pictures: bool) -> None:
    side = [made_up.drawing("1")] * 4 if pictures else torch.zeros(4, 1, 28, 28)
    MorphRequest("3", "8", size=1024, **LONG)
    refusal(source=side, target="8", size=1024, **LONG)


def test_a_picture_is_refused_as_soon_as_its_digits_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = MorphRequest(made_up.drawing("1234"), "8", size=1024, **LONG)
    monkeypatch.setattr(request, "make_morph", None)  # not reached
    with pytest.raises(BadRequest, match="choose a size of at most"):
        produce(wide)


@pytest.mark.parametrize("form", ["mp4", "avi", "webm", "gif", "webp", "zip"])
def test_bytes_that_only_show_when_they_are_written_are_bounded(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = torch.rand(40, 28, 28, generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"size": 512, "style": "pixels"}
    monkeypatch.setattr(video, "MOST_BYTES", 100_000)
    with pytest.raises(BadRequest, match="megabytes: choose fewer frames"):
        video.encode(frames, form, **options)
    assert video.write_video(frames, tmp_path / f"own.{form}", **options).stat().st_size > 100_000


def test_the_seconds_of_a_request_grow_with_what_it_asks_for() -> None:
    def expected(source: Any = "32", target: Any = "41", **options: Any) -> float:
        return MorphRequest(source, target, **options).seconds

    plain = expected()
    assert 0 < expected(formats=()) < plain < 10
    assert expected(steps=30) < plain < expected(steps=90)
    assert expected(size=256) < plain < expected(size=768)
    assert expected("3", "8") < plain < expected("324", "419") < expected("3", "4190")
    assert plain < expected(playback="bounce") < expected(playback="bounce", hold=1)
    assert plain < expected(via=("7",))
    assert plain < expected(formats=("zip",)) < expected(formats=("zip", "mp4"))
    assert expected("3", "8") < expected(made_up.drawing("1"), "8")  # it may show up to four digits
    assert expected(torch.zeros(2, 1, 28, 28), "41") == plain


def test_the_page_shows_any_morph_and_says_which_file_is_too_large(pipeline: Pipeline) -> None:
    wide, long = ("1234",) * 22, ("7",) * 22
    sequence = {"steps": 104, "fps": 60, "playback": "bounce", "formats": ()}
    for via in (wide, long):
        asked = MorphRequest(via[0], via[0], via, size=1024, **sequence)
        link = permalink.pack(asked, [Reading(torch.zeros(0), (), (), typed) for typed in asked.sides])
        with pytest.raises(BadRequest, match="choose a size of at most"):
            downloads.file({"permalink": link, "format": "mp4", "playback": "bounce", "size": 1024}, pipeline)
        assert downloads.reopen({"permalink": link}, pipeline).seconds < 10
