/**
 * Addresses inside the mesh. IPv4 from 100.64.0.0/10 (RFC 6598) is handed out by the coordinator, one per agent of
 * a network; IPv6 is a unique local address (RFC 4193) that anyone can compute from the network and the key.
 */
import { blake2s } from "@noble/hashes/blake2.js";
import ipaddr from "ipaddr.js";
import { utf8 } from "./encoding.ts";
import { type AgentId, idToBytes, type NetworkId } from "./ids.ts";

export const OVERLAY_V4_PREFIX = "100.64.0.0/10";

/**
 * Tunnel MTU that fits every path, a trunk over IPv6 included: 1500 - 40 (IPv6) - 8 (UDP) - 48 (trunk) - 32
 * (WireGuard) = 1372, down to a multiple of 16, since WireGuard pads to that.
 */
export const TUNNEL_MTU_BYTES = 1360;

const OVERLAY_V4_BASE = 0x6440_0000;
const OVERLAY_V4_SIZE = 0x40_0000;

/** fdNN:NNNN:NNNN::/64 of a network: 40 bits of a hash of its id, as RFC 4193 §3.2 wants them random. */
export function overlayPrefix6(network: NetworkId): string {
  return `${ula(network, new Uint8Array(8))}/64`;
}

export function overlayAddress6(network: NetworkId, agent: AgentId): string {
  return ula(network, idToBytes(agent));
}

/** The n-th IPv4 address of the overlay; n from 1. Undefined past its end. */
export function overlayAddress4(n: number): string | undefined {
  if (!Number.isInteger(n) || n < 1 || n >= OVERLAY_V4_SIZE - 1) return undefined;
  const address = OVERLAY_V4_BASE + n;
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

function ula(network: NetworkId, host: Uint8Array): string {
  const hash = blake2s(idToBytes(network), { key: utf8("burrow ula v1"), dkLen: 5 });
  return ipaddr.fromByteArray([0xfd, ...hash, 0, 0, ...host]).toString();
}
