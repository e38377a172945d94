/** The world on a plane: an equal-area projection (Šavrič, Patterson and Jenny 2018) fitted to the map's size. */
import { type GeoProjection, geoEqualEarth, geoPath } from "d3-geo";
import type { MultiPolygon, Position } from "geojson";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import world from "world-atlas/land-110m.json";

type World = Topology<{ land: GeometryCollection }>;

/** Nobody lives further south: the Antarctic is left out. */
const SOUTH = -58;
const NORTH = 80;
/** The cut runs through the Bering Strait, so that no land is torn in two. */
const MIDDLE = 11;

const land = inhabitedLand();

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Plane {
  readonly land: string;
  project(lat: number, lon: number): readonly [x: number, y: number];
  /** The great circle through these, as an SVG path. */
  arc(places: readonly { readonly lat: number; readonly lon: number }[]): string;
}

export function planeOf({ width, height }: Size): Plane {
  const inhabited = {
    type: "MultiPoint" as const,
    coordinates: [
      [MIDDLE - 179.9, 0],
      [MIDDLE + 179.9, 0],
      [0, NORTH],
      [0, SOUTH],
    ],
  };
  const margin = 8;
  const projection: GeoProjection = geoEqualEarth()
    .rotate([-MIDDLE, 0])
    .fitExtent(
      [
        [margin, margin],
        [Math.max(2 * margin, width - margin), Math.max(2 * margin, height - margin)],
      ],
      inhabited,
    );
  const path = geoPath(projection).digits(1);
  return {
    land: path(land) ?? "",
    project: (lat, lon) => projection([lon, lat]) ?? [0, 0],
    arc: (places) =>
      path({ type: "LineString", coordinates: places.map(({ lat, lon }) => [lon, lat]) }) ?? "",
  };
}

function inhabitedLand(): MultiPolygon {
  const topology = world as unknown as World;
  const polygons = feature(topology, topology.objects.land).features.flatMap(({ geometry }) =>
    geometry.type === "MultiPolygon" ? geometry.coordinates : [],
  );
  const isNorth = (polygon: Position[][]) => polygon[0]?.some(([, lat]) => (lat ?? 0) > SOUTH) ?? false;
  return { type: "MultiPolygon", coordinates: polygons.filter(isNorth) };
}
