/**
 * An existing WireGuard interface (the kernel's, wireguard-go's), managed through the `wg` tool. Keys go through
 * standard input, never through arguments, which every user of the machine can read.
 */
import { type Endpoint, parseEndpoint, UserError } from "@burrow/protocol";

/** A key as `wg` writes it: base64 of 32 bytes. */
export type WireGuardKeyText = string;

export interface WireGuardPeer {
  readonly publicKey: WireGuardKeyText;
  readonly presharedKey: WireGuardKeyText | undefined;
  /** Undefined when none was set or heard, or when it is a link-local one with a zone. */
  readonly endpoint: Endpoint | undefined;
  readonly allowedIps: readonly string[];
  /** 0 when there was none. */
  readonly latestHandshakeMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly persistentKeepaliveS: number | undefined;
}

export interface WireGuardState {
  readonly privateKey: WireGuardKeyText | undefined;
  readonly publicKey: WireGuardKeyText | undefined;
  readonly listenPort: number;
  readonly fwmark: number;
  readonly peers: readonly WireGuardPeer[];
}

/** What of a peer is to be changed; what is absent stays as it is. */
export interface WireGuardPeerChange {
  readonly endpoint?: Endpoint;
  readonly allowedIps?: readonly string[];
  /** "remove" for none. */
  readonly presharedKey?: WireGuardKeyText | "remove";
  /** 0 for off. */
  readonly persistentKeepaliveS?: number;
}

export interface WireGuardInterface {
  readonly name: string;
  read(): Promise<WireGuardState>;
  /** Adds the peer when there is none of that key. */
  setPeer(publicKey: WireGuardKeyText, change: WireGuardPeerChange): Promise<void>;
  removePeer(publicKey: WireGuardKeyText): Promise<void>;
}

export interface WireGuardInterfaceOptions {
  /** The tool and what precedes its arguments; for tests in namespaces. */
  readonly command?: readonly string[];
}

const KEY_PATTERN = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Rejects with a UserError when `wg` is missing, the interface is absent or not WireGuard's, or the right is. */
export async function openWireGuardInterface(
  name: string,
  options: WireGuardInterfaceOptions = {},
): Promise<WireGuardInterface> {
  const opened = new WgTool(name, options.command ?? ["wg"]);
  await opened.read();
  return opened;
}

class WgTool implements WireGuardInterface {
  readonly name: string;
  readonly #command: readonly string[];

  constructor(name: string, command: readonly string[]) {
    this.name = name;
    this.#command = command;
  }

  async read(): Promise<WireGuardState> {
    return parseDump(await this.#run(["show", this.name, "dump"]));
  }

  async setPeer(publicKey: WireGuardKeyText, change: WireGuardPeerChange): Promise<void> {
    const args = ["set", this.name, "peer", checkedKey(publicKey)];
    if (change.endpoint !== undefined) args.push("endpoint", change.endpoint);
    if (change.allowedIps !== undefined) args.push("allowed-ips", change.allowedIps.join(","));
    if (change.persistentKeepaliveS !== undefined) {
      args.push(
        "persistent-keepalive",
        change.persistentKeepaliveS === 0 ? "off" : String(change.persistentKeepaliveS),
      );
    }
    // An empty file is no preshared key (wg(8)).
    const { presharedKey } = change;
    if (presharedKey === undefined) return void (await this.#run(args));
    const input = presharedKey === "remove" ? "" : `${checkedKey(presharedKey)}\n`;
    await this.#run([...args, "preshared-key", "/dev/stdin"], input);
  }

  async removePeer(publicKey: WireGuardKeyText): Promise<void> {
    await this.#run(["set", this.name, "peer", checkedKey(publicKey), "remove"]);
  }

  async #run(args: readonly string[], input = ""): Promise<string> {
    const [tool = "wg", ...before] = this.#command;
    if (Bun.which(tool) === null) {
      throw new UserError(
        `the \`${tool}\` command is missing: it manages WireGuard interfaces`,
        "install wireguard-tools, or use `--device tun:NAME`",
      );
    }
    const child = Bun.spawn([tool, ...before, ...args], {
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, output, complaint] = await Promise.all([
      child.exited,
      child.stdout.text(),
      child.stderr.text(),
    ]);
    if (code !== 0) throw this.#refusal(complaint.trim());
    return output;
  }

  #refusal(complaint: string): UserError {
    if (/no such device|protocol not supported|not a wireguard interface/i.test(complaint)) {
      return new UserError(
        `there is no WireGuard interface ${this.name}`,
        `create it (\`ip link add ${this.name} type wireguard\` or \`wireguard-go ${this.name}\`); \`wg show interfaces\` lists those there are`,
      );
    }
    if (/operation not permitted|permission denied/i.test(complaint)) {
      return new UserError(
        `no right to manage the WireGuard interface ${this.name}`,
        "run as root or give CAP_NET_ADMIN",
      );
    }
    return new UserError(
      `\`wg\` refused: ${complaint || "without a reason"}`,
      `check the interface with \`wg show ${this.name}\``,
    );
  }
}

/** A key that is none would be read as an option or a file name by `wg`. */
function checkedKey(key: WireGuardKeyText): WireGuardKeyText {
  if (!KEY_PATTERN.test(key)) throw new UserError("this is no WireGuard key", "give 32 bytes in base64");
  return key;
}

const absent = (field: string | undefined) =>
  field === "(none)" || field === "off" || field === "" ? undefined : field;

/** `wg show IFACE dump` (wg(8)): a line of the interface, then one per peer, fields parted by tabs. */
export function parseDump(text: string): WireGuardState {
  const [first = "", ...rest] = text.split("\n").filter((line) => line !== "");
  const [privateKey, publicKey, listenPort, fwmark] = first.split("\t");
  return {
    privateKey: absent(privateKey),
    publicKey: absent(publicKey),
    listenPort: Number(listenPort ?? 0),
    fwmark: Number(absent(fwmark) ?? 0),
    peers: rest.map(parsePeer),
  };
}

function parsePeer(line: string): WireGuardPeer {
  const [publicKey = "", presharedKey, endpoint, allowedIps, handshake, received, sent, keepalive] =
    line.split("\t");
  const every = absent(keepalive);
  return {
    publicKey,
    presharedKey: absent(presharedKey),
    endpoint: parseEndpoint(absent(endpoint) ?? ""),
    allowedIps: absent(allowedIps)?.split(",") ?? [],
    latestHandshakeMs: Number(handshake ?? 0) * 1000,
    receivedBytes: Number(received ?? 0),
    sentBytes: Number(sent ?? 0),
    persistentKeepaliveS: every === undefined ? undefined : Number(every),
  };
}
