# Digit Morph, served on port 7860 without root:
#   docker build -t digit-morph . && docker run --rm -p 7860:7860 --read-only --tmpfs /tmp digit-morph
# Everything that is written while it runs goes to /tmp.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HF_HOME=/tmp/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    GRADIO_TEMP_DIR=/tmp/gradio \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    OMP_NUM_THREADS=1

WORKDIR /app
# torch first, from PyTorch's index of builds for the CPU: PyPI's brings 5 GB for graphics cards. Whatever else is
# installed must have one of the hashes in the lock; to take it for constraints needs the pip that it names.
RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    grep -oE '^torch(vision)?==[^ ;]+' /tmp/requirements.lock > /tmp/torch.txt \
    && pip install "$(grep -oE '^pip==[^ ;]+' /tmp/requirements.lock)" \
    && pip install --no-deps -r /tmp/torch.txt --index-url https://download.pytorch.org/whl/cpu \
    && pip install -r /tmp/requirements.txt -c /tmp/requirements.lock \
    && rm /tmp/torch.txt
COPY app.py train.py ./
COPY vae vae
COPY weights weights
COPY docs/evaluation.json docs/
COPY docs/training docs/training

RUN useradd --uid 1000 --no-create-home visitor
USER 1000
EXPOSE 7860
# Ready once the weights are loaded; the first start reads 900 MB of libraries.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'] + '/healthz', timeout=4)"]
CMD ["python", "app.py"]
