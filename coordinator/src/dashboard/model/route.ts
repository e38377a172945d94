/** Which part of the page is shown, as it stands after the `#` of its address. */

export type Route =
  | { readonly page: "relays" }
  | { readonly page: "agents" }
  | { readonly page: "relay"; readonly id: string }
  | { readonly page: "agent"; readonly id: string };

/** What is no route leads to the relays. */
export function parseRoute(hash: string): Route {
  const [, list, id, ...more] = hash.replace(/^#/, "").split("/");
  if (more.length > 0 || (list !== "relays" && list !== "agents")) return { page: "relays" };
  if (id === undefined) return { page: list };
  if (!/^[0-9a-f]{16}$/.test(id)) return { page: list };
  return { page: list === "relays" ? "relay" : "agent", id };
}

export function routeHash(route: Route): string {
  switch (route.page) {
    case "relays":
    case "agents":
      return `#/${route.page}`;
    case "relay":
      return `#/relays/${route.id}`;
    case "agent":
      return `#/agents/${route.id}`;
  }
}
