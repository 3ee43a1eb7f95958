import type { AnchorHTMLAttributes } from "react";
import { go } from "../state/route";

/** A link within the console: goes there without loading the page anew, unless a new window is wanted. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  return (
    <a
      href={href}
      onClick={(event) => {
        onClick?.(event);
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(href);
      }}
      {...rest}
    />
  );
}
