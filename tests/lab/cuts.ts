/** Cutting and mending paths at run time: nftables rules in the exchanges that drop packets by their addresses. */
import { isV6 } from "./host.ts";
import type { Namespace } from "./netns.ts";

/** Undoes a cut; a second call does nothing. */
export type Mend = () => Promise<void>;

/** The rules match sets, so that a cut is one element more or less and never a new ruleset. */
export class Cuts {
  readonly #exchanges: Namespace[] = [];
  // The same cut made twice is mended when both are.
  readonly #holders = new Map<string, number>();

  /** Makes the cuts hold in a further exchange, those that hold already included. */
  async install(exchange: Namespace): Promise<void> {
    const families = [
      { suffix: "4", type: "ipv4_addr", ip: "ip" },
      { suffix: "6", type: "ipv6_addr", ip: "ip6" },
    ];
    const sets = families.map(
      ({ suffix, type }) => `
        set udp_pair${suffix} { type ${type} . ${type}; flags interval; }
        set pair${suffix} { type ${type} . ${type}; flags interval; }
        set lone${suffix} { type ${type}; flags interval; }`,
    );
    const rules = families.map(
      ({ suffix, ip }) => `
        ${ip} saddr . ${ip} daddr @udp_pair${suffix} meta l4proto udp drop
        ${ip} saddr . ${ip} daddr @pair${suffix} drop
        ${ip} saddr @lone${suffix} drop
        ${ip} daddr @lone${suffix} drop`,
    );
    await exchange.nft(`
      table inet cuts {
        ${sets.join("\n")}
        chain between { type filter hook forward priority filter; policy accept;
          ${rules.join("\n")}
        }
      }
    `);
    this.#exchanges.push(exchange);
    const held = [...this.#holders].filter(([, holders]) => holders > 0).map(([element]) => element);
    await this.#change("add", held, [exchange]);
  }

  /** Each item is a pair of addresses, to be cut both ways, or one address. */
  async add(set: "udp_pair" | "pair" | "lone", items: readonly (readonly string[])[]): Promise<Mend> {
    const elements = items.flatMap((item) => {
      const name = `${set}${isV6(item[0] ?? "") ? "6" : "4"}`;
      const ways = item.length === 1 ? [item] : [item, item.toReversed()];
      return ways.map((way) => `${name} { ${way.join(" . ")} }`);
    });
    await this.#change(
      "add",
      elements.filter((element) => this.#hold(element, +1) === 1),
    );
    let mended = false;
    return async () => {
      if (mended) return;
      mended = true;
      await this.#change(
        "delete",
        elements.filter((element) => this.#hold(element, -1) === 0),
      );
    };
  }

  #hold(element: string, change: 1 | -1): number {
    const holders = (this.#holders.get(element) ?? 0) + change;
    this.#holders.set(element, holders);
    return holders;
  }

  async #change(verb: "add" | "delete", elements: readonly string[], where = this.#exchanges): Promise<void> {
    if (elements.length === 0) return;
    const script = elements.map((element) => `${verb} element inet cuts ${element}\n`).join("");
    await Promise.all(where.map((exchange) => exchange.nft(script)));
  }
}
