/** What the user has measured: a list with undo of its own, kept on the server with the session. */

import type { Client } from "../api/client";
import {
  type Measurement,
  type MeasurementKind,
  readMeasurements,
  writeMeasurements,
} from "../api/measurements";
import { Observable } from "./observable";

type List = readonly Measurement[];

export class Measurements extends Observable {
  list: List = [];
  /** What a drag with the tool measures. */
  kind: MeasurementKind = "length";
  selected: Measurement | null = null;
  /** An angle whose second side is still missing: it has two points. */
  started: Measurement | null = null;
  /** The one that is dragged at the moment, which the drag draws itself. */
  dragged: Measurement | null = null;
  private past: List[] = [];
  private future: List[] = [];
  /** The list as the server has it; null until it was fetched. */
  private saved: List | null = null;
  private loading: Promise<void> | null = null;
  private saving = false;

  constructor(
    private readonly client: Client,
    private readonly session: string,
    private readonly showError: (message: string) => void,
  ) {
    super();
  }

  /** Fetch the list; what was measured before it arrived is added to it. */
  load(): Promise<void> {
    this.loading ??= this.fetch().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  private async fetch(): Promise<void> {
    try {
      const stored = await readMeasurements(this.client, this.session);
      this.saved = stored;
      this.list = this.list.length ? [...stored, ...this.list] : stored;
      this.past = this.past.map((each) => [...stored, ...each]);
      this.notify();
    } catch (error) {
      this.showError(`The measurements cannot be read: ${(error as Error).message}`);
      return;
    }
    await this.save();
  }

  choose(kind: MeasurementKind): void {
    this.kind = kind;
    this.start(null);
  }

  select(measurement: Measurement | null): void {
    this.selected = measurement;
    this.notify();
  }

  start(angle: Measurement | null): void {
    this.started = angle;
    this.notify();
  }

  add(measurement: Measurement): void {
    this.started = null;
    this.change([...this.list, measurement], measurement);
  }

  replace(old: Measurement, measurement: Measurement): void {
    this.change(
      this.list.map((each) => (each === old ? measurement : each)),
      measurement,
    );
  }

  remove(measurement: Measurement): void {
    this.change(
      this.list.filter((each) => each !== measurement),
      null,
    );
  }

  removeAll(): void {
    this.change([], null);
  }

  /** Take back the last change of the list; false if there is none. */
  undo(): boolean {
    if (this.started) {
      this.start(null);
      return true;
    }
    return this.go(this.past, this.future);
  }

  redo(): boolean {
    return this.go(this.future, this.past);
  }

  get canUndo(): boolean {
    return this.started !== null || this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  private go(from: List[], to: List[]): boolean {
    const list = from.pop();
    if (!list) return false;
    to.push(this.list);
    this.put(list, null);
    return true;
  }

  private change(list: List, selected: Measurement | null): void {
    this.past.push(this.list);
    this.future = [];
    this.put(list, selected);
  }

  private put(list: List, selected: Measurement | null): void {
    this.list = list;
    this.selected = selected;
    this.notify();
    void this.save();
  }

  /** Send the list as it is now; a change during a request is sent after it. */
  private async save(): Promise<void> {
    if (!this.saved) return this.load();
    if (this.saving) return;
    this.saving = true;
    try {
      while (this.saved !== this.list) {
        const { list } = this;
        await writeMeasurements(this.client, this.session, list);
        this.saved = list;
      }
    } catch (error) {
      this.showError(`The measurements are not saved: ${(error as Error).message}`);
    }
    this.saving = false;
  }
}
