/** Counts the seconds that the user works on each label: the page is visible, and was used within a minute. */

/** Without a key or a pointer for so long, the user is away. */
export const IDLE_MS = 60_000;
/** Less is not worth a request. */
const LEAST_MS = 100;

export class Presence {
  private lastUse: number;
  private countedTo: number;
  private visible: boolean;
  /** Milliseconds by label; "" where none is chosen. */
  private readonly worked = new Map<string, number>();

  /** `label` names what is worked on. */
  constructor(
    private readonly label: () => string | null,
    now: number,
    visible = true,
  ) {
    this.lastUse = now;
    this.countedTo = now;
    this.visible = visible;
  }

  /** The user has pressed a key, or moved the pointer. */
  used(now: number): void {
    this.count(now);
    this.lastUse = now;
  }

  show(visible: boolean, now: number): void {
    this.count(now);
    this.visible = visible;
    if (visible) this.lastUse = now;
  }

  /** Whether the user works now. */
  present(now: number): boolean {
    return this.visible && now - this.lastUse < IDLE_MS;
  }

  /** Add the time since the last call to the label that is worked on. Called before another one is chosen. */
  count(now: number): void {
    const until = Math.min(now, this.lastUse + IDLE_MS);
    const spent = this.visible ? Math.max(0, until - this.countedTo) : 0;
    this.countedTo = Math.max(this.countedTo, now);
    const label = this.label() ?? "";
    this.worked.set(label, (this.worked.get(label) ?? 0) + spent);
  }

  /** The seconds of each label since the last call. */
  take(now: number): { label: string | null; seconds: number }[] {
    this.count(now);
    const taken = [...this.worked].filter(([, spent]) => spent >= LEAST_MS);
    this.worked.clear();
    return taken.map(([label, spent]) => ({ label: label || null, seconds: spent / 1000 }));
  }
}
