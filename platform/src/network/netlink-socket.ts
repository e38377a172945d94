/**
 * A netlink socket that hears of links, addresses and routes. Bun's own event loop reads it, as a file that can be
 * polled: no thread stands blocked for what happens once a day, and no timer looks for it.
 */
import { closeDescriptor, PinnedMemory, system, systemError } from "../udp/linux/system.ts";
import { networkChanges } from "./netlink-messages.ts";

/** linux/socket.h, linux/netlink.h, asm-generic/fcntl.h. */
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** struct sockaddr_nl: family, padding, port id (the kernel's choice), groups. */
const SOCKADDR_NL_LENGTH = 12;
const GROUPS_AT = 8;
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

export interface NetlinkSocket {
  close(): void;
}

/**
 * Calls back for every datagram that tells of a change; `failed` once, when no more will come: the kernel had no room
 * (ENOBUFS), so changes were missed. Throws where there is no netlink. Keeps the process alive until it is closed.
 */
export function openNetlink(changed: () => void, failed: () => void): NetlinkSocket {
  const fd = system().socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) throw systemError("socket");
  const address = new PinnedMemory(SOCKADDR_NL_LENGTH);
  address.view.setUint16(0, AF_NETLINK, true);
  address.view.setUint32(GROUPS_AT, GROUPS, true);
  if (system().bind(fd, address.bytes, SOCKADDR_NL_LENGTH) !== 0) {
    const error = systemError("bind");
    closeDescriptor(fd);
    throw error;
  }
  const reader = Bun.file(fd).stream().getReader();
  let isClosed = false;
  const read = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done || isClosed) return;
      if (networkChanges(value).size > 0) changed();
    }
  };
  read()
    .catch(() => {})
    .then(() => {
      closeDescriptor(fd);
      if (!isClosed) failed();
    });
  return {
    close: () => {
      if (isClosed) return;
      isClosed = true;
      // Ends the read that is waiting, after which the descriptor is closed.
      reader.cancel().catch(() => {});
    },
  };
}
