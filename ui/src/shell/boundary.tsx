import { Component, type ReactNode } from "react";
import { Button } from "../parts/button";
import { Empty } from "../parts/page";

interface State {
  error: Error | null;
}

/** A fault of one page leaves the rest standing. Give it a `key` that changes with the page. */
export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="p-8" role="alert">
        <Empty title="This page broke">
          <p className="font-mono text-xs wrap-anywhere">{error.message}</p>
          <p className="mt-2">Agents are not affected. Load the console again; if it breaks again, its message above belongs in a bug report.</p>
          <Button className="mt-4" onClick={() => location.reload()}>
            Load again
          </Button>
        </Empty>
      </div>
    );
  }
}
