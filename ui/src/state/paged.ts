import { useCallback, useRef, useState } from "react";
import { useFollowed } from "./news";

export interface PageOf<T> {
  items: T[];
  cursor: string | null;
}

type Read<T> = (cursor?: string) => Promise<PageOf<T> | undefined>;

interface Paged<T> {
  /** null until the first page is here; what another question gave stays until its own answer is here */
  items: T[] | null;
  /** read the next page; null when there is none */
  more: (() => void) | null;
  again: () => Promise<void>;
}

/** A list that is read a page at a time, and again, as far as it was read, after news of the rooms. Give `read` by useCallback. */
export function usePaged<T>(read: Read<T>, ...rooms: string[]): Paged<T> {
  const [state, setState] = useState<{ read: Read<T>; page: PageOf<T> } | null>(null);
  const shown = useRef(state);
  shown.current = state;
  const turn = useRef(0);
  const look = useCallback(
    async (begun: PageOf<T> | null, least: number) => {
      const mine = ++turn.current;
      let page = begun;
      do {
        const next = await read(page?.cursor ?? undefined);
        if (!next || mine !== turn.current) return; // a later question was asked meanwhile
        page = { items: [...(page?.items ?? []), ...next.items], cursor: next.cursor };
      } while (page.cursor && page.items.length < least);
      setState({ read, page });
    },
    [read],
  );
  const again = useCallback(() => look(null, shown.current?.read === read ? shown.current.page.items.length : 0), [look, read]);
  useFollowed(again, ...rooms);
  const page = state?.read === read ? state.page : null;
  return { items: state && state.page.items, more: page?.cursor ? () => void look(page, 0) : null, again };
}
