# An image of mpserver, built from this folder:
#
#   docker build -t mpserver .
#   docker run --rm -p 8080:8080 -v "$PWD/site:/srv/site:ro" mpserver
#   docker run --rm -p 8080:8080 -v "$PWD/site:/srv/site:ro" -w /srv/site mpserver serve shop:app --bind 0.0.0.0:8080
#
# The second command serves by conf/container.conf, which includes site/site.conf; the third a WSGI application without
# a configuration. What applications need is installed by an image of one's own: FROM mpserver, USER root,
# RUN pip install --no-cache-dir flask, USER 10001:10001.

ARG PYTHON=3.14

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md MANIFEST.in ./
COPY mpserver mpserver
COPY mod_python mod_python
COPY docs docs
COPY conf conf
RUN python -m venv /opt/mpserver && /opt/mpserver/bin/pip install --no-cache-dir .

FROM python:${PYTHON}-slim
# (the account has no right to change what it runs; only its pid file and control socket are its own)
RUN groupadd --gid 10001 mpserver \
    && useradd --uid 10001 --gid 10001 --home-dir /srv/site --no-create-home --shell /usr/sbin/nologin mpserver \
    && install -d -o 10001 -g 10001 /run/mpserver \
    && install -d /srv/site/www
COPY --from=build /opt/mpserver /opt/mpserver
COPY conf/container.conf /etc/mpserver/httpd.conf
ENV PATH=/opt/mpserver/bin:$PATH
USER 10001:10001
WORKDIR /srv/site
EXPOSE 8080
# The master is the first process: it reaps what others leave, and ends gracefully by TERM (ShutdownDelay says so).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9901/livez', timeout=4)"]
ENTRYPOINT ["mpserver"]
CMD ["-D", "FOREGROUND", "-f", "/etc/mpserver/httpd.conf"]
