/** A point inside a mask near its middle, from the mask's outlines (x, y in turn, even-odd). */
type Polygons = readonly ArrayLike<number>[];

/** Where a horizontal line enters and leaves the mask, from left to right. */
function crossings(polygons: Polygons, y: number): number[] {
  const xs: number[] = [];
  for (const polygon of polygons)
    for (let n = 0; n < polygon.length; n += 2) {
      const [x0, y0] = [polygon[n], polygon[n + 1]];
      const next = (n + 2) % polygon.length;
      const [x1, y1] = [polygon[next], polygon[next + 1]];
      if (y0 <= y !== y1 <= y) xs.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    }
  return xs.sort((a, b) => a - b);
}

export function maskContains(polygons: Polygons, [x, y]: readonly [number, number]): boolean {
  return crossings(polygons, y).filter((each) => each < x).length % 2 === 1;
}

/** The pixel of the mask that is nearest to the centroid of its largest outline, on that row; null for an empty mask. */
export function maskCentre(polygons: Polygons): [number, number] | null {
  const [largest] = polygons.map(centroid).sort((a, b) => b.area - a.area);
  if (!largest) return null;
  const [x, y] = [largest.x, Math.round(largest.y)];
  const xs = crossings(polygons, y);
  let best: number | null = null;
  for (let n = 0; n + 1 < xs.length; n += 2) {
    const nearest = Math.min(Math.floor(xs[n + 1]), Math.max(Math.ceil(xs[n]), Math.round(x)));
    if (best === null || Math.abs(nearest - x) < Math.abs(best - x)) best = nearest;
  }
  return best === null ? null : [best, y];
}

function centroid(polygon: ArrayLike<number>): { area: number; x: number; y: number } {
  let [twice, x, y] = [0, 0, 0];
  for (let n = 0; n < polygon.length; n += 2) {
    const next = (n + 2) % polygon.length;
    const cross = polygon[n] * polygon[next + 1] - polygon[next] * polygon[n + 1];
    twice += cross;
    x += (polygon[n] + polygon[next]) * cross;
    y += (polygon[n + 1] + polygon[next + 1]) * cross;
  }
  return { area: Math.abs(twice) / 2, x: x / (3 * twice), y: y / (3 * twice) };
}
