import { useEffect, useState } from "preact/hooks";

/** The answer to a request that is sent once, and again by `again`; until it is there, null. */
export function useAnswer<T>(request: () => Promise<T>): {
  answer: T | null;
  error: string | null;
  again: () => void;
} {
  const [answer, setAnswer] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const again = () =>
    void request().then(
      (next) => {
        setAnswer(next);
        setError(null);
      },
      (failure: Error) => setError(failure.message),
    );
  useEffect(again, []);
  return { answer, error, again };
}
