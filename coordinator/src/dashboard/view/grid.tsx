/**
 * A long list as a grid of rows with headers: only what is in sight is drawn, arrow keys move, Enter opens. The row
 * that has the focus stays drawn wherever the list is scrolled to, so that the focus is never lost.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { rowAfterKey, rowsInSight, scrolledTo } from "../model/window.ts";
import { useSize } from "./hooks.ts";

export const ROW_HEIGHT = 52;

export interface Column<Row> {
  readonly title: string;
  readonly align?: "end";
  readonly cell: (row: Row) => ComponentChildren;
}

interface GridProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly idOf: (row: Row) => string;
  /** The row to begin at: that which was open last. */
  readonly start: string | undefined;
  readonly open: (row: Row) => void;
  readonly pointed?: (row: Row | undefined) => void;
}

export function Grid<Row>(props: GridProps<Row>) {
  const { label, columns, rows, idOf, start, open } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const size = useSize(body);
  const [scrollTop, setScrollTop] = useState(0);
  const [activeId, setActiveId] = useState(start);
  const [hasFocus, setHasFocus] = useState(start !== undefined);
  const found = rows.findIndex((row) => idOf(row) === activeId);
  const active = Math.max(0, found);
  const height = size?.height ?? 0;
  const { from, to } = rowsInSight(scrollTop, height, ROW_HEIGHT, rows.length);
  const drawn = Array.from({ length: to - from }, (_, i) => from + i);
  if (rows.length > 0 && !drawn.includes(active)) drawn.push(active);

  useLayoutEffect(() => {
    if (size === undefined || !hasFocus || body.current === null) return;
    body.current.scrollTop = scrolledTo(active, body.current.scrollTop, size.height, ROW_HEIGHT);
    const row = body.current.querySelector<HTMLElement>('tr[tabindex="0"]');
    if (row !== null && document.activeElement !== row) row.focus({ preventScroll: true });
    // Only when another row is active: whoever scrolls by hand is left alone.
  }, [activeId, hasFocus, size === undefined]);

  useEffect(() => {
    if (body.current !== null && body.current.scrollTop !== scrollTop) setScrollTop(body.current.scrollTop);
  });

  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[active];
    if (row === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open(row);
      return;
    }
    const next = rowAfterKey(event.key, active, rows.length, Math.floor(height / ROW_HEIGHT));
    const nextRow = next === undefined ? undefined : rows[next];
    if (nextRow === undefined) return;
    event.preventDefault();
    setActiveId(idOf(nextRow));
  };

  return (
    // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table whose rows take keys is a grid (ARIA APG)
    <table class="grid" role="grid" aria-label={label} aria-rowcount={rows.length + 1}>
      <thead>
        <tr class="grid-row" aria-rowindex={1}>
          {columns.map(({ title, align }) => (
            <th key={title} scope="col" class={align}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody
        ref={body}
        style={{ "--list-height": `${rows.length * ROW_HEIGHT}px` }}
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
        onPointerLeave={() => props.pointed?.(undefined)}
      >
        {drawn.map((index) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <tr
              key={idOf(row)}
              class="grid-row"
              aria-rowindex={index + 2}
              tabIndex={index === active ? 0 : -1}
              style={{ transform: `translateY(${index * ROW_HEIGHT}px)` }}
              onClick={() => open(row)}
              onKeyDown={onKeyDown}
              onFocus={() => {
                setActiveId(idOf(row));
                setHasFocus(true);
              }}
              onBlur={() => setHasFocus(false)}
              onPointerEnter={() => props.pointed?.(row)}
            >
              {columns.map(({ title, align, cell }) => (
                <td key={title} class={align}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
