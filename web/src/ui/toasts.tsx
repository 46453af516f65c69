import type { App } from "../state/app";
import { Icon } from "./icons";
import "./styles/toasts.css";

export function Toasts({ app }: { app: App }) {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {app.toasts.map(({ id, kind, text }) => (
        <div key={id} class={`toast ${kind}`} role={kind === "error" ? "alert" : undefined}>
          <span>{text}</span>
          <button
            type="button"
            class="icon-button"
            aria-label="Close this message"
            onClick={() => app.closeToast(id)}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
