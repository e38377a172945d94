/**
 * What a good home router does for those inside: answers PCP (RFC 6887) and NAT-PMP (RFC 6886) on port 5351 of its
 * inside address, and lets in what comes for the ports it gave away. UDP and IPv4 alone. Started by router.ts inside
 * the router's namespace: `port-mapper.ts INSIDE-ADDRESS OUTSIDE-ADDRESS [nat-pmp]`, with the last word as one that knows
 * no PCP.
 */
import { createSocket } from "node:dgram";

const SERVER_PORT = 5351;
const LIFETIME_MAX_S = 7_200;
const UDP = 17;

/** RFC 6887 §7.4. */
const Result = {
  success: 0,
  unsupportedVersion: 1,
  malformed: 3,
  unsupportedOpcode: 4,
  unsupportedProtocol: 9,
} as const;

/** RFC 6886 §3, with its own result code for opcodes. */
const NatPmp = { version: 0, externalAddress: 0, mapUdp: 1, mapLength: 12, unsupportedOpcode: 5 } as const;
/** RFC 6887 §7 and §11: header of 24 bytes, MAP of 36. */
const Pcp = { version: 2, map: 1, headerLength: 24, mapLength: 60 } as const;
const RESPONSE = 0x80;

/** Maps a port of the client for `lifetimeS`; 0 gives it back. Returns the outside port. */
export type MapPort = (client: string, insidePort: number, wantedPort: number, lifetimeS: number) => number;

export interface PortMapperOptions {
  readonly outside: string;
  /** Older than PCP. */
  readonly natPmpOnly?: boolean;
  /** Seconds since the router last lost its mappings. */
  epochS(): number;
  map: MapPort;
}

/** The answer to a request of `client`, an IPv4 address; undefined to what deserves none. */
export function answerMapping(
  request: Uint8Array,
  client: string,
  options: PortMapperOptions,
): Uint8Array | undefined {
  const [version, opcode] = request;
  if (version === undefined || opcode === undefined || opcode >= RESPONSE) return undefined;
  if (version === NatPmp.version) return answerNatPmp(request, opcode, client, options);
  if (options.natPmpOnly === true) return refuseVersion(opcode, options);
  return answerPcp(request, version, opcode, client, options);
}

/** RFC 6886 §3.5, RFC 6887 appendix A: in its own version, with its result code 1. */
function refuseVersion(opcode: number, { epochS }: PortMapperOptions): Uint8Array {
  const answer = new Uint8Array(8);
  const out = new DataView(answer.buffer);
  answer[1] = opcode | RESPONSE;
  out.setUint16(2, Result.unsupportedVersion);
  out.setUint32(4, epochS());
  return answer;
}

function answerNatPmp(
  request: Uint8Array,
  opcode: number,
  client: string,
  { outside, epochS, map }: PortMapperOptions,
): Uint8Array {
  const answer = new Uint8Array(opcode === NatPmp.mapUdp ? 16 : opcode === NatPmp.externalAddress ? 12 : 8);
  const out = new DataView(answer.buffer);
  answer[1] = opcode | RESPONSE;
  out.setUint32(4, epochS());
  if (opcode === NatPmp.externalAddress) answer.set(bytesOf(outside), 8);
  else if (opcode === NatPmp.mapUdp && request.length >= NatPmp.mapLength) {
    const asked = new DataView(request.buffer, request.byteOffset);
    const insidePort = asked.getUint16(4);
    const lifetimeS = Math.min(asked.getUint32(8), LIFETIME_MAX_S);
    out.setUint16(8, insidePort);
    out.setUint16(10, map(client, insidePort, asked.getUint16(6), lifetimeS));
    out.setUint32(12, lifetimeS);
  } else out.setUint16(2, NatPmp.unsupportedOpcode);
  return answer;
}

function answerPcp(
  request: Uint8Array,
  version: number,
  opcode: number,
  client: string,
  { outside, epochS, map }: PortMapperOptions,
): Uint8Array {
  const isMap = opcode === Pcp.map && request.length >= Pcp.mapLength;
  const answer = new Uint8Array(isMap ? Pcp.mapLength : Pcp.headerLength);
  const out = new DataView(answer.buffer);
  answer[0] = Pcp.version;
  answer[1] = opcode | RESPONSE;
  out.setUint32(8, epochS());
  if (version !== Pcp.version) answer[3] = Result.unsupportedVersion;
  else if (!isMap) answer[3] = opcode === Pcp.map ? Result.malformed : Result.unsupportedOpcode;
  else if (request[36] !== UDP) answer[3] = Result.unsupportedProtocol;
  if (answer[3] !== Result.success || !isMap) return answer;
  const asked = new DataView(request.buffer, request.byteOffset);
  const insidePort = asked.getUint16(40);
  const lifetimeS = Math.min(asked.getUint32(4), LIFETIME_MAX_S);
  out.setUint32(4, lifetimeS);
  // Nonce, protocol and inside port come back as they were.
  answer.set(request.subarray(24, 42), 24);
  out.setUint16(42, map(client, insidePort, asked.getUint16(42), lifetimeS));
  answer.set([0xff, 0xff, ...bytesOf(outside)], 44 + 10);
  return answer;
}

function bytesOf(address: string): number[] {
  return address.split(".").map(Number);
}

const TABLE = `
  table inet mapper {
    map ports { type inet_service : ipv4_addr . inet_service; }
    chain inbound { type nat hook prerouting priority dstnat - 1; policy accept;
      iifname "wan" meta l4proto udp dnat ip to udp dport map @ports
    }
  }`;

function nft(script: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["nft", "-f", "-"], { stdin: new TextEncoder().encode(script) });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

function main([inside = "", outside = "", only]: readonly string[]): void {
  nft(TABLE);
  const given = new Map<number, { holder: string; timer: ReturnType<typeof setTimeout> }>();
  const release = (port: number) => {
    clearTimeout(given.get(port)?.timer);
    if (given.delete(port)) nft(`delete element inet mapper ports { ${port} }\n`);
  };
  const map: MapPort = (client, insidePort, wantedPort, lifetimeS) => {
    const holder = `${client} . ${insidePort}`;
    const held = [...given].find(([, mapping]) => mapping.holder === holder)?.[0];
    let port = held ?? (wantedPort === 0 ? insidePort : wantedPort);
    while (held === undefined && given.has(port)) port = (port % 65_535) + 1;
    if (held !== undefined) release(held);
    if (lifetimeS === 0) return 0;
    nft(`add element inet mapper ports { ${port} : ${holder} }\n`);
    given.set(port, { holder, timer: setTimeout(() => release(port), lifetimeS * 1_000) });
    return port;
  };
  const epochS = () => Math.floor(performance.now() / 1_000);
  const socket = createSocket("udp4");
  socket.on("message", (request, from) => {
    const answer = answerMapping(request, from.address, {
      outside,
      natPmpOnly: only === "nat-pmp",
      epochS,
      map,
    });
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  socket.bind(SERVER_PORT, inside, () => console.log("ready"));
}

if (import.meta.main) main(process.argv.slice(2));
