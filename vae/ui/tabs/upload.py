"""Upload: pictures of handwritten numbers, one or several a side.

The page makes each picture smaller and sends it with the request, so that it is never written to disk.
"""

from __future__ import annotations

import gradio as gr

from vae.ui.theme import static


def zone(side: str, which: str) -> gr.HTML:
    """Where pictures of the number `which` ("first") are chosen, known to the page's script as `side`."""
    name = {"source": "From", "target": "To"}[side]
    template = static("upload.html").replace("{name}", name).replace("{which}", which)
    return gr.HTML(
        html_template=template.replace("{side}", side),
        js_on_load=f"digitMorph.mountUpload(element, '{side}')",
        apply_default_css=False,
        elem_id=f"upload-{side}",
        elem_classes=["for-upload"],
    )
