"""The same two numbers through every model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vae import video
from vae.inspection import comparison
from vae.pipeline import default_pipeline
from vae.reading import Reading, read_number


def read(number: str) -> Reading:
    return read_number(number, default_pipeline())


@pytest.fixture(scope="module")
def panels() -> list[comparison.Panel]:
    return comparison.line_up(default_pipeline(), read("3"), read("8"), 6)


def test_there_is_a_panel_for_every_entry(panels: list[comparison.Panel]) -> None:
    assert [panel.entry for panel in panels] == list(comparison.LINEUP)
    for panel in panels:
        assert panel.frames.shape == (6, 28, 28)
        assert float(panel.frames.min()) >= 0 and float(panel.frames.max()) <= 1
        assert not torch.equal(panel.frames[0], panel.frames[-1])


def test_crossfade_and_flagship_begin_and_end_with_the_digits_themselves(panels: list[comparison.Panel]) -> None:
    ends = [read(number).pictures[0, 0] for number in "38"]
    for panel in panels:
        exact = panel.entry.preset in (None, "flagship")
        off = [float((panel.frames[i] - end).abs().max()) for i, end in zip((0, -1), ends, strict=True)]
        assert (max(off) < 1e-4) == exact, panel.entry.key


def test_every_model_rebuilds_at_its_own_size() -> None:
    found = comparison.rebuilt(default_pipeline().presets, read("38").pictures, [3, 8])
    assert {made.preset for made in found} == set(default_pipeline().presets)
    for made in found:
        side = 14 if made.preset == "tiny" else 28
        assert made.pictures.shape == (2, side, side)
        assert bool((made.nats > 0).all())


def test_a_model_that_is_not_here_is_left_out() -> None:
    only_mlp = replace(default_pipeline(), presets={"mlp": default_pipeline().presets["mlp"]})
    found = comparison.line_up(only_mlp, read("3"), read("8"), 3)
    assert [panel.entry.key for panel in found] == ["crossfade", "mlp"]


@pytest.mark.parametrize(("places", "columns"), [(1, 4), (2, 2), (4, 2)])
def test_the_labelled_grid_has_every_name_and_every_morph(places: int, columns: int) -> None:
    ink = torch.linspace(0, 1, 2)[:, None, None].expand(2, 28, 28 * places)  # from nothing to all ink
    grid = comparison.labelled_grid([comparison.Panel(entry, ink, ()) for entry in comparison.LINEUP])
    count, height, width = grid.shape
    assert count == 2 and height % 2 == 0 and width % 2 == 0 and max(height, width) < 800
    rows = len(comparison.LINEUP) // columns
    cells = grid[:, : height // rows * rows].unfold(1, height // rows, height // rows)
    cells = cells.unfold(2, width // columns, width // columns).flatten(1, 2)  # (2, 8, h, w)
    labels = cells[:, :, : comparison.LABEL + comparison.GAP]
    assert bool((labels.amax((2, 3)) > 0.3).all()) and torch.equal(labels[0], labels[1])
    assert bool((cells[1].mean((1, 2)) > cells[0].mean((1, 2)) + 0.3).all())


def test_the_labelled_grid_can_be_written_as_it_is(panels: list[comparison.Panel]) -> None:
    grid = comparison.labelled_grid(panels)
    for format in ("mp4", "gif"):
        assert len(video.encode(grid, format, size=grid.shape[1], style="pixels")) > 1000
