/** `burrow token create`: the right to join, as a text that can be handed over. */
import type { CreatedToken } from "@burrow/coordinator";
import type { Command } from "commander";
import { flag, jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";
import { networkName, tokenLifeMs, uses } from "../values.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";

interface TokenCreateFlags extends OperatorFlags {
  readonly for: "agent" | "relay";
  readonly network?: string;
  readonly uses: number;
  readonly expires: number;
  readonly out?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

export function addToken(program: Command, terminal: Terminal): void {
  const token = program.command("token").description("enrolment tokens: burrow token create");
  const create = token.command("create").description("make a token that lets agents or relays join");
  create
    .addOption(flag("--for <KIND>", "who may use it").choices(["agent", "relay"]).makeOptionMandatory())
    .addOption(
      flag(
        "--network <NAME>",
        "network that agents join (default: default), or whose own the relays are; made if new",
      ).argParser(networkName),
    )
    .addOption(flag("--out <FILE>", "write the token to this file, for its owner alone"))
    .addOption(flag("--uses <N>", "how often it can be used").argParser(uses).default(1))
    .addOption(
      flag("--expires <TIME>", "how long it is good for").argParser(tokenLifeMs).default(DAY_MS, "24h"),
    );
  addOperatorFlags(create)
    .addOption(jsonFlag())
    .addHelpText(
      "after",
      "\nExamples: burrow token create --for relay --out relay.token\n          burrow token create --for agent --network office --uses 20",
    )
    .action((flags: TokenCreateFlags) => createToken(flags, terminal));
}

async function createToken(flags: TokenCreateFlags, terminal: Terminal): Promise<void> {
  const { api, url } = await operatorOf(flags);
  const created = await api.createToken({
    for: flags.for,
    ...(flags.network === undefined ? {} : { network: flags.network }),
    uses: flags.uses,
    expiresInMs: flags.expires,
  });
  if (flags.out !== undefined) {
    const { writeFileAtomic } = await import("@burrow/platform");
    await writeFileAtomic(flags.out, `${created.token}\n`, 0o600);
  }
  if (flags.json === true) {
    terminal.out(`${JSON.stringify(created, null, 2)}\n`);
    return;
  }
  // The token alone on standard output, so that `> file` and $(…) hold it and nothing else.
  if (flags.out === undefined) terminal.out(`${created.token}\n`);
  terminal.err(terminal.errStyle.dim(`${describe(created)}\n${nextStep(created, url, flags.out)}\n`));
}

function describe(created: CreatedToken): string {
  const whom =
    created.network === undefined ? `${created.for}s` : `${created.for}s of network ${created.network}`;
  const times = created.uses === 1 ? "once" : `${created.uses} times`;
  return `For ${whom}, usable ${times}, until ${new Date(created.expiresAtMs).toISOString()}.`;
}

function nextStep(created: CreatedToken, url: string, file: string | undefined): string {
  const command = created.for === "relay" ? "burrow relay --region NAME" : "burrow up";
  const first = file === undefined ? "put it into a file and run" : "run";
  return `Next: ${first}: ${command} --coordinator ${url} --token-file ${file ?? "FILE"}`;
}
