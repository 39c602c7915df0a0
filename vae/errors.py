"""What can be wrong with a request, said in the visitor's words.

    ValueError
    └── BadRequest            one plain sentence that may be shown to a visitor as it is
        ├── EmptyDrawing      nothing was drawn
        ├── UnreadablePicture not a picture, too large, or of a format we do not open
        └── Busy              too many requests at once, of one visitor or of all

    RuntimeError
    └── WeightsError          weights or bank missing, damaged, or of another model
                              (for whoever runs the program: names the file and what to do)

Every other exception is a defect of ours; the page shows a neutral sentence for it.
"""


class BadRequest(ValueError):
    """The request cannot be carried out; the message is one sentence for the visitor."""


class EmptyDrawing(BadRequest):
    """There is no ink to read."""


class UnreadablePicture(BadRequest):
    """The file is not a picture we open, or is too large to."""


class Busy(BadRequest):
    """There is no room for the request just now; the message says when there may be."""


class WeightsError(RuntimeError):
    """A weights file or a bank is missing, damaged or does not fit; the message says what to do."""
