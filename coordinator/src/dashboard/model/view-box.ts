/** Which part of the map is in sight: how much it is enlarged, and how far it is moved. */

export interface ViewBox {
  /** 1: the whole world. */
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

export const WHOLE: ViewBox = { k: 1, x: 0, y: 0 };
export const ZOOM_MAX = 16;
/** However close together all is, the lands around it are seen as well. */
const FIT_MAX = 5;
const ROOM = 0.8;

/** Enlarged by `factor` about a point of the screen, which stays where it is. */
export function zoomed(view: ViewBox, factor: number, px: number, py: number, size: Size): ViewBox {
  const k = Math.min(ZOOM_MAX, Math.max(1, view.k * factor));
  const grown = k / view.k;
  return held({ k, x: px - (px - view.x) * grown, y: py - (py - view.y) * grown }, size);
}

export function moved(view: ViewBox, dx: number, dy: number, size: Size): ViewBox {
  return held({ k: view.k, x: view.x + dx, y: view.y + dy }, size);
}

/** The view that shows all these points, with room around them. */
export function fitted(points: readonly { readonly x: number; readonly y: number }[], size: Size): ViewBox {
  if (points.length === 0) return WHOLE;
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, right] = extent(xs);
  const [top, bottom] = extent(ys);
  const fit = Math.min((size.width * ROOM) / (right - left || 1), (size.height * ROOM) / (bottom - top || 1));
  const k = Math.min(FIT_MAX, Math.max(1, fit));
  const x = size.width / 2 - ((left + right) / 2) * k;
  const y = size.height / 2 - ((top + bottom) / 2) * k;
  return held({ k, x, y }, size);
}

/** By hand: twenty thousand arguments are too many for Math.min. */
function extent(values: readonly number[]): [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}

/** The world's edge never comes inside the window. */
function held({ k, x, y }: ViewBox, { width, height }: Size): ViewBox {
  return {
    k,
    x: Math.min(0, Math.max(width * (1 - k), x)),
    y: Math.min(0, Math.max(height * (1 - k), y)),
  };
}
