# One image for migrate, api and worker. The lock is the same one that the tests ran with; it also
# pins the test tools, because a second lock for the image could drift from the tested versions.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/watchkeeper
ENV PATH=/opt/watchkeeper/bin:$PATH
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY sdk sdk
COPY evaluators evaluators
COPY migrations migrations
COPY service service
RUN pip install --no-cache-dir --no-deps --no-build-isolation . ./sdk

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/watchkeeper --create-home watchkeeper
COPY --from=build /opt/watchkeeper /opt/watchkeeper
ENV PATH=/opt/watchkeeper/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WATCHKEEPER_DATA_DIR=/var/lib/watchkeeper
WORKDIR /var/lib/watchkeeper
USER watchkeeper
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["watchkeeper", "serve", "--host", "0.0.0.0", "--port", "8000"]
