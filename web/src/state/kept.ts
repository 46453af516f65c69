/** Choices that stay from one visit to the next, in this browser. */

export function kept<T extends object>(key: string, otherwise: T): T {
  try {
    return { ...otherwise, ...(JSON.parse(localStorage.getItem(`radsam-${key}`) ?? "{}") as Partial<T>) };
  } catch {
    return otherwise; // no storage, or damaged: nothing is lost but a choice
  }
}

export function keep(key: string, value: object): void {
  try {
    localStorage.setItem(`radsam-${key}`, JSON.stringify(value));
  } catch {
    // A private window may refuse: the choice then lasts until the page is closed.
  }
}
