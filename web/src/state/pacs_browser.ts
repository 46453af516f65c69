/** The user's search in the server's PACS. What it finds about patients stays in memory only. */
import type { Client } from "../api/client";
import {
  beginRetrieval,
  cancelRetrieval,
  type Found,
  listSeries,
  type Retrieval,
  retrieval,
  type Series,
  type Study,
  type StudySearch,
  searchStudies,
} from "../api/pacs";
import { Observable } from "./observable";

const POLL_MS = 700;

export class PacsBrowser extends Observable {
  wanted: StudySearch = { patient_id: "", patient_name: "", date_from: "", date_to: "", modality: "CT" };
  studies: Found<Study> | null = null;
  /** The study whose series are listed. */
  study: string | null = null;
  series: Found<Series> | null = null;
  /** The series on its way. */
  retrieving: Retrieval | null = null;
  busy = false;
  error: string | null = null;

  constructor(
    private readonly client: Client,
    /** Opens a volume that has arrived. */
    private readonly open: (volume: string) => Promise<void>,
    private readonly wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  ) {
    super();
  }

  want(change: Partial<StudySearch>): void {
    this.wanted = { ...this.wanted, ...change };
    this.notify();
  }

  async search(): Promise<void> {
    this.study = this.series = this.studies = null;
    await this.attempt(async () => {
      this.studies = await searchStudies(this.client, this.wanted);
    });
  }

  async show(study: string): Promise<void> {
    this.study = study;
    this.series = null;
    await this.attempt(async () => {
      this.series = await listSeries(this.client, study);
    });
  }

  /** Retrieve a series and open it. */
  async retrieve(series: string): Promise<void> {
    const { study } = this;
    if (!study || this.retrieving) return;
    await this.attempt(async () => {
      this.retrieving = await beginRetrieval(this.client, study, series);
      this.notify();
      while (this.retrieving.state === "running") {
        await this.wait(POLL_MS);
        this.retrieving = await retrieval(this.client, this.retrieving.id);
        this.notify();
      }
      const { state, volume, message } = this.retrieving;
      if (state === "failed") throw new Error(message);
      if (volume) await this.open(volume);
    });
    this.retrieving = null;
    this.notify();
  }

  async cancel(): Promise<void> {
    if (this.retrieving) await cancelRetrieval(this.client, this.retrieving.id).catch(() => undefined);
  }

  private async attempt(request: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.error = null;
    this.notify();
    try {
      await request();
    } catch (error) {
      this.error = (error as Error).message;
    }
    this.busy = false;
    this.notify();
  }
}

/** "20240131" as "2024-01-31", and back for a date field. */
export function dayOf(date: string | null): string {
  return date?.replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3") ?? "";
}
