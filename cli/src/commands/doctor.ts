/** `burrow doctor`: whether this machine and its network are fit for an agent, and what to do where they are not. */
import type { Command } from "commander";
import { Negative } from "../failure.ts";
import { coordinatorFlag } from "../flags.ts";
import { type Found, showFindings } from "../print/findings.ts";
import { findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import { addLocalFlags } from "./common.ts";
import { examination, type NetcheckFlags } from "./netcheck.ts";

export function addDoctor(program: Command, terminal: Terminal): void {
  const doctor = program
    .command("doctor")
    .description("what is wrong on this machine or its network, and what to do about it")
    .addOption(coordinatorFlag());
  addLocalFlags(doctor).action(async (flags: NetcheckFlags) => {
    const findings = await findAll(flags);
    const broken = findings.filter(({ status }) => status === "broken").length;
    const { outStyle: style } = terminal;
    const sum = broken === 0 ? style.green("nothing is broken") : style.red(`${broken} broken`);
    terminal.out(
      flags.json === true
        ? `${JSON.stringify({ ok: broken === 0, findings }, null, 2)}\n`
        : `${showFindings(findings, style)}\n${style.bold(sum)}\n`,
    );
    if (broken > 0) throw new Negative();
  });
}

async function findAll(flags: NetcheckFlags): Promise<readonly Found[]> {
  const { checkMachine, gatherFacts } = await import("@burrow/agent");
  const stateDir = flags.state ?? findStateDir("agent");
  const machine = checkMachine(await gatherFacts(stateDir));
  try {
    const { findings } = await examination(flags);
    return [...machine, ...findings];
  } catch (error) {
    // A coordinator nobody named, or a state directory that is broken: the latter is told above.
    const text = error instanceof Error ? error.message : String(error);
    const remedy = (error as { remedy?: string }).remedy;
    return [...machine, { check: "network", status: "unknown", text, remedy }];
  }
}
