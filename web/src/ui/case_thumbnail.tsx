import { useEffect, useRef, useState } from "preact/hooks";
import type { VolumeSummary } from "../api/wire_types";
import type { Thumbnails } from "../state/thumbnails";
import { Icon } from "./icons";
import "./styles/case_thumbnail.css";

/** Fetched when it comes near the screen; the list is there before. */
const NEAR_PX = 200;

/** A picture of a volume's middle slice; the text beside it says what it is. */
export function CaseThumbnail({ volume, thumbnails }: { volume: VolumeSummary; thumbnails: Thumbnails }) {
  const place = useRef<HTMLSpanElement>(null);
  const [address, setAddress] = useState(thumbnails.known(volume));
  useEffect(() => {
    if (address !== undefined || !place.current) return;
    const gone = new AbortController();
    const observer = new IntersectionObserver(
      ([seen]) => {
        if (!seen.isIntersecting) return;
        observer.disconnect();
        void thumbnails.fetch(volume, gone.signal).then((found) => !gone.signal.aborted && setAddress(found));
      },
      { rootMargin: `${NEAR_PX}px` },
    );
    observer.observe(place.current);
    return () => {
      gone.abort();
      observer.disconnect();
    };
  }, [address, volume, thumbnails]);
  return (
    <span class="case-thumbnail" ref={place}>
      {address ? <img src={address} alt="" /> : address === null && <Icon name="hidden" />}
    </span>
  );
}
