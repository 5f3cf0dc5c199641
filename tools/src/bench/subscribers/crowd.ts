import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { crowdReportSchema, type CrowdOrder, type CrowdReport } from './messages.ts';

type Kind = 'subscribed' | 'ended';
type ReportOf<K extends Kind> = Extract<CrowdReport, { kind: K }>;

/** A process with many subscribers of one action. */
export class Crowd {
  readonly subscribed: Promise<ReportOf<'subscribed'>>;
  /** When all have seen the end. */
  readonly ended: Promise<ReportOf<'ended'>>;
  readonly #child: ChildProcess;

  constructor(order: CrowdOrder) {
    this.#child = fork(fileURLToPath(new URL('crowd-process.ts', import.meta.url)));
    this.subscribed = this.#report('subscribed');
    this.ended = this.#report('ended');
    // A caller that waits for `subscribed` alone gets the failure there.
    this.ended.catch(() => undefined);
    this.#child.send(order);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #report<K extends Kind>(kind: K): Promise<ReportOf<K>> {
    const isOfKind = (report: CrowdReport): report is ReportOf<K> => report.kind === kind;
    return new Promise((resolve, reject) => {
      this.#child.on('message', (message) => {
        const report = crowdReportSchema.parse(message);
        if (report.kind === 'failed') reject(new Error(`a subscriber has failed: ${report.reason}`));
        else if (isOfKind(report)) resolve(report);
      });
      this.#child.once('error', reject);
      this.#child.once('exit', (code) =>
        reject(new Error(`the subscribers have ended (${code ?? 'signal'})`)),
      );
    });
  }

  close(): void {
    this.#child.removeAllListeners();
    this.#child.kill();
  }
}
