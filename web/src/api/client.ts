import type {
  Info,
  NextSlice,
  PlaneName,
  SessionState,
  SessionSummary,
  StartOfObject,
  VolumeInfo,
  VolumeSummary,
} from "./wire_types";

/** An error answer of the server, with its message for the user. */
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

/** Read the token from `#token=…`, store it for this tab, and remove it from the address bar. */
export function tokenFromAddress(): string | null {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN_KEY);
}

/** The requests of the page; every failure is an `ApiError` with a message for the user. */
export class Client {
  constructor(private token: string | null) {}

  setToken(token: string): void {
    this.token = token;
    sessionStorage.setItem(TOKEN_KEY, token);
  }

  headers(others: Record<string, string> = {}): Record<string, string> {
    return this.token ? { ...others, Authorization: `Bearer ${this.token}` } : others;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`/api${path}`, {
        ...init,
        headers: this.headers(init.headers as Record<string, string> | undefined),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError(0, "network", "The server does not answer. Check that `radsam serve` is running.");
    }
    if (!response.ok) throw errorOf(response.status, await response.text());
    return response;
  }

  async json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const response = await this.fetch(path, {
      method,
      signal,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  info = () => this.json<Info>("GET", "/info");
  volumes = () => this.json<VolumeSummary[]>("GET", "/volumes");
  volume = (id: string) => this.json<VolumeInfo>("GET", `/volumes/${id}`);
  sessions = () => this.json<SessionSummary[]>("GET", "/sessions");
  session = (id: string) => this.json<SessionState>("GET", `/sessions/${id}`);
  createSession = (volume: string) => this.json<SessionState>("POST", "/sessions", { volume });
  deleteSession = (id: string) => this.json<void>("DELETE", `/sessions/${id}`);

  view = (id: string, plane: PlaneName, index: number) => this.post<void>("view", id, { plane, index });

  /** Post to a session; `edit_requests.ts` writes the requests that make and change objects. */
  post<T>(action: string, id: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return this.json<T>("POST", `/sessions/${id}/${action}`, body, signal);
  }

  /** Stop the edits that run or wait; with `keep`, what is done of the running one stays. */
  cancel = (id: string, keep = false) => this.post<unknown>(keep ? "cancel?keep=true" : "cancel", id);
  resume = (id: string) => this.post<{ job: string }>("resume", id);
  undo = (id: string) => this.post<SessionState>("undo", id);
  redo = (id: string) => this.post<SessionState>("redo", id);
  deleteObject = (id: string, name: string) =>
    this.json<SessionState>("DELETE", `/sessions/${id}/objects/${encodeURIComponent(name)}`);
  changeObject = (
    id: string,
    name: string,
    change: { color?: string; visible?: boolean; locked?: boolean; new_name?: string },
  ) => this.json<SessionState>("PATCH", `/sessions/${id}/objects/${encodeURIComponent(name)}`, change);

  /** The prompt that started an object. */
  startOf = (id: string, name: string) =>
    this.json<StartOfObject>("GET", `/sessions/${id}/objects/${encodeURIComponent(name)}/start`);

  next = (id: string, name: string | null, after: string | null) => {
    const query = new URLSearchParams();
    if (name) query.set("name", name);
    if (after !== null) query.set("after", after);
    return this.json<NextSlice>("GET", `/sessions/${id}/next?${query}`);
  };

  async masks(id: string, since: number): Promise<ArrayBuffer> {
    return (await this.fetch(`/sessions/${id}/masks?since=${since}`)).arrayBuffer();
  }

  /** The slices that an interrupted edit had finished. */
  async interruptedMasks(id: string): Promise<ArrayBuffer> {
    return (await this.fetch(`/sessions/${id}/masks?part=interrupted`)).arrayBuffer();
  }

  async importSession(volume: string, file: Blob): Promise<SessionState> {
    const response = await this.fetch(`/sessions/import?volume=${encodeURIComponent(volume)}`, {
      method: "POST",
      body: file,
      headers: { "Content-Type": "application/octet-stream" },
    });
    return response.json() as Promise<SessionState>;
  }

  /** Upload a volume. `fetch` reports no progress of an upload, so this is an XMLHttpRequest. */
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
        reject(new ApiError(0, "network", `${file.name} was not uploaded: the connection broke. Try again.`));
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
    return new ApiError(status, "server", `The server answered ${status}. Its log has the cause.`);
  }
}
