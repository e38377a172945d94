/** `burrow token`: the right to join, as a text that can be handed over, looked at, and taken back. */
import type { CreatedToken, TokenView } from "@burrow/coordinator";
import type { Command } from "commander";
import { flag, jsonFlag } from "../flags.ts";
import { table } from "../print/table.ts";
import { age } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { idArgument, networkName, tokenLifeMs, uses } from "../values.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";
import { fileFor, outFlag } from "./out-file.ts";

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
  const token = program.command("token").description("enrolment tokens: create, list, remove");
  const create = token.command("create").description("make a token that lets agents or relays join");
  create
    .addOption(flag("--for <KIND>", "who may use it").choices(["agent", "relay"]).makeOptionMandatory())
    .addOption(
      flag(
        "--network <NAME>",
        "network that agents join (default: default), or whose own the relays are; made if new",
      ).argParser(networkName),
    )
    .addOption(outFlag("write the token to this file, for its owner alone"))
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
  addOperatorFlags(token.command("list").description("all tokens that were made, without their secrets"))
    .addOption(jsonFlag())
    .action(async (flags: ListFlags) => {
      const { api } = await operatorOf(flags);
      const tokens = await api.tokens();
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(tokens, null, 2)}\n`
          : showTokens(tokens, terminal.outStyle, Date.now()),
      );
    });
  const remove = token
    .command("remove")
    .description("take a token back: it lets nobody in any more; who is in stays")
    .argument(
      "<ID>",
      "the token's id: 16 hex digits, as `burrow token list` shows",
      idArgument("token list"),
    );
  addOperatorFlags(remove)
    .addOption(jsonFlag())
    .action(async (id: string, flags: ListFlags) => {
      const { api } = await operatorOf(flags);
      const removed = await api.removeToken(id);
      const unused = removed.uses - removed.used;
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(removed, null, 2)}\n`
          : `token ${removed.id} is removed, with ${unused} of ${removed.uses} uses left\n`,
      );
    });
}

interface ListFlags extends OperatorFlags {
  readonly json?: boolean;
}

const COLUMNS = [
  { title: "ID" },
  { title: "FOR" },
  { title: "NETWORK", shrinkTo: 7 },
  { title: "USED", align: "right" },
  { title: "STATE" },
  { title: "MADE", align: "right" },
  { title: "EXPIRES" },
] as const;

/** Those that still let somebody in first, then the youngest. */
export function showTokens(tokens: readonly TokenView[], style: Style, now: number): string {
  if (tokens.length === 0) return "No tokens. Make one: `burrow token create --for agent`.\n";
  const rank = ({ state }: TokenView) => (state === "usable" ? 0 : 1);
  const rows = [...tokens]
    .sort((a, b) => rank(a) - rank(b) || b.createdAtMs - a.createdAtMs)
    .map((token) => [
      token.id,
      token.for,
      token.network ?? "all",
      `${token.used}/${token.uses}`,
      { text: token.state, paint: token.state === "usable" ? style.green : style.dim },
      age(now - token.createdAtMs),
      token.state === "expired" ? "-" : `in ${age(token.expiresAtMs - now)}`,
    ]);
  return table(COLUMNS, rows, style);
}

async function createToken(flags: TokenCreateFlags, terminal: Terminal): Promise<void> {
  const { api, url } = await operatorOf(flags);
  const out = await fileFor(flags.out);
  let created: CreatedToken;
  try {
    created = await api.createToken({
      for: flags.for,
      ...(flags.network === undefined ? {} : { network: flags.network }),
      uses: flags.uses,
      expiresInMs: flags.expires,
    });
    const { id, token } = created;
    await out?.write(`${token}\n`).catch(async (error: unknown) => {
      // Nobody has it, so it should let nobody in.
      await api.removeToken(id).catch(() => {});
      throw error;
    });
  } finally {
    await out?.close();
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
