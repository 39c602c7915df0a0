"""Digit Morph: one handwritten number turns into another, through the latent space of a VAE.

import vae

model = vae.load()                            # the shipped flagship
frames = vae.morph(model, vae.type_digits("32"), vae.read_digits("drawing.png"), steps=60)
vae.write_video(frames, "out.mp4")
"""

from vae.errors import BadRequest, EmptyDrawing, UnreadablePicture, WeightsError
from vae.model import VAE, VAEConfig
from vae.morphing import morph, morph_sequence
from vae.reading import type_digits
from vae.request import MorphRequest, MorphResult, produce
from vae.sketch import read_digits
from vae.video import write_video
from vae.weights import load

__all__ = [
    "VAE",
    "BadRequest",
    "EmptyDrawing",
    "MorphRequest",
    "MorphResult",
    "UnreadablePicture",
    "VAEConfig",
    "WeightsError",
    "load",
    "morph",
    "morph_sequence",
    "produce",
    "read_digits",
    "type_digits",
    "write_video",
]
