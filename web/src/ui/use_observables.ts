import { useEffect, useReducer } from "preact/hooks";
import type { Store } from "../state/observable";

/** Render again whenever one of these changes. */
export function useStores(...stores: Store[]): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const stops = stores.map((store) => store.subscribe(() => again(null)));
    return () => {
      for (const stop of stops) stop();
    };
  }, stores);
}
