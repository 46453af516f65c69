import type { Client } from "./client";
import { ApiError } from "./client";
import type { ServerEvents } from "./wire_types";

export interface StreamEvent {
  id: string | null;
  name: string;
  data: string;
}

/** Parses a stream of server-sent events, piece by piece. */
export class EventParser {
  private unparsed = "";

  push(text: string): StreamEvent[] {
    const blocks = (this.unparsed + text).replaceAll("\r\n", "\n").split("\n\n");
    this.unparsed = blocks.pop() ?? "";
    return blocks.map(parseBlock).filter((event) => event !== null);
  }
}

function parseBlock(block: string): StreamEvent | null {
  const event: StreamEvent = { id: null, name: "message", data: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") data.push(value);
  }
  event.data = data.join("\n");
  return data.length ? event : null;
}

type EventHandler = <K extends keyof ServerEvents>(name: K, data: ServerEvents[K]) => void;

/** Follow a session's events until `signal` aborts; reconnects after each break. */
export async function followEvents(
  client: Client,
  session: string,
  handle: EventHandler,
  setOnline: (online: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let last: string | null = null;
  let wait = 500;
  while (!signal.aborted) {
    try {
      const response: Response = await client.fetch(`/sessions/${session}/events`, {
        signal,
        headers: { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) },
      });
      setOnline(true);
      wait = 500;
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        for (const event of parser.push(value)) {
          if (event.id) last = event.id;
          handle(event.name as keyof ServerEvents, JSON.parse(event.data));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      // Refused: another try would be refused, too.
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) throw error;
    }
    if (signal.aborted) return;
    setOnline(false);
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 8000);
  }
}
