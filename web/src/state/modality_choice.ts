/** What the open volume is taken for: shown, corrected by the user, and followed where another window corrects it. */
import type { Client } from "../api/client";
import type { Modality, VolumeInfo } from "../api/wire_types";
import { doubtText } from "../volume/modality";
import { keep, kept } from "./kept";
import { Observable } from "./observable";

/** Notes that were dismissed in this browser, the latest last. */
const MOST_DISMISSED = 200;

export class ModalityChoice extends Observable {
  private dismissed = kept("modality-notes", { seen: [] as string[] }).seen;

  constructor(
    private readonly client: Pick<Client, "json">,
    public volume: VolumeInfo,
    private readonly showToast: (kind: "error", text: string) => void,
    /** Called when the volume is taken for something else than before. */
    private readonly changed: (volume: VolumeInfo) => void,
  ) {
    super();
  }

  /** Why it may be another modality, until the user has dismissed it. */
  get doubt(): string {
    return this.dismissed.includes(this.key) ? "" : doubtText(this.volume);
  }

  dismiss(): void {
    this.dismissed = [...this.dismissed, this.key].slice(-MOST_DISMISSED);
    keep("modality-notes", { seen: this.dismissed });
    this.notify();
  }

  /** Say what it is: the server keeps it, and sessions on it follow. */
  async correct(modality: Modality): Promise<void> {
    await this.take("PATCH", { modality: modality.toLowerCase() });
  }

  /** The server's session takes it for `modality` now. */
  follow(modality: Modality): void {
    if (modality !== this.volume.modality) void this.take("GET");
  }

  private async take(method: "GET" | "PATCH", body?: unknown): Promise<void> {
    try {
      const volume = await this.client.json<VolumeInfo>(method, `/volumes/${this.volume.id}`, body);
      const before = this.volume.modality;
      this.volume = volume;
      if (volume.modality !== before) this.changed(volume);
      this.notify();
    } catch (error) {
      this.showToast("error", (error as Error).message);
    }
  }

  private get key(): string {
    return `${this.volume.id} ${this.volume.modality}`;
  }
}
