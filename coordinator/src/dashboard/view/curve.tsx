/** One figure of a relay over time. The latest values stand beside its title, for those who do not see the curve. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Sample } from "../model/history.ts";
import { useMedia, useSize } from "./hooks.ts";

export interface Line {
  readonly title: string;
  /** A custom property of the style sheet. */
  readonly colour: "--accent" | "--ink-2" | "--warn" | "--bad";
  readonly value: (sample: Sample) => number | null;
}

interface CurveProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly samples: readonly Sample[];
  readonly text: (value: number | null) => string;
}

const HEIGHT = 104;
const AXIS_WIDTH = 64;
/** A curve of only zeros has no extent of its own. */
const EXTENT_MIN = 1;

export function Curve({ title, lines, samples, text }: CurveProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const size = useSize(frame);
  const isDark = useMedia("(prefers-color-scheme: dark)");
  const width = size?.width ?? 0;
  const data: uPlot.AlignedData = [
    samples.map(({ atMs }) => atMs / 1000),
    ...lines.map(({ value }) => samples.map(value)),
  ];

  useEffect(() => {
    if (frame.current === null || width === 0) return;
    const made = new uPlot(optionsOf(lines, text, width), data, frame.current);
    plot.current = made;
    return () => made.destroy();
  }, [width === 0, isDark, title]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: HEIGHT });
  }, [width]);
  const last = samples.at(-1);
  useEffect(() => plot.current?.setData(data), [last]);

  return (
    <figure class="curve">
      <figcaption>
        <span>{title}</span>
        {lines.map((line) => (
          <span key={line.title} class="value">
            {lines.length > 1 && <i class={line.colour.slice(2)} aria-hidden="true" />}
            {lines.length > 1 && `${line.title} `}
            <b>{text(last === undefined ? null : line.value(last))}</b>
          </span>
        ))}
      </figcaption>
      <div ref={frame} class="plot" aria-hidden="true" />
    </figure>
  );
}

function optionsOf(
  lines: readonly Line[],
  text: (value: number | null) => string,
  width: number,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--ink-2"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    // Room for half of the last moment's label.
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "relay" } },
    scales: { y: { range: (_, __, max) => [0, Math.max(EXTENT_MIN, max * 1.1)] } },
    axes: [
      { ...axis, size: 22, space: 90, values: timesOfDay },
      { ...axis, size: AXIS_WIDTH, space: 34, values: (_, ticks) => ticks.map(text) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.title,
        stroke: colour(line.colour),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
}

/** As people write them where they are; with seconds where moments are less than a minute apart. */
function timesOfDay(_: uPlot, moments: number[], __: number, ___: number, apartS: number): string[] {
  const format = new Intl.DateTimeFormat([], {
    ...{ hour: "2-digit", minute: "2-digit" },
    ...(apartS < 60 ? { second: "2-digit" } : {}),
  });
  return moments.map((moment) => format.format(moment * 1000));
}
