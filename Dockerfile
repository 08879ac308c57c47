# soundstage as a server. Build with --build-arg JAX="jax[cuda12]" for an NVIDIA GPU.
FROM python:3.12-slim

ARG JAX="jax"
# Compiled code and downloaded models outlive the container: both lie in the volume.
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 XDG_CACHE_HOME=/cache XDG_DATA_HOME=/cache
RUN useradd --create-home soundstage && mkdir /cache && chown soundstage /cache
WORKDIR /app
COPY pyproject.toml README.md LICENSE soundstage.py pipeline.toml ./
COPY graph graph
COPY stages stages
COPY runners runners
COPY training training
RUN pip install ".[serve,musiccoca]" "$JAX"
USER soundstage
VOLUME /cache
EXPOSE 8080
HEALTHCHECK --start-period=120s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz')"]
# The token comes in SOUNDSTAGE_TOKEN: without one, it refuses to listen beyond its own machine.
ENTRYPOINT ["soundstage", "serve", "--host", "0.0.0.0", "--log-format", "json"]
