"""What Gradio and what it is built on refuse, in a visitor's words.

Seen on gradio 6.31: `{"error": null}` for missing values, "Internal Server Error" for an unknown function,
lists of pydantic's with the request in them, paths of files, "Queue is full. Max size is 32 and size is 32."
`exchange` keeps such an answer back and `guard` gives one of these sentences; what is said in a stream of events
or by MCP is put right where Gradio makes it, by `put_right`.
"""

from __future__ import annotations

import re
from typing import Any

from gradio import Blocks, queueing, routes
from gradio.exceptions import Error
from gradio.route_utils import FnIndexInferError
from gradio.server_messages import UnexpectedErrorMessage
from gradio.utils import error_payload

from vae.errors import BadRequest
from vae.ui.messages import NEUTRAL
from vae.ui.server.bodies import Refused
from vae.ui.server.pictures import MAX_FILE, MiB

REQUEST = "Something in this request is missing or of the wrong kind."
VALUES = "One of the values that were sent is missing or of the wrong kind."
NO_FUNCTION = "There is no such function."
GONE = "This is not here any more; please ask for it again."
BUSY = "Many people are here just now; please try again in a few seconds."
SENTENCES = {
    403: "That file is not here: files are kept for ten minutes.",
    404: "There is nothing here.",
    405: "This address is not asked in this way.",
    406: "An answer by MCP is JSON or a stream of events; please accept both.",
    413: f"This is too large: a picture may have at most {MAX_FILE // MiB} MB.",
}
FUNCTIONS = re.compile("/gradio_api/(call|run|queue)(/|$)")
LONGEST = 250  # characters of a sentence
MCP_MISSING = re.compile(r"Input validation error: '(\w{1,40})' is a required property")
MCP_FILE = "Invalid file data format"
MCP_PICTURE = "A picture is given as an address (https://...) or as a data: URL."


def of_status(status: int, path: str) -> Refused:
    """Instead of an answer of Gradio's. 422 becomes 400: Gradio's own client expects a list with the former."""
    if status == 404 and FUNCTIONS.match(path):
        return Refused(404, NO_FUNCTION)
    if status == 503:
        return Refused(503, BUSY, [(b"retry-after", b"5")])
    otherwise = NEUTRAL if status >= 500 else REQUEST
    return Refused(400 if status == 422 else status, SENTENCES.get(status, otherwise))


def of_error(error: Exception, path: str) -> Refused:
    """Instead of the 500 that Gradio makes of whatever a request makes it raise."""
    if FUNCTIONS.match(path):
        if isinstance(error, KeyError | FnIndexInferError):
            return Refused(404, NO_FUNCTION)
        if isinstance(error, TypeError | ValueError):
            return Refused(400, VALUES)
    if isinstance(error, TypeError) and path.startswith("/gradio_api/upload"):  # a field that is no file
        return Refused(400, REQUEST)
    return Refused(500, NEUTRAL)


def payload(error: BaseException | None, show_error: bool) -> dict[str, Any]:
    """What an event ends with. Our own functions raise sentences: what else comes, Gradio has raised on its way to
    them, over values that it could not take."""
    return error_payload(error if isinstance(error, Error) else Error(of_event(error)), show_error)


def of_event(error: BaseException | None) -> str:
    if isinstance(error, BadRequest):
        return str(error)
    if few := re.search(r"enough input values \(needed: (\d+), got: (\d+)\)", str(error)):
        return f"This function takes {few[1]} values, and {few[2]} came."
    return VALUES if isinstance(error, ValueError | TypeError | LookupError | AttributeError) else NEUTRAL


class PlainMessage(UnexpectedErrorMessage):
    """The end of a stream of events; Gradio says "404: Not Found" where it knows none."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**{**fields, "message": GONE if fields.get("session_not_found") else NEUTRAL})


def by_mcp(text: str) -> str:
    """What a tool says that was not carried out."""
    if missing := MCP_MISSING.match(text):
        return f"The argument {missing[1]} is missing."
    if text.startswith("Unknown tool"):
        return NO_FUNCTION
    if text.startswith(MCP_FILE):
        return MCP_PICTURE
    is_sentence = re.fullmatch(rf"[A-Z][a-z]* [^\n{{}}\[\]]{{,{LONGEST}}}[.!?]", text) and "Error" not in text
    return text if is_sentence else VALUES


def put_right(blocks: Blocks) -> None:
    """Have Gradio speak so."""
    queueing.error_payload = payload
    routes.utils.error_payload = payload
    routes.UnexpectedErrorMessage = PlainMessage
    if mcp := blocks.mcp_server_obj:
        server = mcp.mcp_server
        make = server._make_error_result
        server._make_error_result = lambda text: make(by_mcp(text))
