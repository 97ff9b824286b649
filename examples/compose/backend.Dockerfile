# The backend as it was before refitd: no modules. Its code is examples/backend and the Dockerfile
# there builds all that follow; this one differs by taking gen_modules.py from where it is kept.
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}
WORKDIR /app
ENV PYTHONPATH=/app/lib PYTHONUNBUFFERED=1
COPY examples/backend/requirements.txt dist/wheel[s]/psycopg*.whl dist/wheel[s]/typing_extensions*.whl wheels/
RUN set -e; if ls wheels/*.whl >/dev/null 2>&1; \
    then for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" lib; done; \
    else python3 -m pip install --no-cache-dir --target lib -r wheels/requirements.txt; fi
COPY examples/backend daemon/refitd/gen_modules.py ./
ARG MODULES=""
RUN python3 gen_modules.py --language python && python3 -c 'import service, registered_modules'
USER 65534:65534
EXPOSE 8080
HEALTHCHECK --interval=1s --timeout=5s --start-period=5s --retries=3 CMD ["python3", "healthcheck.py"]
CMD ["python3", "service.py"]
