/** Finds out from the server which slices the tool in hand would change, before it is used. */
import type { Reach, SegmentedObject } from "../api/wire_types";
import { aimOf } from "./aim";
import type { OpenSession } from "./open_session";

/** A slice that is passed in a quick scroll causes no request. */
const DELAY_MS = 200;

interface Dab {
  name: string;
  reach: Reach;
  voxel: [number, number, number];
  plane: SegmentedObject["plane"];
}

export class ReachPreview {
  private current = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | null = null;
  private readonly stops: (() => void)[];

  constructor(private readonly session: OpenSession) {
    const follow = () => this.follow();
    const sources = [session, session.display, session.display.pointing, session.hand];
    this.stops = sources.map((each) => each.subscribe(follow));
  }

  close(): void {
    for (const stop of this.stops) stop();
    clearTimeout(this.timer);
    this.request?.abort();
  }

  private follow(): void {
    const dab = dabOf(this.session);
    const key = dab ? JSON.stringify([dab, this.session.state.revision]) : "";
    if (key === this.current) return;
    this.current = key;
    clearTimeout(this.timer);
    this.request?.abort();
    this.show(null);
    if (dab) this.timer = setTimeout(() => void this.preview(dab, key), DELAY_MS);
  }

  private async preview({ name, reach, voxel, plane }: Dab, key: string): Promise<void> {
    const request = new AbortController();
    this.request = request;
    // A dab of one voxel is answered without the model, and reaches as far as a prompt on that slice.
    const shape = { brush: { path: [voxel], radius_mm: 0.01, plane } };
    const answer = await this.session.requests
      .previewPainting({ name, shape, reach, positive: true }, request.signal)
      .catch(() => null); // only a hint: without it, nothing is shown
    if (answer && this.current === key) this.show(answer.reach);
  }

  private show(reached: [number, number] | null): void {
    const { session } = this;
    if (reached?.join() === session.hand.reached?.join()) return;
    session.hand.setReached(reached);
    session.notify(); // the slice bars show it
  }
}

/** The dab to preview; null where no edit would propagate, or how far follows from what is drawn. */
function dabOf(session: OpenSession): Dab | null {
  const { display, hand, draft } = session;
  const aim = aimOf(session);
  const object = session.object(aim?.name ?? null);
  if (!aim || !object || object.locked || draft || session.working) return null;
  const { tool } = display;
  const plane = display.pointer?.plane ?? display.active;
  const reach = hand.options[session.reachOption(object.name, aim.byHand)];
  // A box or mask goes on to the next one, which the server knows only once it is drawn.
  const anchors = tool === "box" || (tool === "brush" && !aim.byHand);
  if (reach === "slice" || plane !== object.plane || (anchors && reach === "next")) return null;
  const grid = session.geometry.grids[object.plane];
  // The middle of the slice, so that moving the pointer requests nothing new.
  const [v, u] = grid.shapeVu.map((size) => Math.floor(size / 2));
  return { name: object.name, reach, voxel: grid.join(display.index(plane), u, v), plane };
}
