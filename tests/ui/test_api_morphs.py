"""The endpoints, as a client in another program meets them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import gradio_client.exceptions
import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageDraw
from serving import client_of

Drawings = tuple[Path, Path]

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # gradio_client's own
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = client_of(address, download_files=tmp_path_factory.mktemp("files"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    """A one and a seven, drawn."""
    folder = tmp_path_factory.mktemp("drawings")
    lines = {"one": [(150, 40), (140, 250)], "seven": [(90, 60), (200, 60), (130, 250)]}
    for name, points in lines.items():
        image = Image.new("L", (300, 300), 255)
        ImageDraw.Draw(image).line(points, fill=0, width=22, joint="curve")
        image.save(folder / f"{name}.png")
    return folder / "one.png", folder / "seven.png"


def video_of(path: str | Path) -> tuple[int, int, int]:
    """Frames, width and height of a video file."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
    return len(frames), frames[0].width, frames[0].height


def test_numbers_become_a_video(client: Client) -> None:
    path, read = client.predict("32", "41", steps=12, size=128, api_name="/morph_numbers")
    assert video_of(path) == (12, 256, 128)
    assert read["source"]["number"] == "32" and read["target"]["number"] == "41"
    assert len(read["source"]["certainty"]) == 2


def test_the_same_numbers_are_the_same_bytes(client: Client) -> None:
    first, second = (
        Path(client.predict("3", "8", steps=5, seed=3, size=64, api_name="/morph_numbers")[0]).read_bytes()
        for _ in range(2)
    )
    assert first == second


def test_drawings_become_a_video(client: Client, drawings: Drawings) -> None:
    one, seven = map(handle_file, drawings)
    path, read = client.predict(one, seven, steps=8, size=64, format="gif", api_name="/morph_drawings")
    assert read["source"]["number"] == "1" and read["target"]["number"] == "7"
    assert path.endswith("1-to-7.gif")
    assert Image.open(path).n_frames == 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"target": "12345"}, "one to four digits"),
        ({"steps": 1}, "2 to 240"),
        ({"steps": "many"}, "2 to 240"),
        ({"format": "../../x"}, "format"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(client: Client, wrong: dict[str, Any], sentence: str) -> None:
    asked = {"source": "3", "target": "8", "steps": 4, "size": 64} | wrong
    with pytest.raises(gradio_client.exceptions.AppError, match=sentence) as error:
        client.predict(**asked, api_name="/morph_numbers")
    assert "Traceback" not in str(error.value) and "/" not in str(error.value)


def test_a_picture_for_each_digit_makes_a_number(client: Client, drawings: Drawings) -> None:
    one, seven = map(handle_file, drawings)
    path, read = client.predict([one, seven], [seven, one], steps=4, size=64, api_name="/morph_images")
    assert read["source"]["number"] == "17" and read["target"]["number"] == "71"
    assert video_of(path) == (4, 128, 64)
    for pictures in ([], [one] * 5):
        with pytest.raises(gradio_client.exceptions.AppError, match=r"^[A-Z][^/]+[.]"):
            client.predict(pictures, [one], api_name="/morph_images")


def test_a_number_may_be_typed_beside_a_picture(client: Client, drawings: Drawings) -> None:
    one, seven = map(handle_file, drawings)
    made = [
        client.predict(one, number=" 41 ", steps=3, size=64, format="zip", api_name="/morph_drawings"),
        client.predict(target=[one, seven], number="41", steps=3, size=64, api_name="/morph_images"),
        client.predict(
            one, None, number="41", hand="test", seed=3, steps=3, size=64, format="zip", api_name="/morph_drawings"
        ),
    ]
    assert [read["source"]["number"] + read["target"]["number"] for _, read in made] == ["141", "4117", "141"]
    assert Path(made[0][0]).read_bytes() != Path(made[2][0]).read_bytes()
    for wrong, sentence in (
        ({}, "Send two"),
        ({"number": "4", "target": one}, "Send two"),
        ({"number": "4x"}, "four digits"),
        ({"number": "4", "hand": "left"}, "handwriting"),
        ({"number": "4", "seed": -1}, "seed"),
    ):
        with pytest.raises(gradio_client.exceptions.AppError, match=sentence):
            client.predict(**({"source": one, "target": None} | wrong), api_name="/morph_drawings")


def test_numbers_in_a_row_become_a_sequence(client: Client) -> None:
    path, read = client.predict("10 9, 8", steps=5, hold=0.1, size=64, api_name="/morph_sequence")
    assert video_of(path) == (2 * 4 + 1 + 3 * 3, 128, 64)
    assert read["source"]["number"] == "10" and read["target"]["number"] == "8"


@pytest.mark.parametrize(
    ("numbers", "more", "sentence"),
    [
        ("7", {}, "two numbers or more"),
        ("7 x", {}, "one to four digits"),
        (" ".join("1" * 25), {}, "at most 24"),
        (" ".join("1" * 24), {"steps": 240}, "fewer steps"),
        ("1 2", {"hold": 9}, "between 0 and 3"),
    ],
)
def test_a_wrong_sequence_is_said(client: Client, numbers: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=sentence):
        client.predict(numbers, **more, api_name="/morph_sequence")


def test_a_blank_or_missing_drawing_is_said(client: Client, tmp_path: Path, drawings: tuple[Path, Path]) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (100, 100), 255).save(blank)
    for source in (handle_file(blank), None):
        with pytest.raises(gradio_client.exceptions.AppError, match=r"^[A-Z][^/]+[.]"):
            client.predict(source, handle_file(drawings[0]), api_name="/morph_drawings")


def test_a_file_that_is_no_picture_is_said(client: Client, tmp_path: Path, drawings: tuple[Path, Path]) -> None:
    text = tmp_path / "picture.png"
    text.write_bytes(b"not a picture" * 50)
    with pytest.raises(gradio_client.exceptions.AppError, match="not a picture"):
        client.predict(handle_file(text), handle_file(drawings[0]), api_name="/morph_drawings")


@pytest.mark.parametrize("format", ["mp4", "gif"])
def test_every_model_is_compared_in_one_file(client: Client, format: str) -> None:
    path, told = client.predict("3", "8", seed=2, format=format, api_name="/compare")
    assert path.endswith(f"3-to-8-compared.{format}")
    assert len(told["models"]) == 8 and all(model["name"] and model["kind"] for model in told["models"])
    if format == "mp4":
        frames, width, height = video_of(path)
        assert frames > 40 and width > height > 300
    else:
        with Image.open(path) as gif:
            assert gif.n_frames >= 40  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"source": "3x"}, "one to four digits"), ({"seed": -1}, "seed"), ({"format": "exe"}, "format")],
)
def test_what_cannot_be_compared_is_said(client: Client, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=sentence):
        client.predict(**({"source": "3", "target": "8"} | wrong), api_name="/compare")


def test_a_request_after_a_wrong_one_works(client: Client) -> None:
    with pytest.raises(gradio_client.exceptions.AppError):
        client.predict("", "8", api_name="/morph_numbers")
    assert client.predict("1", "2", steps=2, size=64, api_name="/morph_numbers")[1]["frames"] == 2


def test_two_clients_at_once_get_their_own(address: str, tmp_path: Path) -> None:
    def ask(pair: tuple[str, str]) -> list[str]:
        with_files = client_of(address, download_files=tmp_path)
        read = [with_files.predict(*pair, steps=3, size=64, api_name="/morph_numbers")[1] for _ in range(3)]
        with_files.close()
        return [r["source"]["number"] + r["target"]["number"] for r in read]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, [("1", "2"), ("7", "9")])) == [["12"] * 3, ["79"] * 3]


def test_only_what_is_meant_as_an_endpoint_is_one(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert set(described["named_endpoints"]) == {
        "/morph_numbers",
        "/morph_drawings",
        "/morph_images",
        "/morph_sequence",
        "/compare",
        "/sample",
        "/ten_digits",
    }
    assert not described["unnamed_endpoints"]


def test_the_page_is_one_file_of_our_own(address: str) -> None:
    import urllib.request

    with urllib.request.urlopen(address) as answer:
        page = io.TextIOWrapper(answer, "utf-8").read()
    assert "digitMorph" in page and "fonts.googleapis" not in page
