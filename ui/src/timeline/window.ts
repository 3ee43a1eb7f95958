import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Entry } from "./entries";

const PAGE = 80; // entries added at an edge
const MOST = 320; // entries in the document at once
const EDGE = 600; // px from an edge at which more are shown
const NEAR_END = 60;

export interface View {
  box: RefObject<HTMLDivElement | null>;
  from: number;
  to: number;
  pinned: boolean;
  unseen: number;
  loading: boolean;
  scrolled: () => void;
  toEnd: () => void;
}

interface Anchor {
  key: string;
  top: number;
}

/** A moving window over a long list: the document holds a few hundred entries however many there are.
 * Entries have any height; the first visible one keeps its place when others come or go around it. */
export function useWindow(list: readonly Entry[], more: boolean, older: () => Promise<void>, live: unknown): View {
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<Anchor | null>(null);
  const [pinned, setPinned] = useState(true);
  const [endKey, setEndKey] = useState<string | null>(null); // last entry shown when not pinned
  const [size, setSize] = useState(PAGE * 2);
  const [loading, setLoading] = useState(false);
  const leftAt = useRef(0);

  const to = pinned || endKey === null ? list.length : Math.max(1, list.findIndex((each) => each.key === endKey) + 1 || list.length);
  const from = Math.max(0, to - size);
  const unseen = pinned ? 0 : Math.max(0, list.filter((each) => each.id > leftAt.current).length);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (pinned) {
      element.scrollTop = element.scrollHeight;
    } else if (anchor.current) {
      const kept = element.querySelector(`[data-entry="${anchor.current.key}"]`);
      if (kept) element.scrollTop += kept.getBoundingClientRect().top - anchor.current.top;
    }
  }, [list, from, to, pinned, live]);

  // Content that grows by itself (an opened block, a loaded font) must not push the end away.
  useEffect(() => {
    const element = box.current;
    const content = element?.firstElementChild;
    if (!element || !content) return;
    const observer = new ResizeObserver(() => {
      if (pinned) element.scrollTop = element.scrollHeight;
    });
    observer.observe(content);
    observer.observe(element);
    return () => observer.disconnect();
  }, [pinned]);

  const remember = (): void => {
    const element = box.current;
    if (!element) return;
    const edge = element.getBoundingClientRect().top;
    for (const each of element.querySelectorAll<HTMLElement>("[data-entry]")) {
      const place = each.getBoundingClientRect();
      if (place.bottom > edge) {
        anchor.current = { key: each.dataset["entry"]!, top: place.top };
        return;
      }
    }
  };

  const scrolled = (): void => {
    const element = box.current;
    if (!element) return;
    remember();
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (below < NEAR_END && to === list.length) {
      if (!pinned) {
        setPinned(true);
        setSize(PAGE * 2);
      }
      return;
    }
    if (pinned) {
      leftAt.current = list.at(-1)?.id ?? 0;
      setPinned(false);
      setEndKey(list.at(-1)?.key ?? null);
    }
    if (element.scrollTop < EDGE) {
      if (from > 0) {
        const cut = Math.max(0, size + PAGE - MOST);
        if (cut) setEndKey(list[to - 1 - cut]?.key ?? null);
        setSize(Math.min(MOST, size + PAGE));
      } else if (more && !loading) {
        setLoading(true);
        void older().finally(() => setLoading(false));
        setSize(Math.min(MOST, size + PAGE));
      }
    } else if (below < EDGE && to < list.length) {
      const end = Math.min(list.length, to + PAGE);
      setEndKey(list[end - 1]?.key ?? null);
      setSize(Math.min(MOST, size + (end - to)));
    }
  };

  const toEnd = (): void => {
    setSize(PAGE * 2);
    setPinned(true);
  };

  return { box, from, to, pinned, unseen, loading, scrolled, toEnd };
}
