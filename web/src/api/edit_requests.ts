/** Sends the requests that make and change objects: the only file that knows how they are written as JSON. */
import type { Client } from "./client";
import type {
  CleanUpStep,
  HandShape,
  OverlapPolicy,
  PlaneName,
  Preview,
  Prompt,
  Reach,
  SessionState,
} from "./wire_types";

/** What changes an object after its first prompt: a prompt of any kind, positive or negative. */
export type Correction = Prompt;

/** A new object: its prompt on one slice, and corrections on the same slice. */
export interface NewObject {
  name: string;
  plane: PlaneName;
  prompt: Prompt;
  corrections: readonly Correction[];
  /** First and last slice; null lets the stop rule find them. */
  bounds: [number, number] | null;
  /** Which of the model's four masks is propagated; counts only without corrections. */
  alternative: number;
}

/** Which voxels of a stroke count. */
export interface HandLimits {
  /** Only values in this range, both ends included. */
  within?: [number, number];
  /** Only values within ± this of those under the stroke's first point, connected to it. */
  alike?: number;
}

export interface Painting extends HandLimits {
  name: string;
  shape: HandShape;
  positive: boolean;
  reach: Reach;
}

/** The server's answer to an edit: its job, whose events follow. */
interface Accepted {
  job: string;
}

export class EditRequests {
  constructor(
    private readonly client: Client,
    private readonly sessionId: string,
  ) {}

  /** The model's masks on the prompt's slice; `existing` names the object that the prompt would replace. */
  preview(object: NewObject, existing: string | undefined, signal: AbortSignal): Promise<Preview> {
    const { prompt, plane, corrections } = object;
    const points = corrections.length ? { points: corrections } : {};
    return this.client.post("preview", this.sessionId, { prompt, plane, ...points, name: existing }, signal);
  }

  /** The slices that a painting changes by itself, and how far it would reach. */
  previewPainting(painting: Painting, signal: AbortSignal): Promise<Preview> {
    return this.client.post("preview", this.sessionId, { paint: painting }, signal);
  }

  /** Propagate the prompt; the corrections wait on the server until that is done. Returns the jobs. */
  async segment({ name, prompt, bounds, plane, alternative, corrections }: NewObject): Promise<string[]> {
    const { job } = await this.client.post<Accepted>("segment", this.sessionId, {
      name,
      prompt,
      bounds,
      plane,
      alternative: corrections.length ? 0 : alternative,
    });
    return corrections.length ? [job, await this.correct(name, corrections)] : [job];
  }

  correct(name: string, points: readonly Correction[], reach: Reach = "next"): Promise<string> {
    return this.job("correct", { name, points, reach });
  }

  paint(painting: Painting): Promise<string> {
    return this.job("paint", painting);
  }

  /** The object is not on these slices of its plane. */
  deleteSlices(name: string, slices: readonly number[]): Promise<string> {
    return this.job("delete-slices", { name, slices });
  }

  /** Trim or extend the object; null leaves an end as it is. */
  bounds(name: string, low: number | null, high: number | null): Promise<string> {
    return this.job("bounds", { name, low, high });
  }

  /** Compute the rest of an object that was stopped. */
  continueObject(name: string): Promise<string> {
    return this.job("continue", { name });
  }

  /** Mark slices as right, or open them again. */
  confirm(name: string, slices: readonly number[], confirmed: boolean): Promise<string> {
    return this.job("confirm", { name, slices, confirmed });
  }

  cleanUp(name: string, step: CleanUpStep): Promise<string> {
    return this.job("clean-up", { name, step });
  }

  /** Delete one edit; the later ones are replayed. */
  deleteEdit(number: number): Promise<SessionState> {
    return this.client.json("DELETE", `/sessions/${this.sessionId}/edits/${number}`);
  }

  /** Which object has a voxel that several claim: the first one of `order`, else by the policy. */
  setOverlap(change: { overlap?: OverlapPolicy; order?: readonly string[] }): Promise<SessionState> {
    return this.client.json("PATCH", `/sessions/${this.sessionId}`, change);
  }

  private async job(route: string, body: unknown): Promise<string> {
    return (await this.client.post<Accepted>(route, this.sessionId, body)).job;
  }
}
