/** Numbers as people read them. */

const NONE = "–";

/** `0.21 ms`, `12.3 ms`, `184 ms`. */
export function milliseconds(ms: number | null | undefined): string {
  if (ms === undefined || ms === null) return NONE;
  return `${ms < 1 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How long something has lasted: `now`, `42 s`, `5 min`, `3 h 12 min`, `9 days`. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

const PREFIXES = ["", "k", "M", "G", "T"] as const;

/** Powers of 1000: `0`, `1.4 k`, `104 M`. */
export function amount(count: number | null | undefined, unit = ""): string {
  if (count === undefined || count === null) return NONE;
  let value = count;
  let prefix = 0;
  while (value >= 999.5 && prefix < PREFIXES.length - 1) {
    value /= 1000;
    prefix++;
  }
  const digits = value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
  const named = `${PREFIXES[prefix]}${unit}`;
  return named === "" ? digits : `${digits} ${named}`;
}

/** `20,000`. */
export function count(n: number): string {
  return String(n).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** `50.11° N, 8.68° E`. */
export function place({ lat, lon }: { readonly lat: number; readonly lon: number }): string {
  const side = (degrees: number, positive: string, negative: string) =>
    `${Math.abs(degrees).toFixed(2)}° ${degrees < 0 ? negative : positive}`;
  return `${side(lat, "N", "S")}, ${side(lon, "E", "W")}`;
}
