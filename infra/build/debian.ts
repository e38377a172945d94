/**
 * The Debian package: the executable, units, sysctl and helpers. Written here byte by byte (an `ar` of two gzipped
 * tars, deb(5)), so that it is built anywhere, and the same input gives the same bytes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "bun";
import { type TarEntry, tar } from "./tar.ts";
import { ROOT, type Target } from "./targets.ts";

/** What goes where, besides the executable. Kept in step with infra/image/Containerfile, which takes the package. */
const FILES: readonly (readonly [from: string, to: string, mode: number])[] = [
  ["infra/systemd/burrow-relay.service", "/usr/lib/systemd/system/burrow-relay.service", 0o644],
  ["infra/systemd/burrow-coordinator.service", "/usr/lib/systemd/system/burrow-coordinator.service", 0o644],
  ["infra/systemd/burrow-agent.service", "/usr/lib/systemd/system/burrow-agent.service", 0o644],
  ["infra/systemd/burrow-health.service", "/usr/lib/systemd/system/burrow-health.service", 0o644],
  ["infra/systemd/burrow-health.timer", "/usr/lib/systemd/system/burrow-health.timer", 0o644],
  ["infra/systemd/burrow-forget.service", "/usr/lib/systemd/system/burrow-forget.service", 0o644],
  ["infra/systemd/burrow-forget.timer", "/usr/lib/systemd/system/burrow-forget.timer", 0o644],
  ["infra/systemd/sysctl.conf", "/usr/lib/sysctl.d/60-burrow.conf", 0o644],
  ["infra/systemd/sysusers.conf", "/usr/lib/sysusers.d/burrow.conf", 0o644],
  ["infra/lib/drain", "/usr/lib/burrow/drain", 0o755],
  ["infra/lib/health", "/usr/lib/burrow/health", 0o755],
  ["infra/lib/forget", "/usr/lib/burrow/forget", 0o755],
  ["infra/lib/find-addresses", "/usr/lib/burrow/find-addresses", 0o755],
];

const DESCRIPTION = `Description: edge relay mesh: coordinator, relay and agent
 Agents talk at once through the nearest relay, carrying WireGuard packets that
 no relay can read, and directly as soon as a path is found.
`;

/** Restarts what runs, one after the other's stop: the relay's stop drains it first. */
const AFTER_INSTALL = `#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
systemd-sysusers /usr/lib/sysusers.d/burrow.conf
install -d -m 0755 /etc/burrow
if [ -d /run/systemd/system ]; then
  sysctl --quiet --system >/dev/null 2>&1 || true
  systemctl daemon-reload
  for unit in burrow-coordinator burrow-relay burrow-agent; do
    systemctl try-restart "$unit.service"
  done
fi
`;

const BEFORE_REMOVE = `#!/bin/sh
set -e
[ "$1" = remove ] && [ -d /run/systemd/system ] || exit 0
systemctl disable --now burrow-health.timer burrow-forget.timer burrow-relay.service burrow-coordinator.service burrow-agent.service
`;

const AFTER_REMOVE = `#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0
rm -rf /etc/burrow /var/lib/burrow
`;

export const packageFileName = (target: Target, version: string): string =>
  `burrow_${version}_${target.debian}.deb`;

export function debianPackage(target: Target, version: string, executable: Uint8Array): Uint8Array {
  const files: TarEntry[] = [
    { path: "/usr/bin/burrow", mode: 0o755, content: executable },
    ...FILES.map(([from, path, mode]) => ({ path, mode, content: readFileSync(join(ROOT, from)) })),
    { path: "/usr/share/doc/burrow/copyright", mode: 0o644, content: text("License: Apache-2.0\n") },
  ];
  const control = [
    { path: "/control", mode: 0o644, content: text(controlFile(target, version, files)) },
    { path: "/postinst", mode: 0o755, content: text(AFTER_INSTALL) },
    { path: "/prerm", mode: 0o755, content: text(BEFORE_REMOVE) },
    { path: "/postrm", mode: 0o755, content: text(AFTER_REMOVE) },
  ];
  return ar([
    ["debian-binary", text("2.0\n")],
    ["control.tar.gz", gzipSync(tar(control))],
    ["data.tar.gz", gzipSync(tar(files))],
  ]);
}

/** A time daemon is among what it depends on: tickets and certificates expire by the clock. */
function controlFile(target: Target, version: string, files: readonly TarEntry[]): string {
  const kilobytes = Math.ceil(files.reduce((sum, { content }) => sum + content.length, 0) / 1024);
  return `Package: burrow
Version: ${version}
Architecture: ${target.debian}
Maintainer: Burrow's maintainers <burrow@localhost>
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.17), libstdc++6, systemd, systemd-timesyncd | time-daemon, procps, curl, iproute2
Suggests: wireguard-tools, python3
Section: net
Priority: optional
${DESCRIPTION}`;
}

const text = (content: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(content);

/** The common format of ar(5): a magic line, then 60 bytes of header before each file, padded to even length. */
function ar(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const parts = files.flatMap(([name, content]) => [
    text(`${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`),
    text(`${String(content.length).padEnd(10)}\`\n`),
    content,
    text(content.length % 2 === 0 ? "" : "\n"),
  ]);
  return Buffer.concat([text("!<arch>\n"), ...parts]);
}
