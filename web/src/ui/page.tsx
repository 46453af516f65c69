import { useEffect, useRef, useState } from "preact/hooks";
import type { App } from "../state/app";
import type { PaneName } from "../state/display";
import type { HandEdits } from "../state/hand_edits";
import type { OpenSession } from "../state/open_session";
import { ReachPreview } from "../state/reach_preview";
import type { SlicePane } from "../view/slice_pane";
import { Announcer } from "./announcer";
import { Dialogs } from "./dialogs";
import { keepFocus } from "./keep_focus";
import { LostCase } from "./lost_case";
import { ModalityNote } from "./modality_menu";
import { Panes } from "./panes";
import { ProjectPage } from "./project_page";
import { handleKey } from "./shortcuts";
import { SidePanel } from "./side_panel";
import { StartPage, TokenPage } from "./start_page";
import { StatusBar } from "./status_bar";
import { Toasts } from "./toasts";
import { ToolOptions } from "./tool_options";
import { ToolStrip } from "./tool_strip";
import { TopBar } from "./top_bar";
import { UploadCard } from "./upload_card";
import { useObservables } from "./use_observables";
import "./styles/boot.css";
import "./styles/drop_cover.css";
import "./styles/workspace.css";

export function Page({ app }: { app: App }) {
  useObservables(app);
  const [dropping, setDropping] = useState(false);
  useEffect(() => acceptDrops(app, setDropping), [app]);
  useEffect(() => keepFocus(document.body), []);
  return (
    <>
      {app.screen === "token" && <TokenPage app={app} />}
      {app.screen === "start" &&
        (app.project ? <ProjectPage app={app} project={app.project} /> : <StartPage app={app} />)}
      {app.screen === "loading" && <LoadingPage name={app.opening} />}
      {app.screen === "session" && app.session && (
        <Workspace key={app.session.state.id} app={app} session={app.session} />
      )}
      {dropping && (
        <div class="drop-cover">Drop a CT, MR or PET, its masks, a folder or a session anywhere</div>
      )}
      <UploadCard app={app} />
      <Dialogs app={app} />
      <Toasts app={app} />
    </>
  );
}

function LoadingPage({ name }: { name: string | null }) {
  return (
    <p class="boot" role="status">
      RadSAM{name && <span class="boot-what">Opening {name} …</span>}
    </p>
  );
}
function Workspace({ app, session }: { app: App; session: OpenSession }) {
  const { display } = session;
  useObservables(display);
  const panes = useRef(new Map<PaneName, SlicePane>());
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const pane = panes.current.get(display.active) ?? null;
      const { project } = app;
      const ofCase = project?.work && { project, work: project.work };
      if (!app.dialog) handleKey(event, { app, session, pane, panes: panes.current, ofCase });
    };
    addEventListener("keydown", press);
    const stop = followShift(session.hand);
    const reach = new ReachPreview(session);
    return () => {
      removeEventListener("keydown", press);
      stop();
      reach.close();
    };
  }, [app, session]);
  return (
    <div class="workspace">
      <TopBar app={app} session={session} panes={panes.current} />
      {app.project?.work?.lost ? (
        <LostCase project={app.project} work={app.project.work} />
      ) : (
        <ModalityNote session={session} />
      )}
      <ToolStrip session={session} />
      <ToolOptions session={session} />
      <Panes session={session} panes={panes.current} />
      <SidePanel app={app} session={session} />
      <StatusBar app={app} session={session} />
      <Announcer session={session} panes={panes.current} />
    </div>
  );
}

/** With Shift held, tools take away what they add otherwise; the cursor shows it. */
function followShift(hand: HandEdits): () => void {
  const follow = (event: KeyboardEvent) => hand.setShift(event.shiftKey);
  const release = () => hand.setShift(false);
  addEventListener("keydown", follow);
  addEventListener("keyup", follow);
  addEventListener("blur", release);
  return () => {
    removeEventListener("keydown", follow);
    removeEventListener("keyup", follow);
    removeEventListener("blur", release);
  };
}

function acceptDrops(app: App, show: (dropping: boolean) => void): () => void {
  const over = (event: DragEvent) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    show(true);
  };
  const leave = (event: DragEvent) => event.relatedTarget === null && show(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    show(false);
    void app.takeDrop(event.dataTransfer);
  };
  addEventListener("dragover", over);
  addEventListener("dragleave", leave);
  addEventListener("drop", drop);
  return () => {
    removeEventListener("dragover", over);
    removeEventListener("dragleave", leave);
    removeEventListener("drop", drop);
  };
}
