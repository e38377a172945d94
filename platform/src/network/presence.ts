/** Whether an interface is still the one it was: somebody may remove it, or put another of its name in its place. */
import { openLibc } from "../libc.ts";

/** net/if.h, the same on Linux and macOS. */
const SYMBOLS = { if_nametoindex: { args: ["cstring"], returns: "u32" } } as const;
let library: ReturnType<typeof openLibc<typeof SYMBOLS>> | undefined;

/** A look costs microseconds, and who removed the interface does not wait for us. */
const LOOK_MS = 500;

/** The system's number for the interface, which no later one of the same name has; 0 when there is none. */
export function interfaceIndex(name: string): number {
  library ??= openLibc(SYMBOLS);
  return library.if_nametoindex(Buffer.from(`${name}\0`));
}

/** Calls back once when the interface of this name is there no more, or is another one than now. */
export function watchPresence(name: string, gone: () => void): { close(): void } {
  const index = interfaceIndex(name);
  const timer = setInterval(() => {
    if (interfaceIndex(name) === index) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  return { close: () => clearInterval(timer) };
}
