/** Who is who: keys, and the short ids made from them. */
import { blake2s } from "@noble/hashes/blake2.js";
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { fromBase64, fromHex, toBase64, toHex, utf8 } from "./encoding.ts";

/** X25519 public key, 32 bytes. */
export type PublicKey = Bytes & { readonly __brand?: "PublicKey" };
/** A public key as WireGuard prints it: 44 characters of base64. Usable as a map key. */
export type KeyText = string & { readonly __brand: "KeyText" };

/**
 * 8 bytes as 16 hex digits, made from a key: nobody uses another's without that key. 64 bits are short enough for
 * a determined search to find a second key with some agent's id, so the coordinator enrols an id for one key only.
 */
export type AgentId = string & { readonly __brand: "AgentId" };
export type RelayId = string & { readonly __brand: "RelayId" };
/** 8 random bytes as 16 hex digits. */
export type NetworkId = string & { readonly __brand: "NetworkId" };

export const KEY_LENGTH = 32;
export const ID_LENGTH = 8;
const KEY_TEXT_LENGTH = 44;

const ID_PATTERN = /^[0-9a-f]{16}$/;

export function agentIdOf(key: PublicKey): AgentId {
  return deriveId("burrow agent id v1", key) as AgentId;
}

export function relayIdOf(key: PublicKey): RelayId {
  return deriveId("burrow relay id v1", key) as RelayId;
}

export function isId(text: string): boolean {
  return ID_PATTERN.test(text);
}

export function idFromBytes<Id extends AgentId | RelayId | NetworkId>(bytes: Bytes): Id {
  return toHex(bytes) as Id;
}

export function idToBytes(id: AgentId | RelayId | NetworkId): Bytes {
  const bytes = fromHex(id);
  if (bytes?.length !== ID_LENGTH) throw new Error(`not an id: ${id}`);
  return bytes;
}

/** An id as two numbers, its first and its last four bytes (little-endian): for packet paths, which make no strings. */
export interface IdWords {
  first: number;
  last: number;
}

export function idWords(id: AgentId | RelayId): IdWords {
  const reader = new Reader(idToBytes(id));
  return { first: reader.u32(), last: reader.u32() };
}

export function idOfWords<Id extends AgentId | RelayId>({ first, last }: IdWords): Id {
  return idFromBytes(new Writer(ID_LENGTH).u32(first).u32(last).finish());
}

export function keyToText(key: PublicKey): KeyText {
  return toBase64(key) as KeyText;
}

export function keyFromText(text: string): PublicKey | undefined {
  if (text.length !== KEY_TEXT_LENGTH) return undefined;
  const key = fromBase64(text);
  return key?.length === KEY_LENGTH ? key : undefined;
}

/**
 * Is this the one encoding of its point? X25519 ignores the top bit and reduces modulo 2^255 - 19 (RFC 7748 §5), so
 * one private key fits several encodings, and each would make another id. What `wg pubkey` prints is canonical.
 */
export function isCanonicalKey(key: PublicKey): boolean {
  if (key.length !== KEY_LENGTH || (key[31] ?? 0) > 0x7f) return false;
  const isAllOnes = key[31] === 0x7f && key.subarray(1, 31).every((byte) => byte === 0xff);
  return !isAllOnes || (key[0] ?? 0) < 0xed;
}

function deriveId(label: string, key: PublicKey): string {
  return toHex(blake2s(key, { key: utf8(label), dkLen: ID_LENGTH }));
}
