/** Bytes as text and back: hex for ids, base64 for keys (as WireGuard writes them), UTF-8 for labels. */
/// <reference lib="esnext.typedarrays" />
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Bytes } from "./bytes.ts";

export const utf8 = utf8ToBytes;
export const toHex = bytesToHex;

/** Bytes of a hex string, or undefined when it is not one. */
export function fromHex(text: string): Bytes | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined;
  return hexToBytes(text);
}

/** RFC 4648 §4, with padding. */
export function toBase64(bytes: Bytes): string {
  return bytes.toBase64();
}

/** Bytes of padded, canonical base64 (RFC 4648 §4, §3.5), or undefined. */
export function fromBase64(text: string): Bytes | undefined {
  // The language skips white space and throws at padding bits that are not zero; neither can happen after this.
  if (text.length % 4 !== 0 || !CANONICAL.test(text)) return undefined;
  return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
}

/** Of the last symbol before padding, the bits that stand for no byte are zero. */
const CANONICAL = /^[A-Za-z0-9+/]*(?:[AQgw]==|[AEIMQUYcgkosw048]=)?$/;
