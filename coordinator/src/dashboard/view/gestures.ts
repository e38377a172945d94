/** Moves and zooms the map by wheel, mouse and fingers. */
import { useEffect } from "preact/hooks";
import type { Size } from "../browser/projection.ts";
import { moved, type ViewBox, zoomed } from "../model/view-box.ts";

const WHEEL_SPEED = 0.0018;
/** A press that moves less is a click. */
const CLICK_SLACK = 4;

export function useGestures(
  frame: { readonly current: HTMLElement | null },
  size: Size,
  setView: (change: (view: ViewBox) => ViewBox) => void,
): void {
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const end = new AbortController();
    const { signal } = end;
    const pointers = new Map<number, { x: number; y: number }>();
    const at = (event: MouseEvent) => {
      const { left, top } = element.getBoundingClientRect();
      return { x: event.clientX - left, y: event.clientY - top };
    };
    let travelled = 0;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { x, y } = at(event);
      setView((view) => zoomed(view, Math.exp(-event.deltaY * WHEEL_SPEED), x, y, size));
    };
    const onDown = (event: PointerEvent) => {
      if (event.target instanceof Element && event.target.closest("button") !== null) return;
      if (pointers.size === 0) travelled = 0;
      pointers.set(event.pointerId, at(event));
    };
    const onMove = (event: PointerEvent) => {
      const before = pointers.get(event.pointerId);
      if (before === undefined) return;
      const now = at(event);
      pointers.set(event.pointerId, now);
      const [dx, dy] = [now.x - before.x, now.y - before.y];
      travelled += Math.hypot(dx, dy);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) {
        if (travelled > CLICK_SLACK) setView((view) => moved(view, dx, dy, size));
        return;
      }
      const factor =
        Math.hypot(now.x - other.x, now.y - other.y) /
        (Math.hypot(before.x - other.x, before.y - other.y) || 1);
      setView((view) => zoomed(view, factor, (now.x + other.x) / 2, (now.y + other.y) / 2, size));
    };
    const onUp = (event: PointerEvent) => pointers.delete(event.pointerId);
    /** The end of a drag opens nothing. */
    const onClick = (event: MouseEvent) => {
      if (travelled > CLICK_SLACK) event.stopPropagation();
      travelled = 0;
    };
    element.addEventListener("wheel", onWheel, { passive: false, signal });
    element.addEventListener("pointerdown", onDown, { signal });
    element.addEventListener("click", onClick, { capture: true, signal });
    addEventListener("pointermove", onMove, { signal });
    addEventListener("pointerup", onUp, { signal });
    addEventListener("pointercancel", onUp, { signal });
    return () => end.abort();
  }, [size.width, size.height]);
}
