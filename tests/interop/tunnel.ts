/** The setting of every interop case: wireguard-go in one namespace, our engine in another, a veth between them. */
import { nativePrimitives } from "@burrow/platform";
import { keyToText } from "@burrow/protocol";
import { Lab, type Namespace } from "../lab/netns.ts";
import type { LabProcess } from "../lab/process.ts";
import type { HostReport, HostSettings } from "./engine-host.ts";
import { type PingOptions, type PingResult, ping } from "./traffic.ts";
import { WireGuardGo } from "./wireguard-go.ts";

export const GO = { underlay: "192.0.2.1", port: 51_821, v4: "10.77.0.1", v6: "fd77::1" } as const;
export const OURS = { underlay: "192.0.2.2", port: 51_822, v4: "10.77.0.2", v6: "fd77::2" } as const;
const MTU = 1_420;

export interface TunnelOptions {
  /** Who knows where the other is, and so can begin. Both, unless said otherwise. */
  readonly knows?: "go" | "ours";
  readonly presharedKeyOfGo?: string;
  readonly presharedKeyOfOurs?: string;
  readonly timings?: HostSettings["timings"];
  readonly loadLimits?: HostSettings["loadLimits"];
}

interface Parts {
  readonly lab: Lab;
  readonly goSpace: Namespace;
  readonly oursSpace: Namespace;
  readonly go: WireGuardGo;
  readonly goPublicKey: string;
  readonly host: LabProcess;
}

/** Ends with its lab: `await using tunnel = await Tunnel.open()`. */
export class Tunnel implements AsyncDisposable {
  readonly lab: Lab;
  readonly goSpace: Namespace;
  readonly oursSpace: Namespace;
  readonly go: WireGuardGo;
  readonly goPublicKey: string;
  readonly host: LabProcess;

  private constructor(parts: Parts) {
    this.lab = parts.lab;
    this.goSpace = parts.goSpace;
    this.oursSpace = parts.oursSpace;
    this.go = parts.go;
    this.goPublicKey = parts.goPublicKey;
    this.host = parts.host;
  }

  static async open(options: TunnelOptions = {}): Promise<Tunnel> {
    const lab = Lab.open();
    try {
      return new Tunnel(await build(lab, options));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Pings from one end to the other. */
  ping(from: "go" | "ours", to: string, options: PingOptions): Promise<PingResult> {
    const space = from === "go" ? this.goSpace : this.oursSpace;
    return ping(space, to, options);
  }

  async report(): Promise<HostReport> {
    const before = this.host.lines.length;
    this.host.write("report\n");
    for (let i = 0; i < 500; i++) {
      const line = this.host.lines.slice(before).find(({ text }) => text.startsWith("{"));
      if (line !== undefined) return JSON.parse(line.text) as HostReport;
      await Bun.sleep(10);
    }
    throw new Error(`the engine's host does not report:\n${this.host.text()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

async function build(lab: Lab, options: TunnelOptions): Promise<Parts> {
  const [goSpace, oursSpace] = [await lab.namespace("go"), await lab.namespace("ours")];
  await lab.wire(goSpace, "eth0", oursSpace, "eth0");
  await goSpace.ip(`address add ${GO.underlay}/24 dev eth0`);
  await oursSpace.ip(`address add ${OURS.underlay}/24 dev eth0`);

  const [goKeys, oursKeys] = [newKeys(), newKeys()];
  const { knows, presharedKeyOfGo, presharedKeyOfOurs, timings, loadLimits } = options;
  const go = await WireGuardGo.start(goSpace, {
    privateKey: goKeys.privateKey,
    port: GO.port,
    addresses: [`${GO.v4}/32`, `${GO.v6}/128`],
    mtu: MTU,
    peer: {
      publicKey: oursKeys.publicKey,
      allowedIps: [`${OURS.v4}/32`, `${OURS.v6}/128`],
      ...(presharedKeyOfGo && { presharedKey: presharedKeyOfGo }),
      ...(knows !== "ours" && { endpoint: `${OURS.underlay}:${OURS.port}` }),
    },
  });
  await goSpace.ip(`route add ${OURS.v4}/32 dev ${go.interfaceName}`);
  await goSpace.ip(`-6 route add ${OURS.v6}/128 dev ${go.interfaceName}`);

  const settings: HostSettings = {
    privateKey: oursKeys.privateKey,
    port: OURS.port,
    tunName: "burrow0",
    addresses: [
      { address: OURS.v4, prefixLength: 32 },
      { address: OURS.v6, prefixLength: 128 },
    ],
    mtu: MTU,
    peer: {
      publicKey: goKeys.publicKey,
      allowedIps: [`${GO.v4}/32`, `${GO.v6}/128`],
      ...(presharedKeyOfOurs && { presharedKey: presharedKeyOfOurs }),
      ...(knows !== "go" && { endpoint: `${GO.underlay}:${GO.port}` }),
    },
    ...(timings && { timings }),
    ...(loadLimits && { loadLimits }),
  };
  const script = `${import.meta.dir}/engine-host.ts`;
  const command = [process.execPath, script, JSON.stringify(settings)];
  const host = oursSpace.spawn(command, { label: "engine" });
  await host.waitForLine(/^ready$/);
  return { lab, goSpace, oursSpace, go, goPublicKey: goKeys.publicKey, host };
}

/** A key pair as `wg genkey` and `wg pubkey` print it. */
export function newKeys(): { privateKey: string; publicKey: string } {
  const privateKey = crypto.getRandomValues(new Uint8Array(32));
  const publicKey = nativePrimitives().x25519Public(privateKey);
  return { privateKey: keyToText(privateKey), publicKey: keyToText(publicKey) };
}
