/**
 * Whether a name can be turned into addresses, looked up beside a connection to it: one that hangs on a name server
 * which does not answer fails with words that say nothing of it.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

export class NameLookup {
  #problem: string | undefined;

  constructor({ hostname }: URL) {
    if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return;
    this.#problem = `no name server answers for ${hostname}: see /etc/resolv.conf, and \`burrow doctor\``;
    lookup(hostname).then(
      () => {
        this.#problem = undefined;
      },
      ({ code }: NodeJS.ErrnoException) => {
        if (code !== "ENOTFOUND" && code !== "ENODATA") return;
        this.#problem = `the name server knows no ${hostname}: check the name, or with \`burrow doctor\` the network`;
      },
    );
  }

  /** Why the name leads nowhere, as far as is known by now. */
  get problem(): string | undefined {
    return this.#problem;
  }
}
