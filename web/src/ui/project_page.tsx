/** The start page of a project: how far it is, the next case, and the worklist. */
import { useLayoutEffect, useState } from "preact/hooks";
import type { ProjectCase } from "../api/project";
import type { App } from "../state/app";
import type { Project } from "../state/project";
import { FILTERS, isDone, type WorklistFilter, worklist } from "../state/worklist";
import { bindingOf } from "./keyboard";
import { LearningLine, OfferCard, WeightsMenu } from "./learning_card";
import { Segmented } from "./segmented";
import { useObservables } from "./use_observables";
import { WorklistTable } from "./worklist_table";
import "./styles/card.css";
import "./styles/project_page.css";

export function ProjectPage({ app, project }: { app: App; project: Project }) {
  useObservables(app, project);
  const { info } = project;
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => !app.dialog && pressed(event, project);
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [app, project]);
  return (
    <main class="project-page">
      <header class="row">
        <h1 class="ellipsis">{info.name}</h1>
        <span class="dim">
          {info.user}, {info.role}
        </span>
        <span class="gap" />
        <button type="button" class="quiet" onClick={() => app.show("curve")}>
          Actions and time
        </button>
        {project.may("owner") && (
          <>
            <WeightsMenu project={project} showRounds={() => app.show("rounds")} />
            <button type="button" class="quiet" onClick={() => app.show("roles")}>
              People
            </button>
            <button type="button" class="quiet" onClick={() => app.show("log")}>
              Log
            </button>
          </>
        )}
        <button type="button" class="quiet" onClick={() => app.show("open")}>
          Other files
        </button>
        <button type="button" class="quiet" aria-label="Keys" onClick={() => app.show("shortcuts")}>
          <kbd>?</kbd>
        </button>
      </header>
      <div class="ahead">
        <Progress cases={project.cases} />
        <button
          type="button"
          class="primary next"
          disabled={project.opening !== null}
          onClick={() => project.next()}
        >
          {project.opening ? `Opening ${project.opening} …` : "Next case"} <kbd>N</kbd>
        </button>
      </div>
      {project.noneLeft && (
        <p class="note" role="alert">
          {project.noneLeft}
        </p>
      )}
      <LearningLine project={project} />
      <OfferCard project={project} />
      <Cases app={app} project={project} />
    </main>
  );
}

/** Enter or N opens the next case, unless the key belongs to what has the focus. */
function pressed(event: KeyboardEvent, project: Project): void {
  const target = event.target instanceof Element ? event.target : document.body;
  const field = target.closest("input, select, textarea, dialog, [role=dialog]");
  const binding = bindingOf(event);
  if (field || event.defaultPrevented) return;
  if (binding !== "n" && binding !== "shift+n" && !(binding === "enter" && !target.closest("button"))) return;
  event.preventDefault();
  void project.next();
}

/** How many cases are in which state, as a bar and in words. */
export function Progress({ cases }: { cases: readonly ProjectCase[] }) {
  const included = cases.filter((each) => each.state !== "excluded");
  const count = (state: string) => included.filter((each) => each.state === state).length;
  const parts = [
    ["checked", count("checked")],
    ["done", count("done")],
    ["in progress", count("in progress")],
  ] as const;
  const finished = included.filter((each) => isDone(each.state)).length;
  const excluded = cases.length - included.length;
  const text = [
    `${finished} of ${included.length} cases done`,
    ...parts.filter(([state, n]) => n > 0 && state !== "done").map(([state, n]) => `${n} ${state}`),
    ...(excluded ? [`${excluded} excluded`] : []),
  ].join(" · ");
  return (
    <div class="progress">
      <div class="bar" aria-hidden="true">
        {parts.map(([state, n]) => (
          <i
            key={state}
            class={state.replace(" ", "-")}
            style={{ width: `${(100 * n) / Math.max(1, included.length)}%` }}
          />
        ))}
      </div>
      <p class="numbers">{text}</p>
    </div>
  );
}

function Cases({ app, project }: { app: App; project: Project }) {
  const [filter, setFilter] = useState<WorklistFilter>("open");
  const [search, setSearch] = useState("");
  const [unfolded, setUnfolded] = useState(false);
  const { shown, excluded, counts } = worklist(project.cases, filter, search, project.info.user);
  const filters = FILTERS.filter(([name]) => name !== "check" || project.may("reviewer"));
  const table = (cases: readonly ProjectCase[]) => (
    <WorklistTable
      cases={cases}
      reviewer={project.may("reviewer") ? project.info.user : null}
      open={(id, check) => project.openCase(id, check)}
      more={(id) => {
        project.shownCase = id;
        app.show("case");
      }}
    />
  );
  return (
    <section class="cases-of-project" aria-label="Worklist">
      <div class="row">
        <h2>Cases</h2>
        <Segmented
          label="Which cases"
          value={filter}
          choices={filters.map(([name, text]) => [name, `${text} ${counts[name]}`] as const)}
          choose={setFilter}
        />
        <input
          type="search"
          value={search}
          placeholder="Search"
          aria-label="Search cases by name, person or note"
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      {shown.length === 0 && <p class="dim">No case fits.</p>}
      {shown.length > 0 && table(shown)}
      {excluded.length > 0 && (
        <details open={unfolded} onToggle={(event) => setUnfolded(event.currentTarget.open)}>
          <summary>{excluded.length} excluded</summary>
          {unfolded && <div class="folded">{table(excluded)}</div>}
        </details>
      )}
    </section>
  );
}
