"""The Explore tab's endpoints, as a client in another program meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio_client.exceptions
import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageDraw
from serving import client_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # gradio_client's own
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = client_of(address, download_files=tmp_path_factory.mktemp("files"))
    yield client
    client.close()


def test_a_sheet_of_new_digits(client: Client) -> None:
    path, same, other = (client.predict(7, 12, seed, api_name="/sample") for seed in (3, 3, 4))
    assert path.endswith("new-7.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.mode == "L"
        assert picture.width == 10 * 112 + 9 * 2 and picture.height == 2 * 112 + 2
    assert Path(path).read_bytes() == Path(same).read_bytes() != Path(other).read_bytes()


def test_ten_digits_in_the_hand_of_a_drawing(client: Client, tmp_path: Path) -> None:
    drawing = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(drawing).line([(90, 60), (200, 60), (130, 250)], fill=0, width=22, joint="curve")
    drawing.save(tmp_path / "seven.png")
    path, read = client.predict(handle_file(tmp_path / "seven.png"), api_name="/ten_digits")
    assert read["digit"] == 7 and read["certainty"] > 0.5
    with Image.open(path) as picture:
        assert picture.width > 9 * picture.height


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"digit": 10}, "from 0 to 9"),
        ({"digit": 1.5}, "from 0 to 9"),
        ({"count": 0}, "1 to 100"),
        ({"count": 1000}, "1 to 100"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(client: Client, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=sentence) as error:
        client.predict(**({"digit": 3, "count": 2, "seed": 0} | wrong), api_name="/sample")
    assert "Traceback" not in str(error.value)


def test_a_missing_or_empty_picture_is_said(client: Client, tmp_path: Path) -> None:
    Image.new("L", (100, 100), 255).save(tmp_path / "blank.png")
    for picture in (None, handle_file(tmp_path / "blank.png")):
        with pytest.raises(gradio_client.exceptions.AppError, match=r"^[A-Z][^/]+[.]"):
            client.predict(picture, api_name="/ten_digits")


def test_an_assistant_is_told_what_they_do(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert {"/sample", "/ten_digits"} <= set(described["named_endpoints"])
