/** For uncaught.test.ts, loaded before the command: an exception that nobody catches, once the daemon runs. */
setTimeout(() => {
  throw new Error("broken inside");
}, 2_000);
