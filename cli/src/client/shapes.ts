/**
 * What the agent's local API answers, as this command line reads it. The commands print these unchanged under
 * --json, so docs/cli.md documents the same shapes.
 */
export interface PathView {
  readonly kind: "direct" | "relay" | "none";
  readonly endpoint?: string;
  readonly relay?: string;
  readonly region?: string;
  readonly rttMs?: number;
  readonly sinceMs?: number;
  readonly reason?: string;
}

export interface PingLine {
  readonly seq: number;
  readonly rttMs?: number;
  readonly path?: PathView;
  readonly timeout?: true;
}

export interface StatusView {
  readonly id: string;
  readonly name: string;
  readonly network: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly coordinator: { readonly url: string; readonly state: string; readonly since?: number };
  readonly home?: RelayRef;
  readonly standby?: RelayRef;
  readonly device: string;
  readonly natMapping: string;
  readonly counts: Readonly<Record<string, number>>;
}

export interface RelayRef {
  readonly relay: string;
  readonly region?: string;
  readonly rttMs?: number;
  readonly reason?: string;
}

export interface PeerView {
  readonly id: string;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly online: boolean;
  readonly path: PathView;
  readonly lastHandshakeMs?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

export interface RelayView {
  readonly id: string;
  readonly region: string;
  readonly state: string;
  readonly home: boolean;
  readonly standby: boolean;
  readonly rttMs?: number;
  readonly samples: number;
  readonly expectedRttMs?: number;
  readonly reason?: string;
  readonly bound: boolean;
}

export interface WhyView {
  readonly peer: { readonly id: string; readonly name: string } | string;
  readonly path: PathView;
  readonly reasons: readonly { readonly atMs: number; readonly event: string; readonly detail: string }[];
  readonly attempts: readonly {
    readonly endpoint: string;
    readonly kind: string;
    readonly sent: number;
    readonly acked: number;
    readonly rttMs?: number;
    readonly lastSeen?: number;
  }[];
}

export interface NetcheckView {
  readonly natMapping: string;
  readonly candidates: readonly { readonly kind: string; readonly endpoint: string }[];
  readonly relays: readonly {
    readonly id: string;
    readonly region: string;
    readonly rttMs?: number;
    /** The address from which this relay sees our packets come. */
    readonly observed?: string;
  }[];
}
