/**
 * Whether a name can be turned into addresses, looked up beside a connection to it: one that hangs on a name server
 * which does not answer fails with words that say nothing of it.
 */
import { isIP } from "node:net";

export class NameLookup {
  #problem: string | undefined;

  constructor({ hostname }: URL) {
    if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return;
    this.#problem = `no name server answers for ${hostname}: see /etc/resolv.conf, and \`burrow doctor\``;
    // Not by the system's own call, which would hold one of the few threads that also read and write files.
    Bun.dns.lookup(hostname, { backend: "c-ares" }).then(
      () => {
        this.#problem = undefined;
      },
      ({ code }: NodeJS.ErrnoException) => {
        if (!/ENOTFOUND|ENODATA/.test(code ?? "")) return;
        this.#problem = `the name server knows no ${hostname}: check the name, or with \`burrow doctor\` the network`;
      },
    );
  }

  /** Why the name leads nowhere, as far as is known by now. */
  get problem(): string | undefined {
    return this.#problem;
  }
}
