#!/bin/sh
# Frees UDP port 53, where systemd-resolved answers this machine's own questions; they go to its servers directly then.
set -eu
systemctl is-active --quiet systemd-resolved.service || exit 0
mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nDNSStubListener=no\n' >/etc/systemd/resolved.conf.d/burrow.conf
[ "$(readlink -f /etc/resolv.conf)" != /run/systemd/resolve/stub-resolv.conf ] ||
  ln -sfn /run/systemd/resolve/resolv.conf /etc/resolv.conf
systemctl restart systemd-resolved.service
