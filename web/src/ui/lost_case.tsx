/** Says that another one has the case now. */
import type { CaseWork } from "../state/case_work";
import type { Project } from "../state/project";
import "./styles/lost_case.css";

export function LostCase({ project, work }: { project: Project; work: CaseWork }) {
  return (
    <div class="lost-case" role="alert">
      <p>
        <b>This case is no longer yours.</b> {work.lost} What you have drawn is kept in your session, but does
        not count until you have the case again.
      </p>
      <button type="button" onClick={() => project.takeAgain()}>
        Take it again
      </button>
      <button type="button" onClick={() => project.leave()}>
        Back to the worklist
      </button>
    </div>
  );
}
