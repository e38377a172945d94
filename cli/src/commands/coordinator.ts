/** `burrow coordinator`: the part that knows who is there. */
import { RATE_CLASS, RATE_DEFAULT, type RateName } from "@burrow/protocol";
import type { LogLevel } from "@logtape/logtape";
import type { Command } from "commander";
import { runDaemon } from "../daemon.ts";
import { flag, jsonFlag, logLevelFlag, stateFlag } from "../flags.ts";
import { configureLogging } from "../log.ts";
import { defaultStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import { type ListenAddress, listenAddressLike, store } from "../values.ts";
import { addBackup } from "./backup.ts";

interface CoordinatorFlags {
  readonly listen: ListenAddress;
  readonly state?: string;
  readonly geoip?: string;
  readonly agentRate: RateName;
  readonly trustProxy?: boolean;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const LISTEN_DEFAULT = "127.0.0.1:8080";
const listenOn = listenAddressLike(8080);

export function addCoordinator(program: Command, terminal: Terminal): void {
  const command = program.command("coordinator");
  addBackup(command, terminal);
  command
    .description("run the coordinator: knows agents and relays, hands out tickets")
    .addOption(
      flag("--listen <ADDRESS>", "IP:PORT to listen on")
        .argParser(listenOn)
        .default(listenOn(LISTEN_DEFAULT), LISTEN_DEFAULT),
    )
    .addOption(stateFlag("where to keep its database and operator.json"))
    .addOption(flag("--geoip <FILE.mmdb>", "GeoIP city database, to guess the nearest relays"))
    .addOption(
      flag("--store <STORE>", "where to keep what it knows: sqlite")
        .argParser(store)
        .default("sqlite", "sqlite"),
    )
    .addOption(
      flag("--agent-rate <RATE>", "what each agent may send through a relay, in bit/s")
        .choices(Object.keys(RATE_CLASS))
        .default(RATE_DEFAULT),
    )
    .addOption(
      flag("--trust-proxy", "take client addresses from X-Forwarded-For (behind a reverse proxy only)"),
    )
    .addOption(logLevelFlag())
    .addOption(jsonFlag())
    .addHelpText(
      "after",
      "\nWrites the operator token to operator.json in its state directory (mode 0600).\n\nExample: burrow coordinator --listen 0.0.0.0:8080 --geoip GeoLite2-City.mmdb",
    )
    .action((flags: CoordinatorFlags) => coordinator(flags, terminal));
}

async function coordinator(flags: CoordinatorFlags, terminal: Terminal): Promise<void> {
  configureLogging(terminal, flags.logLevel);
  const stateDir = flags.state ?? defaultStateDir("coordinator");
  const { startCoordinator } = await import("@burrow/coordinator");
  await runDaemon(
    "coordinator",
    () =>
      startCoordinator({
        listen: flags.listen,
        stateDir,
        agentRate: flags.agentRate,
        ...(flags.geoip === undefined ? {} : { geoipFile: flags.geoip }),
        ...(flags.trustProxy === true ? { trustProxy: true } : {}),
      }),
    ({ url }) => {
      terminal.out(
        flags.json === true
          ? `${JSON.stringify({ event: "ready", url, stateDir })}\n`
          : `coordinator ready at ${url}, state in ${stateDir}\n`,
      );
      if (terminal.outIsTerminal)
        terminal.out(terminal.outStyle.dim("next: burrow token create --for relay\n"));
    },
  );
}
