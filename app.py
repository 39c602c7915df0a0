"""The page: draw or type two handwritten numbers and watch one turn into the other.

    python app.py                                  serve on http://127.0.0.1:7860
    python app.py --host 0.0.0.0 --port 8080       for other machines
    python app.py --share                          with a public link, for a week at most
    python app.py --share --auth user:password     the same, for those who know the password
    python app.py --weights runs/NAME              with a model that train.py left there, or a preset
    python app.py --weights user/repo              with a model from the Hugging Face Hub
    python app.py --threads 2                      cores for one morph; 1 suits a busy server

Everything it needs lies in weights/: nothing is downloaded, and the page asks no other host for anything.
GRADIO_SERVER_NAME, GRADIO_SERVER_PORT (or PORT), GRADIO_ROOT_PATH, DIGIT_MORPH_WEIGHTS and
DIGIT_MORPH_AUTH say the same as the options, as containers and Spaces do; docs/deploying.md has more.
"""

from vae.ui.serve import host_and_port, main, report_to_zero_gpu

__all__ = ["host_and_port", "main", "report_to_zero_gpu"]

if __name__ == "__main__":
    main(manual=__doc__)
