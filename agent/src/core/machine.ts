/** Whether a machine is fit to run an agent, or a relay, from facts about it: what is broken, and what to do. */

export interface MachineFacts {
  readonly isLinux: boolean;
  /** /dev/net/tun: "ok", or the error's code; and the right to make devices. */
  readonly tun: string;
  readonly mayMakeDevices: boolean;
  /** A datagram to ourselves: undefined when it came back, else what went wrong. */
  readonly udpProblem: string | undefined;
  /** net.core.rmem_max and wmem_max, in bytes; undefined where there are none. */
  readonly recvBufferMax: number | undefined;
  readonly sendBufferMax: number | undefined;
  readonly hasIp: boolean;
  readonly hasWg: boolean;
  readonly proxyProblem: string | undefined;
  readonly state: StateFacts;
}

/** `exists`: whether anything was there yet. */
export type StateFacts =
  | { readonly kind: "absent"; readonly path: string }
  | { readonly kind: "unreadable"; readonly path: string; readonly code: string }
  | {
      readonly kind: "found";
      readonly path: string;
      readonly isOwn: boolean;
      readonly isWritable: boolean;
      /** Of what others than the owner may use: names in the directory, or its own path. */
      readonly open: readonly {
        readonly path: string;
        readonly mode: number;
        readonly isDirectory: boolean;
      }[];
    };

export interface MachineFinding {
  readonly check: "tun" | "udp-socket" | "buffers" | "ip" | "wireguard-tools" | "state" | "proxies";
  readonly status: "ok" | "warning" | "broken" | "unknown";
  readonly text: string;
  readonly remedy?: string | undefined;
}

/** What a relay asks for on each of its sockets, and an agent for half of it. */
const BUFFER_WANTED_BYTES = 8 << 20;
const BUFFER_ENOUGH_BYTES = 4 << 20;

export function checkMachine(facts: MachineFacts): readonly MachineFinding[] {
  return [
    tunOf(facts),
    udpOf(facts),
    buffersOf(facts),
    ipOf(facts),
    wgOf(facts),
    stateOf(facts.state),
    proxiesOf(facts),
  ];
}

function tunOf({ isLinux, tun, mayMakeDevices }: MachineFacts): MachineFinding {
  const check = "tun";
  if (!isLinux) {
    const remedy = "run agents on Linux, or with `--device none`";
    return { check, status: "broken", text: "TUN devices are made on Linux alone", remedy };
  }
  if (tun === "ENOENT" || tun === "ENODEV" || tun === "ENXIO") {
    const remedy = "`modprobe tun`; in a container, give it the device: `--device /dev/net/tun`";
    return { check, status: "broken", text: "there is no /dev/net/tun", remedy };
  }
  if (tun !== "ok" || !mayMakeDevices) {
    const what = tun === "ok" ? "no right to make network devices (CAP_NET_ADMIN)" : `/dev/net/tun: ${tun}`;
    const remedy =
      "run `burrow up` as root (`sudo`), in a container with `--cap-add NET_ADMIN`, or with `--device none`";
    return { check, status: "broken", text: what, remedy };
  }
  return { check, status: "ok", text: "devices can be made" };
}

function udpOf({ udpProblem }: MachineFacts): MachineFinding {
  const check = "udp-socket";
  if (udpProblem === undefined)
    return { check, status: "ok", text: "a datagram to this machine itself arrives" };
  const remedy = "look for a firewall on this machine (`nft list ruleset`) and limits of its container";
  return { check, status: "broken", text: `no datagram reaches this machine itself: ${udpProblem}`, remedy };
}

function buffersOf({ recvBufferMax, sendBufferMax, mayMakeDevices }: MachineFacts): MachineFinding {
  const check = "buffers";
  if (recvBufferMax === undefined || sendBufferMax === undefined) {
    return { check, status: "unknown", text: "this system does not tell how large sockets' buffers may be" };
  }
  const text = `net.core.rmem_max is ${mebibytes(recvBufferMax)}, wmem_max ${mebibytes(sendBufferMax)}`;
  if (Math.min(recvBufferMax, sendBufferMax) >= BUFFER_ENOUGH_BYTES) return { check, status: "ok", text };
  // SO_RCVBUFFORCE: who has the right to administer the network is not bound by the limits.
  if (mayMakeDevices) return { check, status: "ok", text: `${text}; as root Burrow may take more` };
  const both = `net.core.rmem_max=${BUFFER_WANTED_BYTES} net.core.wmem_max=${BUFFER_WANTED_BYTES}`;
  return { check, status: "warning", text: `${text}: bursts may be lost`, remedy: `\`sysctl -w ${both}\`` };
}

function mebibytes(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(0)} MiB`;
}

function ipOf({ hasIp, isLinux }: MachineFacts): MachineFinding {
  if (hasIp || !isLinux) return { check: "ip", status: "ok", text: "`ip` is here" };
  const text = "there is no `ip` command, which gives devices their addresses";
  return { check: "ip", status: "broken", text, remedy: "install iproute2" };
}

function wgOf({ hasWg }: MachineFacts): MachineFinding {
  const check = "wireguard-tools";
  if (hasWg) return { check, status: "ok", text: "`wg` is here" };
  const text = "there is no `wg` command; only `--device wireguard:IFACE` needs it";
  return { check, status: "unknown", text, remedy: "install wireguard-tools, if you want that" };
}

function stateOf(state: StateFacts): MachineFinding {
  const check = "state";
  if (state.kind === "absent") {
    return { check, status: "ok", text: `${state.path} is made at the first start` };
  }
  if (state.kind === "unreadable") {
    const remedy =
      "run this as the user who started the agent, for instance with sudo; or name another with --state DIR";
    return { check, status: "broken", text: `${state.path} cannot be read: ${state.code}`, remedy };
  }
  const [first] = state.open;
  if (first !== undefined) {
    const text = `${first.path} holds secrets, but others may use it (mode ${first.mode.toString(8)})`;
    const remedy = state.open
      .map(({ path, isDirectory }) => `\`chmod ${isDirectory ? 700 : 600} ${path}\``)
      .join(", ");
    return { check, status: "broken", text, remedy: `${remedy}; if others may have read it, enrol anew` };
  }
  if (!state.isWritable) {
    const remedy = "is the disk full, or mounted read-only (`df`, `mount`)?";
    return { check, status: "broken", text: `${state.path} cannot be written to`, remedy };
  }
  if (!state.isOwn) {
    const remedy = `start the agent as its owner, or \`chown -R\` ${state.path}`;
    return { check, status: "warning", text: `${state.path} is another user's`, remedy };
  }
  return { check, status: "ok", text: `${state.path} is its owner's alone` };
}

function proxiesOf({ proxyProblem }: MachineFacts): MachineFinding {
  const check = "proxies";
  if (proxyProblem === undefined) return { check, status: "ok", text: "the variables are in order" };
  const remedy = "give an http:// or https:// URL, like http://proxy.example:3128, or unset it";
  return { check, status: "broken", text: proxyProblem, remedy };
}
