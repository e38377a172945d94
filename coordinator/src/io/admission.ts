/** Letting a stranger in: the challenge, the proof of its key, and its enrolment by the store. */
import {
  type Bytes,
  channelProof,
  DATAGRAMS_PATH,
  type Endpoint,
  endpoint,
  fromBase64,
  type Hello,
  invariant,
  type KeyText,
  keyFromText,
  keyToText,
  PROTOCOL_VERSION,
  proofMatches,
  RELAY_ENDPOINTS_MAX,
  type RelayHello,
  type RelayId,
  relayIdOf,
  splitEndpoint,
  type ToAgent,
  toBase64,
  type WebsocketDoor,
} from "@burrow/protocol";
import type { AgentRecord, NetworkRecord, RelayRecord } from "../core/records.ts";
import type { Refused } from "../core/refused.ts";
import { refuseEndpoints } from "../core/relay-endpoints.ts";
import type { RandomBytes } from "../core/ticket-office.ts";
import { isLoopback } from "./client-address.ts";
import { hashSecret } from "./operator.ts";
import type { Store } from "./store/store.ts";

/** The part of the platform's cryptography that proofs need. */
export interface KeyAgreement {
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  x25519Public(privateKey: Uint8Array): Uint8Array;
}

/** Made for one connection and used once. */
export interface Challenge {
  readonly nonce: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export type Admitted =
  | {
      readonly kind: "agent";
      readonly record: AgentRecord;
      readonly network: NetworkRecord;
      readonly acceptsOutside: boolean;
      readonly isNew: boolean;
    }
  | { readonly kind: "relay"; readonly record: RelayRecord; readonly isNew: boolean };

export function makeChallenge(keys: KeyAgreement, random: RandomBytes): Challenge {
  const privateKey = random(32);
  return { nonce: random(32), privateKey, publicKey: keys.x25519Public(privateKey) };
}

export function challengeMessage({ nonce, publicKey }: Challenge): ToAgent {
  return {
    type: "challenge",
    protocol: PROTOCOL_VERSION,
    nonce: toBase64(nonce),
    key: keyToText(publicKey),
  };
}

export function provesKey(keys: KeyAgreement, challenge: Challenge, hello: Hello): boolean {
  const key = keyFromText(hello.key);
  const proof = fromBase64(hello.proof);
  if (key === undefined || proof === undefined) return false;
  const shared = keys.x25519(challenge.privateKey, key);
  if (shared === undefined) return false;
  return proofMatches(channelProof(shared, challenge.nonce, challenge.publicKey, key), proof);
}

export interface Admission {
  readonly store: Store;
  readonly random: RandomBytes;
  readonly isHeldByOther: (endpoint: Endpoint, than: RelayId) => boolean;
  /** Where the hello comes from. */
  readonly address: string;
  /** Unix milliseconds. */
  readonly now: number;
}

/**
 * `hello` must have proven its key. The outcome is told in the store's order of changes; what is refused before it gets
 * there, at once. Rejects only when the store fails; nothing has changed then.
 */
export async function admit(
  hello: Hello,
  { store, random, isHeldByOther, address, now }: Admission,
  decided: (outcome: Admitted | Refused) => void,
): Promise<void> {
  const { key, version } = hello;
  const tokenHash = hello.token === undefined ? undefined : hashSecret(hello.token);
  if (hello.role === "agent") {
    const { name, nameHint, acceptsOutside } = hello;
    await store.enrolAgent({ key, tokenHash, name, nameHint, version }, now, (outcome) => {
      if (outcome.kind === "refused") return decided(outcome);
      const { record, network, isNew } = outcome;
      decided({ kind: "agent", record, network, acceptsOutside, isNew });
    });
    return;
  }
  const { region, at } = hello;
  const endpoints = endpointsOf(hello, address);
  const id = relayIdOf(keyBytes(key));
  const refusal = refuseEndpoints(endpoints, {
    isLocal: isLoopback(address),
    isHeldByOther: (endpoint) => isHeldByOther(endpoint, id),
  });
  if (refusal !== undefined) return decided(refusal);
  const websocket = websocketDoorOf(hello, address);
  const request = { key, tokenHash, region, at, endpoints, websocket, version, freshTicketKey: random(32) };
  await store.enrolRelay(request, now, (outcome) => {
    if (outcome.kind === "refused") return decided(outcome);
    decided({ kind: "relay", record: outcome.record, isNew: outcome.isNew });
  });
}

function keyBytes(key: KeyText): Bytes {
  const bytes = keyFromText(key);
  invariant(bytes !== undefined, "a key that was proven is no key");
  return bytes;
}

/** Where the relay is reached by UDP: stated or seen, and then the same addresses at its further ports. */
function endpointsOf({ endpoints, port, furtherPorts = [] }: RelayHello, address: string): Endpoint[] {
  const first = endpoints.length > 0 ? endpoints : [endpoint(address, port)];
  const addresses = new Set(first.map((of) => splitEndpoint(of).address));
  const further = furtherPorts.flatMap((other) => [...addresses].map((of) => endpoint(of, other)));
  return [...new Set([...first, ...further])].slice(0, RELAY_ENDPOINTS_MAX);
}

/** Where agents reach the relay's WebSocket door, from what it says and where it connects from. */
function websocketDoorOf(hello: RelayHello, address: string): WebsocketDoor | undefined {
  if (hello.websocket === undefined) return undefined;
  const { url, port, certificate } = hello.websocket;
  return { url: url ?? `wss://${endpoint(address, port)}${DATAGRAMS_PATH}`, certificate };
}
