# One image for all roles: `docker run headrace coordinator`, `… worker`, `… submit primes count 0 1e9`.
# compose.yaml says how they fit together.

# Any Debian-based Python from 3.11 on; all stages share it, for a virtual environment points to
# the Python that it was made with.
ARG PYTHON_IMAGE=python:3.14-slim

# What is installed is locked, with hashes (`make lock`); no other change of the source installs
# anything again.
FROM ${PYTHON_IMAGE} AS dependencies
RUN python -m venv --without-pip /opt/headrace
COPY requirements/image.txt .
# Packages bring their own tests, which nothing here imports.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/headrace/bin/python install --require-hashes --requirement image.txt \
 && find /opt/headrace -type d -name tests -prune -exec rm -r {} +

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /build
COPY requirements/build.txt /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --requirement /tmp/build.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM ${PYTHON_IMAGE}
# What is compiled is compiled below, once; nobody may write beside it later.
ENV PYTHONDONTWRITEBYTECODE=1
# The library's package is named after its binary interface, which differs between releases of
# Debian: libprimesieve11 in bookworm, libprimesieve12 in trixie.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends '^libprimesieve[0-9]+(t64)?$' \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# Named volumes begin as copies of these folders. Any user may write to them, so that compose.yaml
# can run all roles as the user who owns the files that they work on.
RUN mkdir /keys \
 && mkdir -m 1777 /data /key /keys/client /keys/worker /files /observer /shared /unreported
COPY --from=dependencies /opt/headrace /opt/headrace
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/headrace/bin/python install --no-cache-dir --no-deps --no-index /wheel/*.whl
# What an image FROM this one adds with pip goes where headrace finds it.
RUN printf '%s\n' '#!/bin/sh' 'exec /usr/local/bin/pip --python /opt/headrace/bin/python "$@"' \
        >/opt/headrace/bin/pip \
 && chmod 755 /opt/headrace/bin/pip
# The list of all parts, in CycloneDX: `docker run --rm --entrypoint cat IMAGE /usr/share/headrace/sbom.cdx.json`.
RUN --mount=type=bind,source=requirements/sbom.py,target=/tmp/sbom.py \
    mkdir /usr/share/headrace \
 && /opt/headrace/bin/python -I /tmp/sbom.py >/usr/share/headrace/sbom.cdx.json
# A container has a network of its own: what is bound to its loopback is of no use to anybody.
ENV PATH=/opt/headrace/bin:$PATH \
    HEADRACE_BIND=0.0.0.0:7333 \
    HEADRACE_HTTP=0.0.0.0:7380 \
    HEADRACE_DATA=/data \
    HEADRACE_KEY_FILE=/key/key
# `make image` says which commit it is built from, and where that is published.
ARG VERSION=0.2.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="headrace" \
      org.opencontainers.image.description="multiprocessing.Pool across machines, with no broker" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /files
USER 1000:1000
ENTRYPOINT ["headrace"]
CMD ["--help"]
