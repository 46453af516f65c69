/** Small pictures of volumes: fetched a few at a time, the last requested first, and reused. */
import { thumbnail } from "../api/cases";
import type { Client } from "../api/client";
import type { VolumeSummary } from "../api/wire_types";

/** The server draws one at a time; a second request waits there. */
const AT_ONCE = 2;

export class Thumbnails {
  private readonly addresses = new Map<string, string | null>();
  private readonly waiting: (() => Promise<void>)[] = [];
  private running = 0;

  constructor(private readonly client: Client) {}

  /** Return the address of a picture, null if there is none; undefined if it was not fetched yet. */
  known(volume: VolumeSummary): string | null | undefined {
    return this.addresses.get(keyOf(volume));
  }

  /** Fetch a picture; a volume that went out of view before its turn is left out. */
  fetch(volume: VolumeSummary, signal: AbortSignal): Promise<string | null> {
    return new Promise((resolve) => {
      this.waiting.push(async () => {
        const known = this.known(volume);
        if (known !== undefined || signal.aborted) return resolve(known ?? null);
        const address = await thumbnail(this.client, volume.id).then(
          (picture) => URL.createObjectURL(picture),
          () => null,
        );
        this.addresses.set(keyOf(volume), address);
        resolve(address);
      });
      this.next();
    });
  }

  private next(): void {
    const task = this.running < AT_ONCE ? this.waiting.pop() : undefined;
    if (!task) return;
    this.running++;
    void task().finally(() => {
      this.running--;
      this.next();
    });
  }
}

const keyOf = (volume: VolumeSummary) => `${volume.id} ${volume.added}`;
