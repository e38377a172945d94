/** Numbers as people read them: times, ages, sizes. */

/** `0.21 ms`, `12.3 ms`, `184 ms`; a dash when unknown. */
export function milliseconds(ms: number | undefined | null): string {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return "-";
  return `${ms < 1 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How long something has lasted: `now`, `42s`, `5m`, `3h12m`, `9d`. */
export function age(ms: number | undefined | null): string {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return "-";
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)}d`;
  const minutes = Math.floor((seconds % 3600) / 60);
  return minutes === 0 ? `${hours}h` : `${hours}h${minutes}m`;
}

/** Since when something is so: `for 42s`, `just now`. */
export function lasting(ms: number): string {
  return ms < 1000 ? "just now" : `for ${age(ms)}`;
}

const SIZES = ["B", "KB", "MB", "GB", "TB"] as const;

/** Powers of 1000, as network gear counts: `0 B`, `1.4 KB`, `104 MB`. */
export function bytes(count: number | undefined | null): string {
  if (count === undefined || count === null || !Number.isFinite(count)) return "-";
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${SIZES[unit]}`;
}

/** Wall-clock time of day, to the millisecond, local: what one compares with another log. */
export function timeOfDay(unixMs: number): string {
  const date = new Date(unixMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}
