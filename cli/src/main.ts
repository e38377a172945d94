/** The `burrow` command. */
import { run } from "./program.ts";
import { processTerminal } from "./terminal.ts";

// Not awaited: while a module waits, Bun goes on after an exception that nobody caught, and a daemon whose packet thread
// has died would stay there as half of itself.
run(process.argv.slice(2), processTerminal()).then((exitCode) => {
  process.exitCode = exitCode;
});
