# The local stack in a container, for tests and trials: docs/machines.md. A deployment needs none.
FROM node:24-slim
# The browser that makes PDFs, with the libraries that it needs, and ps, which watches its memory.
RUN apt-get update && apt-get install -y --no-install-recommends chromium procps && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN npm ci
ENV BIND=0.0.0.0 DATA_DIR=/data CHROMIUM=/usr/bin/chromium
VOLUME /data
EXPOSE 3000
CMD ["npm", "start"]
