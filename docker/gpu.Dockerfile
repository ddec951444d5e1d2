# docker build -f docker/gpu.Dockerfile -t tfzoo-gpu .
# docker run --rm --gpus all -v "$PWD":/work -v tfzoo-cache:/cache tfzoo-gpu detect photos --out found
#
# The host needs an NVIDIA driver and the NVIDIA Container Toolkit; CUDA and cuDNN come with the
# wheels of tensorflow[and-cuda].
FROM python:3.12-slim
COPY . /src
RUN pip install --no-cache-dir "/src[gpu,evaluate,chart]" && rm -rf /src
ENV TFZOO_CACHE=/cache
VOLUME /cache
WORKDIR /work
ENTRYPOINT ["tfzoo"]
CMD ["--help"]
