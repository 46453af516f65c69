/** The statistics of the objects, and the object whose diameters are drawn. */
import type { Client } from "../api/client";
import { fetchStatistics, type ObjectStatistics } from "../api/statistics";
import type { SegmentedObject } from "../api/wire_types";
import type { LabelMap } from "../volume/label_map";
import { Observable } from "./observable";

export class Statistics extends Observable {
  /** The id of the object whose diameters are drawn. */
  drawn: number | null = null;
  /** By id: the statistics of the object, or why there are none, for a version of its mask. */
  private readonly known = new Map<number, { version: number; statistics: ObjectStatistics | null }>();
  private fetching = false;
  /** Objects to fetch, by id. */
  private readonly wanted = new Map<number, SegmentedObject>();

  constructor(
    private readonly client: Client,
    private readonly session: string,
    private readonly labels: LabelMap,
    private readonly showError: (message: string) => void,
  ) {
    super();
  }

  /** The statistics of an object as it is now; null where they are not known. */
  of(id: number): ObjectStatistics | null {
    const known = this.known.get(id);
    return known?.version === this.labels.versionOf(id) ? known.statistics : null;
  }

  /** Draw the diameters of an object on their slice, or none. */
  draw(id: number | null): void {
    this.drawn = id;
    this.notify();
  }

  /** Keep what is drawn as the objects are. */
  follow(objects: readonly SegmentedObject[], busy: boolean): void {
    if (this.drawn === null) return;
    const drawn = objects.filter((each) => each.id === this.drawn);
    if (!drawn.length) this.draw(null);
    else if (!busy) void this.fetch(drawn);
  }

  /** Fetch the statistics of these objects that are not known. */
  async fetch(objects: readonly SegmentedObject[]): Promise<void> {
    for (const each of objects) this.wanted.set(each.id, each);
    if (this.fetching) return;
    this.fetching = true;
    try {
      for (const [id, { name }] of this.wanted) {
        this.wanted.delete(id); // one that changes meanwhile is added again
        const version = this.labels.versionOf(id);
        if (this.known.get(id)?.version === version) continue;
        // Even if it fails: the same request would fail again.
        this.known.set(id, { version, statistics: null });
        this.known.set(id, { version, statistics: await fetchStatistics(this.client, this.session, name) });
        this.notify();
      }
    } catch (error) {
      this.wanted.clear();
      this.showError((error as Error).message);
    }
    this.fetching = false;
  }
}
