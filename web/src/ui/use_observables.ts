import { useEffect, useReducer } from "preact/hooks";
import type { Observable } from "../state/observable";

/** Render again whenever one of these changes. */
export function useObservables(...observables: Observable[]): void {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const unsubscribers = observables.map((each) => each.subscribe(() => render(null)));
    return () => {
      for (const unsubscribe of unsubscribers) unsubscribe();
    };
  }, observables);
}
