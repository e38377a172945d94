/** `burrow relay`: a Gerbil. Carries packets that it cannot read. */
import type { Endpoint } from "@burrow/protocol";
import type { LogLevel } from "@logtape/logtape";
import { getLogger } from "@logtape/logtape";
import type { Command } from "commander";
import { runDaemon } from "../daemon.ts";
import {
  addTokenFlags,
  coordinatorFlag,
  flag,
  jsonFlag,
  logLevelFlag,
  requireFlags,
  stateFlag,
  type TokenFlags,
  tokenFrom,
} from "../flags.ts";
import { configureLogging } from "../log.ts";
import { reachOf } from "../print/reach.ts";
import { defaultStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import {
  advertisedEndpoint,
  furtherPorts,
  type ListenAddress,
  listenAddressLike,
  place,
  region,
  sessionsMax,
  threads,
  websocketUrl,
} from "../values.ts";

interface RelayFlags extends TokenFlags {
  readonly coordinator: string;
  readonly region: string;
  readonly at?: { readonly lat: number; readonly lon: number };
  readonly listen: ListenAddress;
  readonly furtherPorts: readonly number[];
  readonly http: ListenAddress;
  readonly advertise?: readonly Endpoint[];
  readonly wss?: ListenAddress;
  readonly wssUrl?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly threads?: number;
  readonly sessionsMax?: number;
  readonly state?: string;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const LISTEN_DEFAULT = "0.0.0.0:21820";
const dataOn = listenAddressLike(21820);
/** Of HTTP/3 and DNS: what networks that block other UDP often let pass. */
const FURTHER_PORTS_DEFAULT = "443,53";
const HTTP_DEFAULT = "127.0.0.1:8090";
const httpOn = listenAddressLike(8090);

/** Returns the command, to which `relay drain` is added. */
export function addRelay(program: Command, terminal: Terminal): Command {
  const relay = program
    .command("relay")
    .description("run a relay; `relay list` shows all, `relay drain ID` empties one")
    .addOption(coordinatorFlag());
  return addTokenFlags(relay, "enrolment token, needed on the first start")
    .addOption(flag("--region <NAME>", "what this place is called").argParser(region))
    .addOption(flag("--at <LAT,LON>", "where it stands, in degrees").argParser(place))
    .addOption(
      flag("--listen <ADDRESS>", "IP:PORT (UDP) for packets")
        .argParser(dataOn)
        .default(dataOn(LISTEN_DEFAULT), LISTEN_DEFAULT),
    )
    .addOption(
      flag("--further-ports <PORTS>", "UDP ports to listen on as well, where they can be had, or none")
        .argParser(furtherPorts)
        .default(furtherPorts(FURTHER_PORTS_DEFAULT), FURTHER_PORTS_DEFAULT),
    )
    .addOption(
      flag("--http <ADDRESS>", "IP:PORT (TCP) for health and metrics")
        .argParser(httpOn)
        .default(httpOn(HTTP_DEFAULT), HTTP_DEFAULT),
    )
    .addOption(
      flag(
        "--advertise <IP:PORT>",
        "public address, if it is not the one the coordinator sees; repeatable",
      ).argParser(advertisedEndpoint),
    )
    .addOption(
      flag("--wss <ADDRESS>", "IP:PORT (TCP) for agents whose network blocks UDP, say 0.0.0.0:443").argParser(
        listenAddressLike(443),
      ),
    )
    .addOption(
      flag(
        "--wss-url <URL>",
        "wss: URL of that door, if not the address the coordinator sees; /v1/datagrams unless it has a path",
      ).argParser(websocketUrl),
    )
    .addOption(flag("--tls-cert <FILE>", "its certificate chain (PEM); without one the relay makes its own"))
    .addOption(flag("--tls-key <FILE>", "the certificate's key (PEM)"))
    .addOption(flag("--threads <N>", "threads that move packets (Linux)").argParser(threads).default(1))
    .addOption(
      flag("--sessions-max <N>", "agents it has room for; by default as many as its memory allows").argParser(
        sessionsMax,
      ),
    )
    .addOption(stateFlag("where to keep its key"))
    .addOption(logLevelFlag())
    .addOption(jsonFlag())
    .addHelpText(
      "after",
      "\nExample: burrow relay --coordinator https://burrow.example.net \\\n           --token-file relay.token --region eu-central --at 50.11,8.68",
    )
    .action((flags: RelayFlags, command: Command) => {
      // Not `makeOptionMandatory`, which would also demand them of `relay drain`.
      requireFlags(command, ["coordinator", "region"]);
      return runRelay(flags, command, terminal);
    });
}

function websocketOf(flags: RelayFlags, command: Command) {
  const { wss, wssUrl, tlsCert, tlsKey } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    command.error("error: --tls-cert and --tls-key go together");
  }
  if (wss === undefined && (wssUrl ?? tlsCert) !== undefined) {
    command.error("error: --wss-url and --tls-cert need --wss");
  }
  if (wss === undefined) return undefined;
  const tls =
    tlsCert === undefined || tlsKey === undefined ? undefined : { certificate: tlsCert, key: tlsKey };
  return { listen: wss, url: wssUrl, tls };
}

const REACH = {
  loopback: "only this machine can reach that",
  private: "only its own network can reach that",
} as const;

/** Agents re-home within a second or two of being told; the rest of the time to stop is for saying goodbye. */
const DRAIN_MS = 8_000;

async function runRelay(flags: RelayFlags, command: Command, terminal: Terminal): Promise<void> {
  const token = tokenFrom(command, flags);
  configureLogging(terminal, flags.logLevel);
  const stateDir = flags.state ?? defaultStateDir("relay");
  const websocket = websocketOf(flags, command);
  const { startRelay } = await import("@burrow/relay");
  await runDaemon(
    "relay",
    (stopped) =>
      startRelay({
        stopped,
        coordinatorUrl: flags.coordinator,
        region: flags.region,
        listen: flags.listen,
        furtherPorts: flags.furtherPorts,
        http: flags.http,
        advertise: flags.advertise ?? [],
        websocket,
        stateDir,
        drainMs: DRAIN_MS,
        threads: flags.threads,
        sessionsMax: flags.sessionsMax,
        ...(token === undefined ? {} : { token }),
        ...(flags.at === undefined ? {} : { at: flags.at }),
      }),
    ({ id, httpUrl, endpoints, registered }) => {
      const { region } = flags;
      const reach = reachOf(endpoints);
      const isNear = registered && reach !== "public";
      if (isNear) {
        getLogger(["burrow", "relay"]).warn(
          "agents are told to reach this relay at {endpoints}: {where}; give its public address with --advertise IP:PORT",
          { endpoints: endpoints.join(" and "), where: REACH[reach] },
        );
      }
      const note = isNear ? `\n  ${REACH[reach]}: others need --advertise IP:PORT` : "";
      terminal.out(
        flags.json === true
          ? `${JSON.stringify({ event: "ready", id, region, endpoints, reach, httpUrl, registered, stateDir })}\n`
          : `relay ${id} ready in ${region}, at ${endpoints.join(" and ")}; health: ${httpUrl}/healthz${note}\n`,
      );
    },
  );
}
