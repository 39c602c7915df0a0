"""The page: everything that knows Gradio. `app.py` puts it together; nothing else imports it."""
