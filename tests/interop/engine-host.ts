/**
 * Hosts the WireGuard engine on a UDP socket and a TUN device: `bun engine-host.ts SETTINGS`, inside a namespace.
 * Reads `initiate` (a new handshake with every peer) and `report` from standard input, line by line; prints `ready`
 * and, per `report`, one line of JSON.
 */
import { nativePrimitives, openTun, openUdp } from "@burrow/platform";
import {
  type Endpoint,
  invariant,
  keyFromText,
  keyToText,
  utf8,
  type WireGuardKind,
  wireGuardKind,
} from "@burrow/protocol";
import { bytesOf, RoomyCopy } from "../../agent/src/core/packets.ts";
import {
  DEFAULT_LOAD_LIMITS,
  DropReason,
  initiatorOf,
  type LoadLimits,
  type PeerHandle,
  parseAllowedIp,
  SPECIFIED_TIMINGS,
  WireGuardEngine,
  type WireGuardTimings,
} from "../../agent/src/core/wireguard/index.ts";

const DATAGRAM_BYTES_MAX = 65_535;

export interface HostSettings {
  readonly privateKey: string;
  readonly port: number;
  readonly tunName: string;
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number }[];
  readonly mtu: number;
  readonly peer: {
    readonly publicKey: string;
    readonly presharedKey?: string;
    readonly allowedIps: readonly string[];
    readonly endpoint?: string;
  };
  readonly timings?: Partial<WireGuardTimings>;
  readonly loadLimits?: LoadLimits;
}

type KindCounts = Partial<Record<WireGuardKind | "other", number>>;

export interface HostReport {
  /** Without what had no route: the system sends multicast of its own into every device. */
  readonly drops: Readonly<Record<string, number>>;
  /** Of transport data that came. */
  readonly transportDrops: Readonly<Record<string, number>>;
  readonly sent: KindCounts;
  readonly received: KindCounts;
  /** Initiations and responses that carried a MAC2. */
  readonly sentWithCookie: number;
  readonly sessions: readonly { readonly role: string; readonly atMs: number }[];
  /** Whom the initiations that came were from, as `initiatorOf` reads them. */
  readonly initiators: readonly string[];
  /** Where the peer last spoke from. */
  readonly peerEndpoint: string | undefined;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as HostSettings;
const privateKey = keyOf(settings.privateKey);
const primitives = nativePrimitives();
const now = () => performance.now();

const counts = { sent: {} as KindCounts, received: {} as KindCounts };
const transportDrops: Partial<Record<DropReason, number>> = {};
const sessions: { role: string; atMs: number }[] = [];
const initiators = new Set<string>();
const copy = new RoomyCopy(DATAGRAM_BYTES_MAX);
let sentWithCookie = 0;
let peerEndpoint = settings.peer.endpoint as Endpoint | undefined;
/** What the datagram is that the engine has in hand. */
let handling: WireGuardKind | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

const tun = await openTun({
  name: settings.tunName,
  mtu: settings.mtu,
  addresses: settings.addresses,
  routes: settings.peer.allowedIps,
  onPackets(batch) {
    for (let i = 0; i < batch.count; i++) engine.sendAll(copy.of(batch.bytes(i)), now());
    settle();
  },
});

const socket = await openUdp({
  address: "0.0.0.0",
  port: settings.port,
  family: 4,
  recvBufferBytes: 4 << 20,
  onBatch(batch, { addresses }) {
    for (let i = 0; i < batch.count; i++) {
      const datagram = batch.bytes(i);
      const kind = wireGuardKind(datagram);
      count(counts.received, kind);
      if (kind === "initiation") {
        const key = initiatorOf(primitives, privateKey, datagram);
        if (key !== undefined) initiators.add(keyToText(key));
      }
      handling = kind;
      engine.receiveAll(copy.of(datagram), addresses.endpoint(batch.source(i)), now());
      handling = undefined;
    }
    settle();
  },
});

const engine = new WireGuardEngine<Endpoint>({
  privateKey,
  primitives,
  random: (out) => void crypto.getRandomValues(out as Uint8Array<ArrayBuffer>),
  wallClock: Date.now,
  mtuBytes: settings.mtu,
  cookieSource: utf8,
  timings: { ...SPECIFIED_TIMINGS, ...settings.timings },
  loadLimits: settings.loadLimits ?? DEFAULT_LOAD_LIMITS,
  sink: {
    transmit(_peer, datagrams, replyTo) {
      const to = replyTo ?? peerEndpoint;
      if (to === undefined) return;
      for (let i = 0; i < datagrams.count; i++) {
        const datagram = bytesOf(datagrams, i);
        const kind = wireGuardKind(datagram);
        count(counts.sent, kind);
        const isHandshake = kind === "initiation" || kind === "response";
        if (isHandshake && datagram.subarray(-16).some((byte) => byte !== 0)) sentWithCookie += 1;
        socket.send(socket.addresses.internEndpoint(to), datagram);
      }
    },
    deliver(_peer, packets) {
      for (let i = 0; i < packets.count; i++) tun.write(bytesOf(packets, i));
    },
    authenticated(_peer, from) {
      peerEndpoint = from;
    },
    established: (_peer, { role }, atMs) => void sessions.push({ role, atMs }),
    dropped(reason) {
      if (handling === "transport") transportDrops[reason] = (transportDrops[reason] ?? 0) + 1;
    },
  },
});

const peer: PeerHandle = engine.addPeer(
  {
    publicKey: keyOf(settings.peer.publicKey),
    presharedKey: settings.peer.presharedKey === undefined ? undefined : keyOf(settings.peer.presharedKey),
    allowedIps: settings.peer.allowedIps.flatMap((text) => parseAllowedIp(text) ?? []),
  },
  now(),
);

/** Sends what the engine said, and sees to its next deadline. */
function settle(): void {
  socket.flush();
  clearTimeout(timer);
  const deadline = engine.nextDeadline();
  if (deadline === undefined) return;
  timer = setTimeout(
    () => {
      engine.tick(now());
      settle();
    },
    Math.max(0, deadline - now()),
  );
}

function count(into: KindCounts, kind: WireGuardKind | undefined): void {
  into[kind ?? "other"] = (into[kind ?? "other"] ?? 0) + 1;
}

function keyOf(text: string): Uint8Array {
  const key = keyFromText(text);
  invariant(key !== undefined, "not a key");
  return key;
}

console.log("ready");
for await (const line of console) {
  if (line === "initiate") {
    engine.initiate(peer, now(), { force: true });
    settle();
  } else if (line === "report") {
    const drops = Object.fromEntries(
      Object.entries(engine.drops).filter(
        ([reason, dropped]) => dropped > 0 && reason !== DropReason.noRoute,
      ),
    );
    const initiatorTexts = [...initiators];
    const report: HostReport = {
      drops,
      transportDrops,
      ...counts,
      sentWithCookie,
      sessions,
      initiators: initiatorTexts,
      peerEndpoint,
    };
    console.log(JSON.stringify(report));
  }
}
