/** What others can watch. Changes within one frame are told once. */
export class Store {
  private listeners = new Set<() => void>();
  private told = true;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  notify(): void {
    if (!this.told) return;
    this.told = false;
    queueMicrotask(() => {
      this.told = true;
      for (const listener of [...this.listeners]) listener();
    });
  }
}
