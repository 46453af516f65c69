/** Calls of a worker get their own answers, and a worker that is not needed takes no memory. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { inWorker } from "../src/volume/worker_calls";

/** A worker that answers when the test says so. */
class FakeWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly calls: { number: number; request: number }[] = [];
  ended = false;
  postMessage(call: { number: number; request: number }): void {
    this.calls.push(call);
  }
  terminate(): void {
    this.ended = true;
  }
  answer(n: number, reply: object): void {
    this.onmessage?.({ data: { number: this.calls[n].number, ...reply } });
  }
}

let workers: FakeWorker[] = [];
const start = () => {
  const worker = new FakeWorker();
  workers.push(worker);
  return worker as unknown as Worker;
};

beforeEach(() => {
  workers = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("each call gets its own answer or error, in any order", async () => {
  const double = inWorker<number, number>(start, () => []);
  const calls = [double(1), double(2), double(3)];
  expect(workers).toHaveLength(1);
  workers[0].answer(2, { answer: 6 });
  workers[0].answer(0, { answer: 2 });
  workers[0].answer(1, { error: "Two cannot be doubled." });
  await expect(calls[0]).resolves.toBe(2);
  await expect(calls[1]).rejects.toThrow("Two cannot be doubled.");
  await expect(calls[2]).resolves.toBe(6);
});

it("ends when no more calls come, never with one waiting, and starts again", async () => {
  const double = inWorker<number, number>(start, () => []);
  const first = double(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers[0].ended).toBe(false);
  workers[0].answer(0, { answer: 2 });
  await first;
  const second = double(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers[0].ended).toBe(false);
  workers[0].answer(1, { answer: 4 });
  await second;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers[0].ended).toBe(true);
  void double(3);
  expect(workers).toHaveLength(2);
  expect(workers[1].calls[0].request).toBe(3);
});

it("a worker that does not start fails its calls with a message, and the next call starts another", async () => {
  const double = inWorker<number, number>(start, () => []);
  const call = double(1);
  workers[0].onerror?.();
  await expect(call).rejects.toThrow("Reload");
  void double(2);
  expect(workers).toHaveLength(2);
});
