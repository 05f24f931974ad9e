# The worker's image, in two stages: the first checks every locked package against its hash, the second installs
# from those files alone what the worker needs, without the network, the test tools and the embedded servers.

FROM python:3.11-slim AS wheels
WORKDIR /build
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --no-deps --require-hashes --wheel-dir /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE penstock.py ./
COPY jobs jobs
COPY settings settings
COPY worker worker
COPY embedded embedded
RUN pip install --no-cache-dir --no-index --find-links /wheels hatchling \
 && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels penstock \
 && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent penstock
# An empty directory: nothing in it can stand in for one of the worker's modules.
WORKDIR /srv/penstock
USER 10001
HEALTHCHECK --interval=10s --timeout=10s --start-period=20s --retries=3 CMD ["penstock", "info"]
CMD ["penstock", "worker"]
