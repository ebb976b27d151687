#!/bin/sh
# Prints the Bun executable that programs for a platform are made of: tools/runtime.sh x64|arm64
# npm installs only the packages of the machine's own CPU; another one's is fetched once, as the same package of the
# same version, and must have the hash that package-lock.json has for it.
set -eu
cd "$(dirname "$0")/.."

case $1 in
  # The baseline runtime runs on x86-64 machines without AVX2 too.
  x64) name=bun-linux-x64-baseline ;;
  arm64) name=bun-linux-aarch64 ;;
  *) echo "underlay: no Bun for $1; x64 and arm64 are supported" >&2; exit 1 ;;
esac
if [ -e "node_modules/@oven/$name/bin/bun" ]; then echo "node_modules/@oven/$name/bin/bun"; exit 0; fi

lock() { node -p "require('./package-lock.json').packages['node_modules/@oven/$name'].$1"; }
version=$(lock version)
folder=node_modules/.cache/underlay/$name-$version
if [ ! -e "$folder/package/bin/bun" ]; then
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  npm pack --silent --pack-destination "$folder.new" "@oven/$name@$version" >/dev/null
  node -e '
    const [file, wanted] = process.argv.slice(1);
    const hash = require("crypto").createHash("sha512").update(require("fs").readFileSync(file)).digest("base64");
    if (`sha512-${hash}` !== wanted) {
      console.error(`underlay: ${file} is not what package-lock.json names: sha512-${hash}, not ${wanted}`);
      process.exit(1);
    }' "$folder.new"/*.tgz "$(lock integrity)"
  tar -xzf "$folder.new"/*.tgz -C "$folder.new"
  rm "$folder.new"/*.tgz
  rm -rf "$folder"
  mv "$folder.new" "$folder"
fi
echo "$folder/package/bin/bun"
