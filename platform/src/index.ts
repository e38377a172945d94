/** The doors to the operating system. */
export * from "./udp/address-table.ts";
export * from "./udp/dual-stack.ts";
export * from "./udp/open.ts";
export * from "./udp/socket.ts";
