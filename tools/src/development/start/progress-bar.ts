import type { ActionUpdate } from '@bulk/contracts';
import { Presets, SingleBar } from 'cli-progress';
import { thousands, type Screen } from '../../console/screen.ts';

/** Shows the progress of an action. */
export interface ProgressDisplay {
  show(update: ActionUpdate): void;
  end(): void;
}

/** Creates the display: a bar on a terminal, elsewhere one line per tenth. */
export function progressDisplay(screen: Screen, total: number): ProgressDisplay {
  return screen.live ? bar(total) : lines(screen);
}

function bar(total: number): ProgressDisplay {
  const display = new SingleBar(
    {
      format: '  progress   {bar} {percent} %  {done} of {all}  {speed}/s  {outcomes}',
      barsize: 30,
      hideCursor: true,
      // A closed terminal must not keep the process.
      gracefulExit: false,
      linewrap: false,
    },
    Presets.shades_classic,
  );
  display.start(total, 0, { percent: 0, done: 0, all: thousands(total), speed: '–', outcomes: '' });
  return {
    show: (update) =>
      display.update(update.processed, {
        percent: Math.floor(update.percent),
        done: thousands(update.processed),
        all: thousands(update.total),
        speed: update.rate === null ? '–' : thousands(update.rate),
        outcomes: outcomes(update),
      }),
    end: () => display.stop(),
  };
}

function lines(screen: Screen): ProgressDisplay {
  let shown = -1;
  return {
    show: (update) => {
      const tenth = Math.floor(update.percent / 10);
      if (tenth <= shown) return;
      shown = tenth;
      screen.labelled(
        'progress',
        `${Math.floor(update.percent)} %  ${thousands(update.processed)} of ${thousands(update.total)}  ${outcomes(update)}`,
      );
    },
    end: () => undefined,
  };
}

function outcomes({ success, failure, skipped }: ActionUpdate): string {
  return `${thousands(success)} ok · ${thousands(failure)} failed · ${thousands(skipped)} skipped`;
}
