# One image for all processes; its default is the Procfile's web line. See docs/deploy.md.
FROM python:3.11-slim AS packages
COPY requirements.txt .
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home outloud
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY Procfile celeryconfig.py ./
COPY worker worker
COPY web web
# What it writes is a cache; everything that lasts is in Redis.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/tmp/outloud
USER outloud
STOPSIGNAL SIGTERM
# As a list, without a shell between: SIGTERM must reach the process itself, which becomes gunicorn.
CMD ["python", "-m", "web"]
