/** `burrow up`: this machine joins a network. */
import type { Endpoint } from "@burrow/protocol";
import type { LogLevel } from "@logtape/logtape";
import type { Command } from "commander";
import { runDaemon } from "../daemon.ts";
import {
  addTokenFlags,
  coordinatorFlag,
  flag,
  jsonFlag,
  logLevelFlag,
  stateFlag,
  type TokenFlags,
  tokenFrom,
} from "../flags.ts";
import { configureLogging } from "../log.ts";
import { defaultStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import {
  advertisedEndpoint,
  agentName,
  type DeviceChoice,
  device,
  type OutsideClient,
  outsideClients,
  port,
} from "../values.ts";

interface UpFlags extends TokenFlags {
  readonly coordinator: string;
  readonly name?: string;
  readonly device: DeviceChoice;
  readonly port: number;
  readonly wgClient?: readonly OutsideClient[];
  readonly endpoint?: readonly Endpoint[];
  readonly hardNat: "on" | "off";
  readonly portMapping: "on" | "off";
  readonly state?: string;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const DEVICE_DEFAULT = "tun:burrow0";

export function addUp(program: Command, terminal: Terminal): void {
  const up = program
    .command("up")
    .description("run the agent: join a network from this machine")
    .addOption(coordinatorFlag().makeOptionMandatory());
  addTokenFlags(up, "enrolment token, needed on the first start")
    .addOption(
      flag("--name <NAME>", "name in the network (default: the host's, or one like it)").argParser(agentName),
    )
    .addOption(
      flag("--device <DEVICE>", "tun:NAME, wireguard:IFACE (one that exists), or none")
        .argParser(device)
        .default(device(DEVICE_DEFAULT), DEVICE_DEFAULT),
    )
    .addOption(flag("--port <N>", "UDP port; 0: any free one").argParser(port).default(0))
    .addOption(
      flag(
        "--wg-client <KEY=ADDRESS>",
        "unmodified WireGuard client that may come in through this agent's relays: its public key and its address in the tunnel; repeatable",
      ).argParser(outsideClients),
    )
    .addOption(
      flag(
        "--endpoint <IP:PORT>",
        "where peers can reach this agent directly, say a forwarded port; repeatable",
      ).argParser(advertisedEndpoint),
    )
    .addOption(
      flag("--hard-nat <MODE>", "punch NATs that give each destination another port, by many probes")
        .choices(["on", "off"])
        .default("on"),
    )
    .addOption(
      flag("--port-mapping <MODE>", "ask the router for a port that peers can reach: PCP, NAT-PMP, UPnP")
        .choices(["on", "off"])
        .default("on"),
    )
    .addOption(stateFlag("where to keep its key and its socket"))
    .addOption(logLevelFlag())
    .addOption(jsonFlag())
    .addHelpText(
      "after",
      "\nExample: sudo burrow up --coordinator https://burrow.example.net \\\n           --token-file agent.token --name office-laptop",
    )
    .action((flags: UpFlags, command: Command) => runAgent(flags, command, terminal));
}

async function runAgent(flags: UpFlags, command: Command, terminal: Terminal): Promise<void> {
  const token = tokenFrom(command, flags);
  configureLogging(terminal, flags.logLevel);
  const stateDir = flags.state ?? defaultStateDir("agent");
  const { startAgent } = await import("@burrow/agent");
  await runDaemon(
    "agent",
    (stopped) =>
      startAgent({
        stopped,
        coordinatorUrl: flags.coordinator,
        device: flags.device,
        port: flags.port,
        stateDir,
        clients: flags.wgClient ?? [],
        statedEndpoints: flags.endpoint ?? [],
        punchesHardNats: flags.hardNat === "on",
        mapsPorts: flags.portMapping === "on",
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(token === undefined ? {} : { token }),
      }),
    ({ id }) => {
      terminal.out(
        flags.json === true
          ? `${JSON.stringify({ event: "ready", id, stateDir })}\n`
          : `agent ${id} is up; look at it with: burrow status\n`,
      );
    },
  );
}
