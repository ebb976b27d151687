#!/bin/sh
# Compiles the program to one executable: tools/build.sh OUTFILE [x64|arm64]
# The two no-autoload flags matter: without them a compiled Bun runs `.env` and `bunfig.toml` of its working directory.
# The runtime is handed in, so that none is downloaded.
set -eu
cd "$(dirname "$0")/.."
out=$1

case ${2:-$(uname -m)} in
  x64 | x86_64) arch=x64 ;;
  arm64 | aarch64) arch=arm64 ;;
  *) echo "underlay: no Bun for ${2:-$(uname -m)}; x64 and arm64 are supported" >&2; exit 1 ;;
esac
runtime=$(tools/runtime.sh "$arch")

mkdir -p "$(dirname "$out")"
node_modules/.bin/bun build --compile --minify --bytecode --format=esm --splitting \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  --target="bun-linux-$arch" --compile-executable-path "$runtime" \
  src/main.ts src/netlink/worker.ts --outfile "$out"
