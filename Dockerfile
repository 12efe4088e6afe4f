# One image for the web server and both kinds of worker. `--build-arg LONGREAD_TORCH=cuda` for an NVIDIA GPU; without it torch is the CPU build.
FROM python:3.11-slim

ENV GOMP_SPINCOUNT=4000 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LONGREAD_HOME=/data

# A font with most of the world's letters, for exports as PDF.
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*

WORKDIR /app
RUN useradd --create-home --uid 10001 longread && install -d -o longread -g longread /data

# Requirements first: they change seldom, and are the long part of a build.
ARG LONGREAD_TORCH=cpu
COPY requirements.txt .
RUN if [ "$LONGREAD_TORCH" = cpu ]; then \
        pip install --extra-index-url https://download.pytorch.org/whl/cpu "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)"; \
    fi \
    && pip install -r requirements.txt

# The base weights next: fetched by their checksums into var/models, again only when the code that fetches them changes.
COPY engine engine
RUN python -m engine.loading.bundled && chown -R longread:longread var

COPY . .

USER longread
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "webapp.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
