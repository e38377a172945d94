/** What the pages of relays and agents share. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Live } from "../browser/live.ts";
import { type Route, routeHash } from "../model/route.ts";

interface PageHeadProps {
  readonly title: string;
  readonly back: Route;
  readonly backTitle: string;
  readonly children?: ComponentChildren;
}

/** Takes the focus when the page opens, so that reading goes on from here. */
export function PageHead({ title, back, backTitle, children }: PageHeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <header class="page-head">
      <a class="back" href={routeHash(back)}>
        <span aria-hidden="true">←</span> {backTitle}
      </a>
      <h2 tabIndex={-1} ref={heading}>
        {title}
      </h2>
      <p>{children}</p>
    </header>
  );
}

export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface GoneProps {
  readonly live: Live;
  readonly what: "relay" | "agent";
  readonly back: Route;
}

export function Gone({ live, what, back }: GoneProps) {
  return (
    <article class="page">
      <PageHead title={live.isLoaded ? `No such ${what}` : "Reading…"} back={back} backTitle="Back" />
      {live.isLoaded && (
        <p class="reason">
          It has been removed{what === "agent" && !live.isOperator ? ", or you are not logged in" : ""}.
        </p>
      )}
    </article>
  );
}
