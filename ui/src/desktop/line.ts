import RFB from "@novnc/novnc";
import { client } from "../generated/client";

export type DesktopState = "connecting" | "live" | "away" | "none";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8_000;

/** noVNC on one end, the attach channel on the other; comes back by itself. The daemon's gate is the lock, not `viewOnly`. */
export class DesktopLine {
  private rfb: RFB | null = null;
  private attempt = 0;
  private timer = 0;
  private gone = false;
  private mine = false;

  constructor(
    private readonly pid: number,
    private readonly place: HTMLElement,
    private readonly tell: (state: DesktopState, why: string | null) => void,
  ) {
    void this.attach();
  }

  /** Say whether this person has control: only then clicks and keys are sent. */
  control(mine: boolean): void {
    this.mine = mine;
    if (!this.rfb) return;
    this.rfb.viewOnly = !mine;
    if (mine) this.rfb.focus();
  }

  dispose(): void {
    this.gone = true;
    clearTimeout(this.timer);
    this.rfb?.disconnect();
  }

  private async attach(): Promise<void> {
    try {
      const { running } = await client.desktop.info({ pid: this.pid });
      if (this.gone) return;
      if (!running) return this.tell("none", null);
      const { url } = await client.desktop.attach({ pid: this.pid });
      if (!this.gone) this.open(url);
    } catch (error) {
      if (!this.gone) this.again(error instanceof Error ? error.message : null);
    }
  }

  private open(url: string): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const rfb = new RFB(this.place, `${scheme}://${location.host}${url}`, { shared: true });
    this.rfb = rfb;
    rfb.scaleViewport = true;
    rfb.showDotCursor = true;
    rfb.background = "transparent";
    rfb.viewOnly = !this.mine;
    rfb.addEventListener("connect", () => {
      this.attempt = 0;
      this.tell("live", null);
      if (this.mine) rfb.focus();
    });
    rfb.addEventListener("disconnect", () => {
      if (this.rfb !== rfb || this.gone) return;
      this.rfb = null;
      this.again(null);
    });
  }

  private again(why: string | null): void {
    this.tell("away", why);
    this.timer = window.setTimeout(() => void this.attach(), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.attempt));
    this.attempt += 1;
  }
}
