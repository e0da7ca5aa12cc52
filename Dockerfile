# The container image of Orders, built by `make image`.
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
WORKDIR /build
# A virtual environment without pip, at its final path.
RUN python -m venv --without-pip /opt/orders
COPY requirements.txt requirements-build.txt ./
# The build backend stays in this stage.
RUN pip install --no-cache-dir --require-hashes --requirement requirements-build.txt && \
    pip --python /opt/orders/bin/python install --no-cache-dir --no-compile --no-deps \
      --only-binary :all: --require-hashes --requirement requirements.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY orders_core orders_core
COPY adapters adapters
COPY entrypoints entrypoints
ARG SOURCE_DATE_EPOCH=0
# Reproducible: bytecode is validated by hash, not by time, and compiled with a fixed hash seed;
# every file gets the source's time.
RUN pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir dist . && \
    pip --python /opt/orders/bin/python install --no-cache-dir --no-compile --no-deps --no-index \
      dist/*.whl && \
    PYTHONHASHSEED=0 /opt/orders/bin/python -m compileall -qf --invalidation-mode unchecked-hash \
      /opt/orders/lib && \
    find /opt/orders -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON}
ARG SOURCE_DATE_EPOCH=0
# The service needs no pip. Reset the directories' times to the source's.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
      /usr/local/bin/pip* && \
    touch --date="@${SOURCE_DATE_EPOCH}" /usr/local/lib/python3* /usr/local/bin \
      /usr/local/lib/python3*/site-packages
COPY --from=build /opt/orders /opt/orders
ENV PATH=/opt/orders/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000 9000
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Orders" \
      org.opencontainers.image.description="Takes orders over HTTP, keeps them in PostgreSQL, never loses or duplicates one." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["orders", "check", "--running"]
ENTRYPOINT ["orders"]
# As arguments: in the environment, they would apply to every other command too.
CMD ["serve", "--listen", "0.0.0.0:8000", "--ops-listen", "0.0.0.0:9000"]
