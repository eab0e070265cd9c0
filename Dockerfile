# The page on a server of your own, without a GPU: docker compose up --build, then http://localhost:7860
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# --build-arg WITH=requirements-qdrant.txt: what an index on a Qdrant server needs too
ARG WITH=requirements-cpu.txt
COPY requirements-cpu.txt requirements-qdrant.txt ./
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu -r requirements-cpu.txt -r ${WITH}

COPY app.py LICENSE ./
COPY umr ./umr
COPY indexes ./indexes

# A user who owns nothing of the program; what visitors send lies in /tmp, votes in /var/lib/umr.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent umr && install -d -o umr /var/lib/umr
USER umr
ENV UMR_CACHE=/var/lib/umr HF_HOME=/tmp/huggingface HF_HUB_OFFLINE=1 GRADIO_TEMP_DIR=/tmp/gradio
VOLUME ["/var/lib/umr"]

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
# json: a line for each request, without what was sent
CMD ["python", "app.py", "--host", "0.0.0.0", "--port", "7860", "--log", "json"]
