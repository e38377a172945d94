#!/bin/sh
# Installs the TLS proxy; its package must not ask about the configuration that is there before it. Safe to run again.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --quiet --no-install-recommends --option DPkg::Lock::Timeout=300 \
  --option Dpkg::Options::=--force-confold caddy
