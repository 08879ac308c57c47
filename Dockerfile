# The server, `soundstage serve`. For an NVIDIA GPU, build with --build-arg JAX="jax[cuda12]".
FROM python:3.12-slim

ARG JAX="jax"
# Compiled code and downloaded models are kept in the volume /cache, which outlives the container.
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 XDG_CACHE_HOME=/cache XDG_DATA_HOME=/cache
# Any user may write there: `docker run --user` and some clusters choose the id.
RUN useradd soundstage && mkdir --mode 1777 /cache
WORKDIR /app
COPY pyproject.toml README.md LICENSE pipeline.toml ./
# The folders of `package-dir` in pyproject.toml, which joins them.
COPY soundstage soundstage
COPY graph graph
COPY presets presets
COPY audio audio
COPY kernels kernels
COPY stages stages
COPY runners runners
COPY verification verification
COPY testing testing
COPY apps apps
COPY training training
RUN pip install ".[serve,published]" "$JAX"
USER soundstage
VOLUME /cache
EXPOSE 8080
HEALTHCHECK --start-period=120s CMD ["soundstage", "health"]
# SOUNDSTAGE_TOKEN must hold a token: without one the server refuses to listen on 0.0.0.0.
ENTRYPOINT ["soundstage", "serve", "--host", "0.0.0.0", "--log-format", "json"]
