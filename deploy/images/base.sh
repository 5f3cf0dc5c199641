#!/usr/bin/env bash
# Makes a base image where no image registry is reachable: Debian by debootstrap, with the Node that node-versions.json
# declares, from its npm package, and with this machine's npm.
#   deploy/images/base.sh [name:tag]        then: npm run images -- --base name:tag
# Needs root, a Docker engine, debootstrap, a Debian mirror (MIRROR, else the default one of debootstrap), and `npm ci` here.
set -euo pipefail

name="${1:-bulk-base:local}"
suite="${SUITE:-bookworm}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# First of all, since it is the quickest to fail.
node="$(cd "$root" && node --import tsx tools/src/development/nodes/path.ts)"
work="$(mktemp -d)"
trap 'rm -rf --one-file-system "$work"' EXIT

debootstrap --variant=minbase --include=ca-certificates,libstdc++6 "$suite" "$work/root" ${MIRROR:+"$MIRROR"} >"$work/log" 2>&1 ||
  { tail -20 "$work/log" >&2; exit 1; }

install -m 755 "$node" "$work/root/usr/local/bin/node"
# npm is only needed by the stage that builds; its folder is where this machine's npm has it.
npm_folder="$(cd "$(dirname "$(readlink -f "$(command -v npm)")")/.." && pwd)"
mkdir -p "$work/root/usr/local/lib/node_modules"
cp -a "$npm_folder" "$work/root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
# What a machine's owner has added to the trusted authorities holds for what is built on it.
cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$work/root/var/cache/apt/archives"/*.deb "$work/root/var/lib/apt/lists"/* \
  "$work/root/usr/share"/{doc,man,locale,info}/*

tar -C "$work/root" -c . | docker import \
  --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' --change 'CMD ["node"]' - "$name" >/dev/null
docker run --rm "$name" node --version
echo "made $name"
