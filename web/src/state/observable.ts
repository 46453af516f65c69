/** State that the page draws from: subscribers are called once for all changes of one turn of the event loop. */
export class Observable {
  private subscribers = new Set<() => void>();
  private scheduled = false;

  subscribe(subscriber: () => void): () => void {
    this.subscribers.add(subscriber);
    return () => this.subscribers.delete(subscriber);
  }

  notify(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      for (const subscriber of [...this.subscribers]) subscriber();
    });
  }
}
