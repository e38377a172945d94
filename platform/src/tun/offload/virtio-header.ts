/**
 * What stands before each packet that passes a TUN device opened with IFF_VNET_HDR (linux/virtio_net.h), in the byte
 * order of the machine:
 *
 *   struct virtio_net_hdr    0  1 flags    1  1 GSO type    2  2 header length
 *                            4  2 segment size    6  2 checksum start    8  2 checksum offset
 *
 * Header length is a hint that forwarded packets have wrong; what reads it here computes its own.
 */

export const VirtioHeader = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  segmentSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  size: 10,
} as const;

export const VirtioNumber = {
  /** The checksum field holds the sum of the pseudo header; the rest is to be added. */
  VIRTIO_NET_HDR_F_NEEDS_CSUM: 1,
  VIRTIO_NET_HDR_GSO_NONE: 0,
  VIRTIO_NET_HDR_GSO_TCPV4: 1,
  VIRTIO_NET_HDR_GSO_TCPV6: 4,
  /** A flag beside the type: the first segment has CWR. */
  VIRTIO_NET_HDR_GSO_ECN: 0x80,
} as const;

/** linux/virtio_net.h of Linux 6.2; older headers do not name it. */
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
