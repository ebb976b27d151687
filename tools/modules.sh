#!/bin/sh
# Installs the npm packages that package-lock.json names, once for each content of the lockfile, and makes sure that
# the pinned Bun really runs: npm 11 runs a package's install script only where package.json allows it.
set -eu
cd "$(dirname "$0")/.."

if ls /lib/ld-musl-* >/dev/null 2>&1 && ! ls /lib*/ld-linux-* /lib*/*/ld-linux-* >/dev/null 2>&1; then
  echo 'underlay: this is a musl system; Underlay needs glibc (Debian, Ubuntu, Fedora, SUSE, ...)' >&2
  exit 1
fi

stamp=node_modules/.installed-lock.json
wanted=$(node -p 'require("./package.json").devDependencies.bun')
works() { [ "$(node_modules/.bin/bun --version 2>/dev/null)" = "$wanted" ]; }

if cmp -s package-lock.json "$stamp" && works; then exit 0; fi
if [ -L node_modules ]; then
  echo 'underlay: node_modules is a link to packages of another lockfile; install them where it points to' >&2
  exit 1
fi
npm ci --no-audit --no-fund
works || node node_modules/bun/install.js
works || { echo "underlay: npm installed no working Bun $wanted for this machine" >&2; exit 1; }
cp package-lock.json "$stamp"
