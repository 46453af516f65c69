import type {
  Info,
  NextSlice,
  PlaneName,
  PointPrompt,
  Preview,
  Prompt,
  SessionState,
  SessionSummary,
  VolumeInfo,
  VolumeSummary,
} from "./wire_types";

/** What the server refused, in its own sentence. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

const TOKEN_KEY = "radsam-token";

/** Take the token from `#token=…`, keep it for this tab, and take it out of the address bar. */
export function tokenFromAddress(): string | null {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN_KEY);
}

/** Calls of the server; every failure is an `ApiError` with a sentence for a person. */
export class Client {
  constructor(private token: string | null) {}

  setToken(token: string): void {
    this.token = token;
    sessionStorage.setItem(TOKEN_KEY, token);
  }

  headers(more: Record<string, string> = {}): Record<string, string> {
    return this.token ? { ...more, Authorization: `Bearer ${this.token}` } : more;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(`/api${path}`, {
        ...init,
        headers: this.headers(init.headers as Record<string, string> | undefined),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError(0, "network", "The server does not answer. Is `radsam serve` still running?");
    }
    if (!answer.ok) throw errorOf(answer.status, await answer.text());
    return answer;
  }

  private async json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const answer = await this.fetch(path, {
      method,
      signal,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  info = () => this.json<Info>("GET", "/info");
  volumes = () => this.json<VolumeSummary[]>("GET", "/volumes");
  volume = (id: string) => this.json<VolumeInfo>("GET", `/volumes/${id}`);
  sessions = () => this.json<SessionSummary[]>("GET", "/sessions");
  session = (id: string) => this.json<SessionState>("GET", `/sessions/${id}`);
  createSession = (volume: string) => this.json<SessionState>("POST", "/sessions", { volume });
  deleteSession = (id: string) => this.json<void>("DELETE", `/sessions/${id}`);

  view = (id: string, plane: PlaneName, index: number) =>
    this.json<void>("POST", `/sessions/${id}/view`, { plane, index });

  preview = (
    id: string,
    question: { prompt: Prompt; plane: PlaneName; points?: PointPrompt[]; name?: string },
    signal: AbortSignal,
  ) => this.json<Preview>("POST", `/sessions/${id}/preview`, question, signal);

  segment = (
    id: string,
    edit: {
      name: string;
      prompt: Prompt;
      bounds: [number, number] | null;
      plane: PlaneName;
      alternative: number;
    },
  ) => this.json<{ job: string }>("POST", `/sessions/${id}/segment`, edit);

  correct = (id: string, name: string, points: PointPrompt[]) =>
    this.json<{ job: string }>("POST", `/sessions/${id}/correct`, { name, points });

  cancel = (id: string) => this.json<unknown>("POST", `/sessions/${id}/cancel`);
  resume = (id: string) => this.json<unknown>("POST", `/sessions/${id}/resume`);
  undo = (id: string) => this.json<SessionState>("POST", `/sessions/${id}/undo`);
  redo = (id: string) => this.json<SessionState>("POST", `/sessions/${id}/redo`);
  deletePrompt = (id: string, number: number) =>
    this.json<SessionState>("DELETE", `/sessions/${id}/prompts/${number}`);
  deleteObject = (id: string, name: string) =>
    this.json<SessionState>("DELETE", `/sessions/${id}/objects/${encodeURIComponent(name)}`);
  changeObject = (
    id: string,
    name: string,
    change: { color?: string; visible?: boolean; locked?: boolean; new_name?: string },
  ) => this.json<SessionState>("PATCH", `/sessions/${id}/objects/${encodeURIComponent(name)}`, change);

  next = (id: string, name: string | null, after: string | null) => {
    const query = new URLSearchParams();
    if (name) query.set("name", name);
    if (after !== null) query.set("after", after);
    return this.json<NextSlice>("GET", `/sessions/${id}/next?${query}`);
  };

  async masks(id: string, since: number): Promise<ArrayBuffer> {
    return (await this.fetch(`/sessions/${id}/masks?since=${since}`)).arrayBuffer();
  }

  /** What an interrupted edit had finished. */
  async interruptedMasks(id: string): Promise<ArrayBuffer> {
    return (await this.fetch(`/sessions/${id}/masks?part=interrupted`)).arrayBuffer();
  }

  /** Fetch the voxels, telling how much has come. */
  async image(id: string, progress: (share: number) => void): Promise<ArrayBuffer> {
    const answer = await this.fetch(`/volumes/${id}/image.nii`);
    const total = Number(answer.headers.get("Content-Length") ?? 0);
    if (!answer.body || !total) return answer.arrayBuffer();
    const bytes = new Uint8Array(total);
    const reader = answer.body.getReader();
    let at = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes.set(value, at);
      at += value.length;
      progress(at / total);
    }
    if (at !== total) throw new ApiError(0, "network", "The image arrived incomplete. Load the page again.");
    return bytes.buffer;
  }

  /** Save a result as a file, through the browser's own download. */
  async download(id: string, format: string): Promise<string> {
    const answer = await this.fetch(`/sessions/${id}/export?format=${encodeURIComponent(format)}`);
    const name =
      /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ??
      `labels.${format}`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    return name;
  }

  async importSession(volume: string, file: Blob): Promise<SessionState> {
    const answer = await this.fetch(`/sessions/import?volume=${encodeURIComponent(volume)}`, {
      method: "POST",
      body: file,
      headers: { "Content-Type": "application/octet-stream" },
    });
    return answer.json() as Promise<SessionState>;
  }

  /** Upload a volume. `fetch` does not tell how much was sent, so this is an XMLHttpRequest. */
  upload(file: File, progress: (share: number) => void, signal: AbortSignal): Promise<VolumeSummary> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `/api/volumes?filename=${encodeURIComponent(file.name)}`);
      for (const [name, value] of Object.entries(this.headers())) request.setRequestHeader(name, value);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
      request.onload = () => {
        if (request.status < 300) resolve(JSON.parse(request.responseText) as VolumeSummary);
        else reject(errorOf(request.status, request.responseText));
      };
      request.onerror = () =>
        reject(new ApiError(0, "network", `${file.name} could not be sent: the connection broke.`));
      request.onabort = () => reject(new DOMException("Upload stopped.", "AbortError"));
      signal.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }
}

function errorOf(status: number, body: string): ApiError {
  try {
    const { error } = JSON.parse(body) as { error: { kind: string; message: string } };
    return new ApiError(status, error.kind, error.message);
  } catch {
    return new ApiError(status, "server", `The server answered ${status}. Its log says more.`);
  }
}
