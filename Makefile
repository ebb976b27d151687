# The verbs of this repository. Each one installs what it needs and says what it cannot install.

BUN := node_modules/.bin/bun
SOURCES = $(shell find src packaging -type f ! -name '*.test.ts' ! -name '*.golden.ts')

.PHONY: help build dist check test lab demo bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make build   dist/underlay, one executable'
	@echo 'make dist    tarballs for x86-64 and arm64, with their SHA-256, in dist'
	@echo 'make check   types, lint, architecture and unit tests, in under a minute; needs no root'
	@echo 'make test    every test there is, on real kernels and dockerds; needs root'
	@echo 'make lab     the part of it in virtual machines, with a kernel that has VLANs and ipvlan; needs root'
	@echo 'make demo    two containers on a LAN of their own, shown and torn down; needs root'
	@echo 'make bench   what Docker users wait for, ours against the built-in driver; needs root'
	@echo 'make clean   removes what build made'

build: dist/underlay

# The order-only prerequisite runs every time and does nothing when the lockfile is already installed.
dist/underlay: $(SOURCES) package.json package-lock.json tools/build.sh tools/runtime.sh | modules
	@tools/build.sh $@

VERSION := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)
TARBALLS = dist/underlay-$(VERSION)-linux-x64.tar.gz dist/underlay-$(VERSION)-linux-arm64.tar.gz
READING = LICENSE README.md CONTRIBUTING.md $(shell find docs -name '*.md')

dist: $(TARBALLS)

# One run makes both.
$(TARBALLS) &: $(SOURCES) $(READING) package.json package-lock.json tools/build.sh tools/runtime.sh tools/dist.ts | modules
	@tools/need.sh tar:tar gzip:gzip git:git
	@$(BUN) tools/dist.ts

.PHONY: modules
modules:
	@tools/modules.sh

check: modules
	@$(BUN) tools/check.ts

test: dist/underlay
	@tools/need.sh nsenter:util-linux setpriv:util-linux flock:util-linux ip:iproute2 strace:strace cc:gcc python3:python3 busybox:busybox-static mkfs.ext4:e2fsprogs
	@$(BUN) tools/test.ts

# `make lab SCRIPT=FILE DOCKER=newest` runs one script in a guest with that dockerd instead.
lab: dist/underlay
	@tools/need.sh setpriv:util-linux flock:util-linux ip:iproute2 cc:gcc mkfs.ext4:e2fsprogs
	@$(BUN) $(if $(SCRIPT),tools/lab.ts run '$(SCRIPT)' $(DOCKER),tools/test.ts lab)

demo: dist/underlay
	@tools/need.sh nsenter:util-linux setpriv:util-linux flock:util-linux ip:iproute2 busybox:busybox-static
	@$(BUN) tools/demo.ts

bench: dist/underlay
	@tools/need.sh nsenter:util-linux setpriv:util-linux flock:util-linux ip:iproute2 cc:gcc mkfs.ext4:e2fsprogs
	@$(BUN) bench/driver.ts
	@$(BUN) bench/docker.ts
	@$(BUN) bench/cni.ts
	@$(BUN) bench/netavark.ts
	@$(BUN) bench/ovs.ts
	@$(BUN) bench/vlans.ts
	@$(BUN) bench/vlan-lab.ts
	@$(BUN) bench/ovs-lab.ts

clean:
	rm -rf dist
