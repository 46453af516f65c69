import type { App } from "../state/app";
import { useObservables } from "./use_observables";
import "./styles/upload.css";

/** The upload that runs, with a way to stop it. */
export function UploadCard({ app }: { app: App }) {
  useObservables(app.intake);
  if (!app.intake.upload) return null;
  const { step, name, share, stop } = app.intake.upload;
  const doing = step === "preparing" ? "Preparing" : share < 1 ? "Uploading" : "The server reads";
  return (
    <div class="upload" role="status">
      <div class="upload-line">
        <span class="ellipsis" title={name}>
          {doing} {name}
        </span>
        <span class="numbers">{Math.round(share * 100)} %</span>
      </div>
      <progress max={1} value={share} aria-label={`Upload of ${name}`} />
      <button type="button" class="quiet" onClick={() => stop.abort()}>
        Stop
      </button>
    </div>
  );
}
