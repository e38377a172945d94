/**
 * Runs the agent's cold code once before it is needed: handshakes, sealing, probes and Binds between two engines in
 * memory. A first packet would otherwise wait for the compiler, some 50 ms on a small machine.
 */
import type { Primitives } from "@burrow/platform";
import {
  agentIdOf,
  COOKIE_LENGTH,
  encodeBind,
  encodeProbe,
  NONCE_LENGTH,
  openBind,
  openProbe,
  type Sealer,
  TICKET_LENGTH,
  TUNNEL_MTU_BYTES,
  transactionOf,
} from "@burrow/protocol";
import { echoRequest } from "../core/icmp.ts";
import { bytesOf } from "../core/packets.ts";
import { parseAllowedIp, WireGuardEngine } from "../core/wireguard/index.ts";

const HANDSHAKES = 3;
const PACKETS = 30;

/** Takes some 50 ms once; nothing of it is kept. */
export function warmUp(primitives: Primitives, sealer: Sealer): void {
  for (let i = 0; i < HANDSHAKES; i++) exchange(primitives);
  const key = primitives.randomBytes(32);
  const id = agentIdOf(key);
  for (let i = 0; i < PACKETS; i++) {
    const nonce = primitives.randomBytes(NONCE_LENGTH);
    const transaction = transactionOf(primitives.randomBytes(8));
    const header = { kind: "probe", receiver: id, sender: id } as const;
    openProbe(encodeProbe(header, { transaction, observed: undefined }, key, nonce, sealer), key, sealer);
    const bind = { sequence: i, cookie: new Uint8Array(COOKIE_LENGTH), leaving: false, flows: [] };
    openBind(encodeBind(bind, new Uint8Array(TICKET_LENGTH), key, nonce, sealer), key, sealer);
  }
}

/** Two engines, a handshake, and packets both ways. */
function exchange(primitives: Primitives): void {
  const now = performance.now();
  const keys = [primitives.randomBytes(32), primitives.randomBytes(32)] as const;
  const wire: { readonly to: 0 | 1; readonly datagram: Uint8Array }[] = [];
  const engineOf = (own: 0 | 1) =>
    new WireGuardEngine<number>({
      privateKey: keys[own],
      primitives,
      random: (out) => out.set(primitives.randomBytes(out.length)),
      wallClock: () => Date.now(),
      mtuBytes: TUNNEL_MTU_BYTES,
      cookieSource: () => new Uint8Array(1),
      sink: {
        transmit: (_peer, datagrams) => {
          for (let i = 0; i < datagrams.count; i++) {
            wire.push({ to: own === 0 ? 1 : 0, datagram: bytesOf(datagrams, i).slice() });
          }
        },
        deliver: () => {},
        authenticated: () => {},
        established: () => {},
        dropped: () => {},
      },
    });
  const engines = [engineOf(0), engineOf(1)] as const;
  const everything = parseAllowedIp("0.0.0.0/0");
  const allowedIps = everything === undefined ? [] : [everything];
  engines[0].addPeer({ publicKey: engines[1].publicKey, allowedIps }, now);
  engines[1].addPeer({ publicKey: engines[0].publicKey, allowedIps }, now);
  const deliverAll = () => {
    for (let next = wire.shift(); next !== undefined; next = wire.shift()) {
      engines[next.to].receive(next.datagram, 0, now);
    }
  };
  for (let i = 0; i < PACKETS; i++) {
    engines[0].send(echoRequest("192.0.2.1", "192.0.2.2", 1, i), now);
    deliverAll();
    engines[1].send(echoRequest("192.0.2.2", "192.0.2.1", 1, i), now);
    deliverAll();
  }
}
