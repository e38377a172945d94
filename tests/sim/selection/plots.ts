/** The results as SVG, drawn without libraries so that the files are the same wherever they are made. */

interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Axis {
  readonly title: string;
  readonly ticks: readonly number[];
  /** Where a value stands between 0 and 1. */
  readonly place: (value: number) => number;
}

export const COLOURS = ["#0b7285", "#e8590c", "#868e96", "#c2255c", "#5f3dc4", "#2b8a3e"] as const;
const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 64;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 52;

/** Excess of many rules as a distribution: share of minutes (up) with at most so many ms of excess (along). */
export function excessPlot(
  title: string,
  rules: readonly { name: string; excess: readonly number[] }[],
): string {
  const ticks = [0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
  const most = Math.log1p(300);
  const x: Axis = { title: "excess over the best relay, ms", ticks, place: (ms) => Math.log1p(ms) / most };
  const y: Axis = {
    title: "share of agents' minutes",
    ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    place: (share) => share,
  };
  const series = rules.map(({ name, excess }, i): Series => {
    const sorted = Float64Array.from(excess).sort();
    const shares = Array.from({ length: 201 }, (_, step) => step / 200);
    const points = shares.map((share): readonly [number, number] => {
      const ms = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
      return [Math.min(300, ms), share];
    });
    return { name, colour: COLOURS[i % COLOURS.length] ?? "#000", points };
  });
  return chart(title, x, y, series);
}

/** Loads of relays over their room, one line per state of things, relays side by side. */
export function loadsPlot(
  title: string,
  lines: readonly { name: string; loads: readonly number[] }[],
): string {
  const count = Math.max(1, ...lines.map(({ loads }) => loads.length));
  const most = Math.max(1.2, ...lines.flatMap(({ loads }) => loads)) * 1.05;
  const step = most > 6 ? 2 : most > 3 ? 1 : 0.5;
  const x: Axis = {
    title: "living relays, by their load in the stampede",
    ticks: [0, 50, 100, 150, 200].filter((n) => n <= count),
    place: (n) => n / count,
  };
  const y: Axis = {
    title: "homes ÷ stated room",
    ticks: Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step),
    place: (load) => load / most,
  };
  const series = lines.map(({ name, loads }, i): Series => {
    const points = loads.map((load, n): readonly [number, number] => [n, load]);
    return { name, colour: COLOURS[i % COLOURS.length] ?? "#000", points };
  });
  const room: Series = {
    name: "stated room",
    colour: "#212529",
    points: [
      [0, 1],
      [count, 1],
    ],
  };
  return chart(title, x, y, [...series, room]);
}

function chart(title: string, x: Axis, y: Axis, series: readonly Series[]): string {
  const across = (value: number) => round(LEFT + x.place(value) * (WIDTH - LEFT - RIGHT));
  const up = (value: number) => round(HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, title, 'font-size="15" font-weight="bold"'),
  ];
  for (const tick of x.ticks) {
    parts.push(line(across(tick), TOP, across(tick), HEIGHT - BOTTOM));
    parts.push(text(across(tick), HEIGHT - BOTTOM + 16, String(tick), 'text-anchor="middle"'));
  }
  for (const tick of y.ticks) {
    parts.push(line(LEFT, up(tick), WIDTH - RIGHT, up(tick)));
    parts.push(text(LEFT - 8, up(tick) + 4, String(round(tick)), 'text-anchor="end"'));
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.title, 'text-anchor="middle"'));
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  parts.push(text(16, middle, y.title, `text-anchor="middle" transform="rotate(-90 16 ${middle})"`));
  for (const [i, { name, colour, points }] of series.entries()) {
    const path = points.map(([px, py]) => `${across(px)},${up(py)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    const row = HEIGHT - BOTTOM - 14 - (series.length - 1 - i) * 17;
    const top = TOP + 14 + i * 17;
    const at = y.place(1) > 0.9 ? row : top;
    parts.push(`<rect x="${WIDTH - 210}" y="${at - 9}" width="14" height="4" fill="${colour}"/>`);
    parts.push(text(WIDTH - 190, at - 3, name, ""));
  }
  parts.push("</svg>");
  return `${parts.join("\n")}\n`;
}

function text(x: number, y: number, words: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#dee2e6"/>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
