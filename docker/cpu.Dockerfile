# docker build -f docker/cpu.Dockerfile -t tfzoo .
# docker run --rm -v "$PWD":/work -v tfzoo-cache:/cache tfzoo detect photos --out found
FROM python:3.12-slim
COPY . /src
RUN pip install --no-cache-dir "/src[openvino,onnx,evaluate,chart]" && rm -rf /src
ENV TFZOO_CACHE=/cache
VOLUME /cache
WORKDIR /work
ENTRYPOINT ["tfzoo"]
CMD ["--help"]
