/** The structures and numbers of TUN devices, as this machine's C compiler and headers have them. */
import { expect, test } from "bun:test";
import { compiled, compilerFor } from "../testing/c-layout.ts";
import { IFREQ_FLAGS, IFREQ_LENGTH, TunFeature, TunNumber } from "./kernel.ts";
import { VIRTIO_NET_HDR_GSO_UDP_L4, VirtioHeader, VirtioNumber } from "./offload/virtio-header.ts";

const hasCompiler = compilerFor("the layouts of TUN devices");

const V = (field: string) => `offsetof(struct virtio_net_hdr, ${field})`;
const PAIRS: readonly (readonly [string, number])[] = [
  [V("flags"), VirtioHeader.flags],
  [V("gso_type"), VirtioHeader.gsoType],
  [V("hdr_len"), VirtioHeader.headerLength],
  [V("gso_size"), VirtioHeader.segmentSize],
  [V("csum_start"), VirtioHeader.checksumStart],
  [V("csum_offset"), VirtioHeader.checksumOffset],
  ["sizeof(struct virtio_net_hdr)", VirtioHeader.size],
  ["sizeof(struct ifreq)", IFREQ_LENGTH],
  ["offsetof(struct ifreq, ifr_flags)", IFREQ_FLAGS],
  ["VIRTIO_NET_HDR_GSO_UDP_L4", VIRTIO_NET_HDR_GSO_UDP_L4],
  ...Object.entries(VirtioNumber),
  ...Object.entries(TunNumber),
  ...Object.entries(TunFeature).map(([name, value]) => [`TUN_F_${name}`, value] as const),
];

const HEADERS = [
  ...["stddef.h", "stdio.h", "sys/ioctl.h", "sys/socket.h"],
  ...["linux/if.h", "linux/if_tun.h", "linux/virtio_net.h"],
];

/** Linux 6.2; older headers do not name them. */
const NEWER = new Map([
  ["TUN_F_USO4", 0x20],
  ["TUN_F_USO6", 0x40],
  ["VIRTIO_NET_HDR_GSO_UDP_L4", 5],
]);

test.skipIf(!hasCompiler)("the C compiler agrees with every offset and number", () => {
  expect(compiled(HEADERS, NEWER, PAIRS)).toEqual(PAIRS.map(([expression, value]) => [expression, value]));
});
