# hawser in an image, from the packages that `npm run pack` has made of the addons for Linux with glibc:
#
#   docker build --tag hawser .
#   docker run --rm --init --publish 7707:7707 --volume "$PWD/inbox:/data/inbox" --volume hawser:/config \
#     hawser receive inbox --port 7707 --advertise HOST
FROM node:22-slim

# Without optional packages: those are the same addons again, from the registry.
RUN --mount=type=bind,source=build/packages,target=/packages \
  npm install --global --omit=optional --no-audit --no-fund --no-update-notifier \
    /packages/hawser-[0-9]*.tgz "/packages/hawser-native-linux-$(node -p process.arch)-gnu-"*.tgz \
  && npm cache clean --force

# The user `node` of that image. Folders that are mounted there must be writable for it, or --user names another.
RUN mkdir /config /data && chown 1000:1000 /config /data
USER 1000:1000
ENV HAWSER_CONFIG_DIR=/config
VOLUME /config
WORKDIR /data
ENTRYPOINT ["hawser"]
CMD ["--help"]
