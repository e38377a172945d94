/** Debian's wireguard-go in a namespace of the lab, configured and asked by `wg`. Reused wherever a foreign WireGuard is wanted. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import type { Namespace } from "../lab/netns.ts";
import type { LabProcess } from "../lab/process.ts";

const SOCKETS_FOLDER = "/var/run/wireguard";
const START_TIMEOUT_MS = 5_000;

export interface WireGuardGoSettings {
  /** None for an interface that nobody has finished. */
  readonly privateKey?: string;
  readonly port: number;
  /** Addresses of the interface with their prefix lengths: `10.0.0.2/24`. */
  readonly addresses: readonly string[];
  readonly mtu: number;
  /** None for an interface whose peers somebody else sets. */
  readonly peer?: {
    readonly publicKey: string;
    readonly presharedKey?: string;
    readonly allowedIps: readonly string[];
    readonly endpoint?: string;
    readonly persistentKeepaliveS?: number;
  };
}

export interface WireGuardGoPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly allowedIps: string;
  readonly latestHandshakeUnix: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

let nextSequence = 0;

export class WireGuardGo {
  readonly interfaceName: string;
  readonly process: LabProcess;
  readonly #namespace: Namespace;

  private constructor(namespace: Namespace, interfaceName: string, process: LabProcess) {
    this.#namespace = namespace;
    this.interfaceName = interfaceName;
    this.process = process;
  }

  /** Starts it, configures it and brings it up. It ends with the lab. */
  static async start(namespace: Namespace, settings: WireGuardGoSettings): Promise<WireGuardGo> {
    removeDeadSockets();
    // Its control socket lies in a folder that all namespaces share, so the name must be nobody else's.
    const name = `wg${process.pid.toString(36)}x${nextSequence++}`;
    const child = namespace.spawn(["wireguard-go", "-f", name], {
      label: name,
      env: { LOG_LEVEL: "verbose" },
    });
    const go = new WireGuardGo(namespace, name, child);
    child.exited().then(() => rmSync(`${SOCKETS_FOLDER}/${name}.sock`, { force: true }));
    await go.#untilItAnswers();
    const { peer } = settings;
    const config = [
      "[Interface]",
      ...(settings.privateKey === undefined ? [] : [`PrivateKey = ${settings.privateKey}`]),
      `ListenPort = ${settings.port}`,
      ...(peer === undefined ? [] : peerLines(peer)),
    ];
    await namespace.run(["wg", "setconf", name, "/dev/stdin"], { stdin: `${config.join("\n")}\n` });
    for (const address of settings.addresses) await namespace.ip(`address add ${address} dev ${name} nodad`);
    await namespace.ip(`link set dev ${name} mtu ${settings.mtu} up`);
    return go;
  }

  /** `wg set` on the interface. */
  async set(...words: readonly string[]): Promise<void> {
    await this.#namespace.run(["wg", "set", this.interfaceName, ...words]);
  }

  /** What `wg show` says of its only peer. */
  async peer(): Promise<WireGuardGoPeer> {
    const [peer] = await this.peers();
    if (peer === undefined) throw new Error(`${this.interfaceName} has no peer`);
    return peer;
  }

  async peers(): Promise<WireGuardGoPeer[]> {
    const { stdout } = await this.#namespace.run(["wg", "show", this.interfaceName, "dump"]);
    const [, ...lines] = stdout.split("\n").filter((line) => line !== "");
    return lines.map((line) => {
      const [publicKey = "", , endpoint = "", allowedIps = "", handshake, rx, tx] = line.split("\t");
      const [latestHandshakeUnix, rxBytes, txBytes] = [Number(handshake), Number(rx), Number(tx)];
      return { publicKey, endpoint, allowedIps, latestHandshakeUnix, rxBytes, txBytes };
    });
  }

  /** How often a line of its log matched. */
  logged(pattern: RegExp): number {
    return this.process.lines.filter(({ text }) => pattern.test(text)).length;
  }

  async #untilItAnswers(): Promise<void> {
    const end = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await this.#namespace.run(["wg", "show", this.interfaceName]);
        return;
      } catch (error) {
        if (performance.now() > end || !this.process.running) throw error;
        await Bun.sleep(20);
      }
    }
  }
}

function peerLines(peer: NonNullable<WireGuardGoSettings["peer"]>): string[] {
  return [
    "[Peer]",
    `PublicKey = ${peer.publicKey}`,
    `AllowedIPs = ${peer.allowedIps.join(", ")}`,
    ...(peer.presharedKey === undefined ? [] : [`PresharedKey = ${peer.presharedKey}`]),
    ...(peer.endpoint === undefined ? [] : [`Endpoint = ${peer.endpoint}`]),
    ...(peer.persistentKeepaliveS === undefined
      ? []
      : [`PersistentKeepalive = ${peer.persistentKeepaliveS}`]),
  ];
}

/** Removes the control sockets that a killed run of ours left behind. */
function removeDeadSockets(): void {
  if (!existsSync(SOCKETS_FOLDER)) return;
  for (const file of readdirSync(SOCKETS_FOLDER)) {
    const owner = /^wg([0-9a-z]+)x\d+\.sock$/.exec(file)?.[1];
    if (owner === undefined || existsSync(`/proc/${Number.parseInt(owner, 36)}`)) continue;
    rmSync(`${SOCKETS_FOLDER}/${file}`, { force: true });
  }
}
