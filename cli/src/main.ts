/** The `burrow` command. */
import { hasDaemonEnded } from "./daemon.ts";
import { run } from "./program.ts";
import { processTerminal } from "./terminal.ts";

/** A name server that does not answer would hold up the end of a daemon for many seconds. */
const LINGER_MS = 500;

// Not awaited: while a module waits, Bun goes on after an exception that nobody caught, and a daemon whose packet thread
// has died would stay there as half of itself.
run(process.argv.slice(2), processTerminal()).then((exitCode) => {
  process.exitCode = exitCode;
  if (hasDaemonEnded()) setTimeout(() => process.exit(), LINGER_MS).unref();
});
