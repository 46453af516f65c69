/** Choices that stay from one visit to the next, in this browser. */

export function kept<T>(key: string, otherwise: T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(`radsam-${key}`) ?? "null");
    if (value === null || typeof value !== typeof otherwise) return otherwise;
    return typeof value === "object" ? { ...otherwise, ...value } : (value as T);
  } catch {
    return otherwise; // no storage, or damaged: nothing is lost but a choice
  }
}

export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(`radsam-${key}`, JSON.stringify(value));
  } catch {
    // A private window may refuse: the choice then lasts until the page is closed.
  }
}
