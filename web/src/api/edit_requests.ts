/** Sends the requests that make and change objects: the only file that knows how they are written as JSON. */
import type { Client } from "./client";
import type { PlaneName, PointPrompt, Preview, Prompt } from "./wire_types";

/** What changes an object after its first prompt: a point, positive or negative. */
export type Correction = PointPrompt;

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

export class EditRequests {
  constructor(
    private readonly client: Client,
    private readonly sessionId: string,
  ) {}

  /** The model's masks on the prompt's slice; `existing` names the object that the prompt would replace. */
  preview(object: NewObject, existing: string | undefined, signal: AbortSignal): Promise<Preview> {
    const { prompt, plane, corrections } = object;
    const corrected = corrections.length ? correctionsJson(corrections) : {};
    return this.client.post(
      "preview",
      this.sessionId,
      { prompt, plane, ...corrected, name: existing },
      signal,
    );
  }

  /** Propagate the prompt; the corrections wait on the server until that is done. */
  async segment({ name, prompt, bounds, plane, alternative, corrections }: NewObject): Promise<void> {
    await this.client.post("segment", this.sessionId, {
      name,
      prompt,
      bounds,
      plane,
      alternative: corrections.length ? 0 : alternative,
    });
    if (corrections.length) await this.correct(name, corrections);
  }

  async correct(name: string, corrections: readonly Correction[]): Promise<void> {
    await this.client.post("correct", this.sessionId, { name, ...correctionsJson(corrections) });
  }
}

function correctionsJson(corrections: readonly Correction[]): { points: readonly PointPrompt[] } {
  return { points: corrections };
}
