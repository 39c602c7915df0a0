"""A model as a repo on the Hub: its weights, the bank and the classifiers that go with them, and a model card.

`python -m vae publish user/repo` and `python train.py ... --push-to-hub user/repo` come here; `vae.hub`
does the uploading. What a run left beside its weights (report.json, curves.png) goes into the card; a shipped
model's is in docs/.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from vae import hub, render, weights
from vae.bank import bank_of
from vae.errors import WeightsError
from vae.evaluation.results import evaluation, row_of
from vae.inspection.samples import prior_samples
from vae.model import VAE
from vae.settings import parse_object
from vae.shipped import DOCS

NATS = {  # figures of a report or an evaluation, in nats a test picture: key there -> name in the card
    "total": "grey NELBO",
    "reconstruction": "reconstruction",
    "kl": "KL",
    "elbo": "ELBO, binarised",
    "iw": "importance-weighted, binarised",
}
ABOUT = {  # what the Hub shows and searches by
    "license": "mit",
    "library_name": "digit-morph",
    "pipeline_tag": "unconditional-image-generation",
    "tags": ["vae", "mnist", "latent-space", "morphing", "handwriting"],
    "datasets": ["ylecun/mnist"],
}
TEMPLATE = """---
{{ card_data }}
---

# {{ repo }}

A variational autoencoder for handwritten digits (preset `{{ config.preset }}`, {{ config.latent_dim }} latent \
dimensions, {{ config.image_size }}x{{ config.image_size }} pixels), made with
Digit Morph: one handwritten number turns into another along a path through its latent space.

![Digits nobody wrote: decoded from the prior](samples.png)

## How to load

```python
import vae  # of Digit Morph

model = vae.load("{{ repo }}")        # or "{{ repo }}@revision"
frames = vae.morph(model, vae.type_digits("32"), vae.type_digits("41"), steps=60)
vae.write_video(frames, "out.mp4")
```

`DIGIT_MORPH_WEIGHTS={{ repo }} python app.py` serves the page with it. The weights are safetensors, their
architecture is in the metadata, and `SHA256SUMS` lists what belongs together.
{% if bank %}The bank of latent codes that typed digits and handwritten paths need is here, built from them.
{%- else %}There is no bank of them: typed digits are the shipped flagship's, and paths are spherical.
{%- endif %}

## Figures
{% if results %}
Of the MNIST test set, in nats a picture, lower is better. Grey NELBO: binary cross-entropy on grey pixels
plus KL, one sample of the posterior; it reads higher than binarised figures: compare like with like.

| | nats |
|---|--:|
{% for name, value in results.items() %}| {{ name }} | {{ "%.2f"|format(value) }} |
{% endfor %}{% else %}
None were measured.
{% endif %}{% if curves %}
![Loss by epoch](curves.png)
{% endif %}
## Recipe

```json
{{ recipe }}
```

## Limitations

- It knows the ten digits as MNIST has them: single, upright, centred, 28x28 pixels, written by US census
  workers and students around 1990. Letters, other scripts and other hands come out as the nearest such digit.
- It is no reader of numbers and no judge of handwriting; what it draws in between was written by nobody.
- Likelihoods depend on how pixels are scaled and binarised: compare with the like only.

## Credits

MIT licence. Learnt from the MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and
Christopher Burges, CC BY-SA 3.0; no picture of it is in this repo. Kingma & Welling 2014, https://arxiv.org/abs/1312.6114.
"""


def publish(repo: str, model: VAE, private: bool = False) -> str:
    """Upload a model that was loaded from its file; returns the repo's address.

    Raises WeightsError, before anything is uploaded, when the bank beside it is of other weights.
    """
    return hub.upload(repo, contents(repo, model), f"{model.config.preset}: weights and model card", private)


def contents(repo: str, model: VAE) -> dict[str, bytes | Path]:
    """What the repo of a model consists of, by path."""
    if model.path is None:
        raise WeightsError("only a model that was loaded from its file can be published")
    shipped = model.path.parent == weights.SHIPPED
    paths = {hub.MODEL: model.path}
    if has_bank := bank_of(model) is not None:  # which checks that it was built from these weights
        paths["bank.safetensors"] = model.path.with_name("bank.safetensors")
    for name in ("reader.safetensors", "segmenter.safetensors"):
        if (classifier := weights.SHIPPED / name).exists():
            paths[name] = classifier
    read = {name: weights.read_tensors(path) for name, path in paths.items()}
    files: dict[str, bytes | Path] = {**paths}
    files[hub.SUMS] = weights.sums_text({name: file.sha256 for name, file in read.items()}).encode()
    curves = DOCS / f"curves-{model.config.preset}.png" if shipped else model.path.with_name("curves.png")
    if curves.exists():
        files["curves.png"] = curves
    files["samples.png"] = samples_of(model)
    recipe = {
        "config": model.config.to_dict(),
        "training": noted(read[hub.MODEL].metadata.get("training", "{}"), model.path),
    }
    files["README.md"] = hub.card(
        TEMPLATE,
        {**ABOUT, "model_name": repo.split("/")[-1]},
        results_of(model),
        repo=repo,
        config=model.config,
        bank=has_bank,
        curves=curves.exists(),
        recipe=json.dumps(recipe, indent=2),
    )
    return files


def results_of(model: VAE) -> dict[str, float]:
    """Test figures by name: of the run's report.json, or of docs/evaluation.json for a shipped model."""
    assert model.path is not None  # noqa: S101 -- `contents` has asked; mypy cannot know
    report = model.path.with_name("report.json")
    found: dict[str, Any] = {}
    if report.exists():
        found = noted(report.read_text(errors="replace"), report).get("test", {})
    elif model.path.parent == weights.SHIPPED:
        found = row_of(evaluation()["models"], "model", model.config.preset)
        found = {**found, "total": found.get("nelbo")}
    return {name: float(found[key]) for key, name in NATS.items() if found.get(key) is not None}


def noted(text: str, path: Path) -> dict[str, Any]:
    """The JSON object that a file holds; raises WeightsError naming it."""
    try:
        return parse_object(text)
    except ValueError as error:
        raise WeightsError(f"{path} is damaged ({error}): train the model again") from error


def samples_of(model: VAE) -> bytes:
    """A hundred digits of the prior, as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(render.grid(prior_samples(model, 100), columns=20)).save(buffer, "PNG")
    return buffer.getvalue()
