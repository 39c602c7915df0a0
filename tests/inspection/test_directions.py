import pytest
import torch

from vae.bank import Codes, bank_of
from vae.inspection.directions import REACH, STEPS, contact_sheet, find_directions, values
from vae.model import VAE
from vae.pipeline import default_pipeline


def made_up_codes() -> Codes:
    """Codes whose first four latents are slant, pen, noise and width, whose fifth is the class."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2000, 6, generator=generator)
    labels = torch.arange(2000) % 10
    z[:, 4] = labels.float() + 0.1 * z[:, 4]
    style = z[:, :4].clone()
    style[:, 2] = torch.randn(2000, generator=generator)  # height: nothing of it is in the latents
    return Codes(z, labels, torch.ones(2000), style)


def test_directions_bear_the_names_of_what_they_change() -> None:
    ways = find_directions(made_up_codes(), count=4)
    assert ways.names == ("Slant", "Pen", "Width", "0 ↔ 9")  # nothing that changes the height
    for k, latent in enumerate((0, 1, 3, 4)):
        assert ways.axes[k, latent] > 0.98
    torch.testing.assert_close(ways.axes @ ways.axes.T, torch.eye(len(ways.axes)), atol=1e-5, rtol=0)


def test_moving_changes_the_scores_that_are_given_and_nothing_else() -> None:
    codes = made_up_codes()
    ways = find_directions(codes, count=4)
    z = codes.z[7]
    scores = ways.scores(z)
    torch.testing.assert_close(ways.moved(z, scores), z)
    wanted = scores.clone()
    wanted[1] = 2.0
    moved = ways.moved(z, wanted)
    torch.testing.assert_close(ways.scores(moved), wanted, atol=1e-4, rtol=0)
    rest = torch.eye(6) - ways.axes.T @ ways.axes
    torch.testing.assert_close(moved @ rest, z @ rest, atol=1e-5, rtol=0)
    along = ways.scores(codes.z)
    torch.testing.assert_close(along.mean(0), torch.zeros(len(scores)), atol=1e-4, rtol=0)
    torch.testing.assert_close(along.std(0), torch.ones(len(scores)), atol=1e-4, rtol=0)


def test_all_strips_pass_through_the_present_place(small: VAE) -> None:
    bank = bank_of(small)
    assert bank is not None
    ways = find_directions(bank.graph)
    z = bank.typed.z[0]
    at = [0.0] * len(ways.names)
    sheet = contact_sheet(small, ways, z, at)
    assert sheet.shape == (len(ways.names), STEPS, 28, 28)
    middle = small.decode(ways.moved(z, torch.zeros(len(at)))[None])[0, 0]
    for strip in sheet:
        torch.testing.assert_close(strip[STEPS // 2], middle, atol=1e-5, rtol=1e-4)
    at[0] = float(values()[2])
    torch.testing.assert_close(contact_sheet(small, ways, z, at)[1][STEPS // 2], sheet[0][2], atol=1e-5, rtol=1e-4)
    assert values()[0] == -REACH and values()[-1] == REACH


def test_the_flagships_strips_do_what_they_are_called() -> None:
    from vae.style import measure_style

    model, bank = default_pipeline().model, default_pipeline().bank
    assert bank is not None
    ways = find_directions(bank.graph)
    assert len(set(ways.names)) == len(ways.names)
    for name, measure in (("Slant", 0), ("Pen", 1)):
        if name not in ways.names:
            pytest.skip(f"these weights have no direction called {name}")
        k = ways.names.index(name)
        z = bank.typed.z[::100]
        low, high = ways.scores(z), ways.scores(z)
        low[:, k], high[:, k] = -1.5, 1.5
        change = measure_style(model.decode(ways.moved(z, high))) - measure_style(model.decode(ways.moved(z, low)))
        assert (change[:, measure] > 0).float().mean() > 0.9
