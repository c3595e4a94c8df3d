# docker build -t stylecinegan .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" stylecinegan generate photo=lake.jpg
# With a GPU: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 -t stylecinegan .
#             docker run --rm --gpus all …
FROM python:3.12-slim

# The compiler makes joint splatting fast; OpenCV's wheel needs the two libraries.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# Before the project's files, so that a change of them does not download PyTorch again.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir "torch>=2.10" --index-url "$TORCH_INDEX"

COPY . /src
RUN pip install --no-cache-dir "/src[app]" && rm -rf /src

# Whoever runs the container owns neither a home nor a cache.
ENV HOME=/tmp XDG_CACHE_HOME=/tmp/cache
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["stylecinegan"]
CMD ["--help"]
