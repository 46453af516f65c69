/** Calls of a function in a worker: each request gets its answer, and the page goes on meanwhile. */

interface Call<Request> {
  number: number;
  request: Request;
}
type Reply<Answer> = { number: number } & ({ answer: Answer } | { error: string });

/** A worker without calls for so long ends, and what it holds in memory with it. */
const IDLE_MS = 5000;

/** In the page: a function that runs in the worker, which starts with a call and ends when no more come. */
export function inWorker<Request, Answer>(
  start: () => Worker,
  moved: (request: Request) => Transferable[],
): (request: Request) => Promise<Answer> {
  let worker: Worker | null = null;
  let last = 0;
  let idle: ReturnType<typeof setTimeout> | undefined;
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  const end = () => {
    worker?.terminate();
    worker = null;
  };
  const started = () => {
    const it = start();
    it.onmessage = ({ data }: MessageEvent<Reply<Answer>>) => {
      const call = waiting.get(data.number);
      waiting.delete(data.number);
      if ("error" in data) call?.reject(new Error(data.error));
      else call?.resolve(data.answer);
      if (waiting.size === 0) idle = setTimeout(end, IDLE_MS);
    };
    // Its script did not load, or it died.
    it.onerror = () => {
      for (const { reject } of waiting.values())
        reject(new Error("A part of the page did not load. Reload the page."));
      waiting.clear();
      end();
    };
    return it;
  };
  return (request) =>
    new Promise((resolve, reject) => {
      clearTimeout(idle);
      worker ??= started();
      const call: Call<Request> = { number: ++last, request };
      waiting.set(call.number, { resolve, reject });
      worker.postMessage(call, moved(request));
    });
}

/** In the worker: answer every call with a function. */
export function answerCalls<Request, Answer>(
  answer: (request: Request) => Answer,
  moved: (answer: Answer) => Transferable[],
): void {
  addEventListener("message", ({ data: { number, request } }: MessageEvent<Call<Request>>) => {
    try {
      const found = answer(request);
      postMessage({ number, answer: found }, { transfer: moved(found) });
    } catch (error) {
      postMessage({ number, error: (error as Error).message });
    }
  });
}
