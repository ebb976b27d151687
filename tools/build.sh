#!/bin/sh
# Compiles the program to one executable: tools/build.sh OUTFILE
# The two no-autoload flags matter: without them a compiled Bun runs `.env` and `bunfig.toml` of its working directory.
set -eu
cd "$(dirname "$0")/.."
out=$1

case $(uname -m) in
  # The baseline runtime runs on x86-64 machines without AVX2 too.
  x86_64) set -- --compile-executable-path node_modules/@oven/bun-linux-x64-baseline/bin/bun ;;
  aarch64) set -- ;;
  *) echo "underlay: no Bun for $(uname -m); x86_64 and aarch64 are supported" >&2; exit 1 ;;
esac

mkdir -p "$(dirname "$out")"
node_modules/.bin/bun build --compile --minify --bytecode --format=esm \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig "$@" \
  src/main.ts src/netlink/worker.ts --outfile "$out"
