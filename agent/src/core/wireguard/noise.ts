/**
 * The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as in WireGuard §5.4. Pure functions from keys and messages to
 * keys and messages; who the peers are, indices, clocks and MACs belong to others. Nothing is stored here, so a
 * caller computes first and commits after a message has proved itself.
 *
 *   initiator                                         responder
 *   writeInitiation ──── e, es, s, ss, {timestamp} ──▶ openInitiation, authenticateInitiation
 *   openResponse    ◀─── e, ee, se, psk, {}     ────── writeResponse
 */
import {
  equalBytes,
  utf8,
  WIREGUARD_TAG_LENGTH,
  WireGuardInitiation,
  WireGuardResponse,
  WireGuardType,
  wireGuardKind,
  wireGuardSender,
} from "@burrow/protocol";
import { writeU32 } from "./bytes.ts";
import { hash, kdf1, kdf2, kdf3 } from "./hash.ts";
import { KEY_LENGTH, type WireGuardPrimitives } from "./primitives.ts";
import { TIMESTAMP_LENGTH } from "./tai64n.ts";

const CONSTRUCTION = hash(utf8("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
const IDENTIFIED = hash(CONSTRUCTION, utf8("WireGuard v1 zx2c4 Jason@zx2c4.com"));
const NOTHING = new Uint8Array(0);

export interface StaticKeys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** What an initiator keeps until the response comes. */
export interface PendingInitiation {
  readonly chainKey: Uint8Array;
  readonly transcript: Uint8Array;
  readonly ephemeralPrivate: Uint8Array;
}

/** An initiation whose static key could be read. Anybody can claim any key up to here. */
export interface OpenedInitiation {
  readonly initiatorKey: Uint8Array;
  readonly chainKey: Uint8Array;
  readonly transcript: Uint8Array;
}

/** An initiation that only the owner of the static key can have written (or replayed: compare the timestamp). */
export interface AuthenticatedInitiation extends OpenedInitiation {
  readonly timestamp: Uint8Array;
}

/** Keys of the two directions, as this side uses them. */
export interface SessionKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/**
 * Writes an initiation, MACs excepted, into `out` (148 bytes, MACs zeroed). `staticStatic` is the Diffie-Hellman
 * result of both static keys. Undefined when the responder's key is of low order.
 */
export function writeInitiation(
  primitives: WireGuardPrimitives,
  local: StaticKeys,
  responder: { readonly publicKey: Uint8Array; readonly staticStatic: Uint8Array },
  fresh: { readonly ephemeralPrivate: Uint8Array; readonly sender: number; readonly timestamp: Uint8Array },
  out: Uint8Array,
): PendingInitiation | undefined {
  const ephemeral = primitives.x25519Public(fresh.ephemeralPrivate);
  const ephemeralStatic = primitives.x25519(fresh.ephemeralPrivate, responder.publicKey);
  if (ephemeralStatic === undefined) return undefined;

  const at = WireGuardInitiation;
  writeHeader(out, WireGuardType.initiation, fresh.sender);
  out.set(ephemeral, at.ephemeral);
  const chain1 = kdf1(CONSTRUCTION, ephemeral);
  const transcript1 = hash(hash(IDENTIFIED, responder.publicKey), ephemeral);

  const [chain2, staticKey] = kdf2(chain1, ephemeralStatic);
  out.set(local.publicKey, at.static);
  sealField(primitives, staticKey, out, at.static, KEY_LENGTH, transcript1);
  const transcript2 = hash(transcript1, out.subarray(at.static, at.timestamp));

  const [chain3, timestampKey] = kdf2(chain2, responder.staticStatic);
  out.set(fresh.timestamp, at.timestamp);
  sealField(primitives, timestampKey, out, at.timestamp, TIMESTAMP_LENGTH, transcript2);
  const transcript3 = hash(transcript2, out.subarray(at.timestamp, at.mac1));

  out.fill(0, at.mac1, at.length);
  wipe(chain1, chain2, ephemeralStatic);
  return { chainKey: chain3, transcript: transcript3, ephemeralPrivate: fresh.ephemeralPrivate };
}

/** First half of reading an initiation: who claims to call? One Diffie-Hellman. Undefined when forged. */
export function openInitiation(
  primitives: WireGuardPrimitives,
  local: StaticKeys,
  message: Uint8Array,
): OpenedInitiation | undefined {
  const at = WireGuardInitiation;
  const ephemeral = message.subarray(at.ephemeral, at.static);
  const ephemeralStatic = primitives.x25519(local.privateKey, ephemeral);
  if (ephemeralStatic === undefined) return undefined;
  const chain1 = kdf1(CONSTRUCTION, ephemeral);
  const transcript1 = hash(hash(IDENTIFIED, local.publicKey), ephemeral);
  const [chainKey, staticKey] = kdf2(chain1, ephemeralStatic);
  wipe(chain1, ephemeralStatic);
  const sealed = message.subarray(at.static, at.timestamp);
  const initiatorKey = openField(primitives, staticKey, sealed, transcript1);
  if (initiatorKey === undefined) return undefined;
  return { initiatorKey, chainKey, transcript: hash(transcript1, sealed) };
}

/** Second half: proves that the caller owns the key it claims. Undefined when it does not. */
export function authenticateInitiation(
  primitives: WireGuardPrimitives,
  opened: OpenedInitiation,
  staticStatic: Uint8Array,
  message: Uint8Array,
): AuthenticatedInitiation | undefined {
  const at = WireGuardInitiation;
  const [chainKey, timestampKey] = kdf2(opened.chainKey, staticStatic);
  const sealed = message.subarray(at.timestamp, at.mac1);
  const timestamp = openField(primitives, timestampKey, sealed, opened.transcript);
  if (timestamp === undefined) return undefined;
  return {
    initiatorKey: opened.initiatorKey,
    chainKey,
    transcript: hash(opened.transcript, sealed),
    timestamp,
  };
}

/**
 * Writes the response to an authenticated initiation, MACs excepted, into `out` (92 bytes, MACs zeroed), and derives
 * the responder's session keys. Undefined when the initiator's ephemeral key is of low order.
 */
export function writeResponse(
  primitives: WireGuardPrimitives,
  initiation: AuthenticatedInitiation,
  message: Uint8Array,
  presharedKey: Uint8Array,
  fresh: { readonly ephemeralPrivate: Uint8Array; readonly sender: number },
  out: Uint8Array,
): SessionKeys | undefined {
  const theirEphemeral = message.subarray(WireGuardInitiation.ephemeral, WireGuardInitiation.static);
  const ephemeral = primitives.x25519Public(fresh.ephemeralPrivate);
  const ee = primitives.x25519(fresh.ephemeralPrivate, theirEphemeral);
  const se = primitives.x25519(fresh.ephemeralPrivate, initiation.initiatorKey);
  if (ee === undefined || se === undefined) return undefined;

  const at = WireGuardResponse;
  const { chainKey, emptyKey, transcript } = mixResponse(initiation, ephemeral, ee, se, presharedKey);
  writeHeader(out, WireGuardType.response, fresh.sender);
  writeU32(out, at.receiver, wireGuardSender(message));
  out.set(ephemeral, at.ephemeral);
  sealField(primitives, emptyKey, out, at.empty, 0, transcript);
  out.fill(0, at.mac1, at.length);
  const [receive, send] = kdf2(chainKey, NOTHING);
  wipe(chainKey, ee, se);
  return { send, receive };
}

/** Reads the response to `pending` and derives the initiator's session keys. Undefined when it is forged. */
export function openResponse(
  primitives: WireGuardPrimitives,
  local: StaticKeys,
  pending: PendingInitiation,
  presharedKey: Uint8Array,
  message: Uint8Array,
): SessionKeys | undefined {
  const at = WireGuardResponse;
  const ephemeral = message.subarray(at.ephemeral, at.empty);
  const ee = primitives.x25519(pending.ephemeralPrivate, ephemeral);
  const se = primitives.x25519(local.privateKey, ephemeral);
  if (ee === undefined || se === undefined) return undefined;
  const { chainKey, emptyKey, transcript } = mixResponse(pending, ephemeral, ee, se, presharedKey);
  const empty = openField(primitives, emptyKey, message.subarray(at.empty, at.mac1), transcript);
  const [send, receive] = kdf2(chainKey, NOTHING);
  wipe(chainKey, ee, se);
  if (empty !== undefined) return { send, receive };
  wipe(send, receive);
  return undefined;
}

/**
 * Who wrote this initiation to the owner of `privateKey`? Changes nothing, and so does not know replays. For a device
 * that leaves the cryptography to another WireGuard and only needs to know whose packet it carries. Undefined when it
 * is not an initiation, not for this key, or forged.
 */
export function initiatorOf(
  primitives: WireGuardPrimitives,
  privateKey: Uint8Array,
  message: Uint8Array,
): Uint8Array | undefined {
  if (wireGuardKind(message) !== "initiation") return undefined;
  const local = { privateKey, publicKey: primitives.x25519Public(privateKey) };
  const opened = openInitiation(primitives, local, message);
  if (opened === undefined || equalBytes(opened.initiatorKey, local.publicKey)) return undefined;
  const staticStatic = primitives.x25519(privateKey, opened.initiatorKey);
  if (staticStatic === undefined) return undefined;
  return authenticateInitiation(primitives, opened, staticStatic, message)?.initiatorKey;
}

/** What both sides mix on a response: e, ee, se, psk. Leaves the state it starts from untouched. */
function mixResponse(
  state: { readonly chainKey: Uint8Array; readonly transcript: Uint8Array },
  ephemeral: Uint8Array,
  ee: Uint8Array,
  se: Uint8Array,
  presharedKey: Uint8Array,
): { chainKey: Uint8Array; emptyKey: Uint8Array; transcript: Uint8Array } {
  const chain1 = kdf1(state.chainKey, ephemeral);
  const chain2 = kdf1(chain1, ee);
  const chain3 = kdf1(chain2, se);
  const [chainKey, mixed, emptyKey] = kdf3(chain3, presharedKey);
  wipe(chain1, chain2, chain3);
  return { chainKey, emptyKey, transcript: hash(hash(state.transcript, ephemeral), mixed) };
}

/** Handshake keys are used once, with counter 0; they are wiped here. */
function sealField(
  primitives: WireGuardPrimitives,
  key: Uint8Array,
  out: Uint8Array,
  offset: number,
  length: number,
  ad: Uint8Array,
): void {
  const aead = primitives.aeadKey(key);
  aead.seal(0, out, offset, length, ad);
  aead.destroy();
  wipe(key);
}

function openField(
  primitives: WireGuardPrimitives,
  key: Uint8Array,
  sealed: Uint8Array,
  ad: Uint8Array,
): Uint8Array | undefined {
  const out = new Uint8Array(sealed.length - WIREGUARD_TAG_LENGTH);
  const aead = primitives.aeadKey(key);
  const isGenuine = aead.open(0, sealed, 0, sealed.length, out, 0, ad);
  aead.destroy();
  wipe(key);
  return isGenuine ? out : undefined;
}

function writeHeader(out: Uint8Array, type: number, sender: number): void {
  writeU32(out, 0, type);
  writeU32(out, WireGuardInitiation.sender, sender);
}

function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}
