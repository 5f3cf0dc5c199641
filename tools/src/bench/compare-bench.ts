import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { measureLarge, measureSmalls, SMALL, withFresh, type Measuring } from './compare/measures.ts';
import { reportComparison, type Round } from './compare/report.ts';
import { BATCH_SIZE, type Side } from './compare/side.ts';
import { openSides, type SidesOptions } from './compare/sides.ts';
import { mongoEngine } from './installation.ts';
import { inRounds } from './measure/medians.ts';

export interface CompareOptions extends SidesOptions {
  /** Number of rounds, whose medians count. */
  readonly runs: number;
  /** Number of small actions per round. */
  readonly smallRuns: number;
}

/**
 * Measures the platform and the peer in turn, on one empty stack, and prints ratios, goals and
 * costs.
 */
export async function benchCompare(options: CompareOptions, context: CommandContext): Promise<void> {
  const screen = new Screen(process.stdout);
  const sides = await openSides(screen, options, BATCH_SIZE, context);
  const { platform, peerByEntity, peerByBatch, installation } = sides;
  const { contacts, smallRuns, runs } = options;
  const measuring: Measuring = {
    meter: installation.meter,
    contacts,
    smallRuns,
    shifts: { next: 1 },
    signal: context.signal,
  };
  const measurements = new Map(
    [platform, peerByEntity, peerByBatch].map((side) => [
      side.name,
      () =>
        screen.step(
          side === platform ? 'ours' : 'peer',
          () => measureRound(side, measuring),
          (round) => roundText(side, round, contacts),
        ),
    ]),
  );
  const rounds = await inRounds(runs, measurements);
  const of = ({ name }: Side): readonly Round[] => rounds.get(name) ?? [];
  screen.line();
  reportComparison(screen, {
    engine: await mongoEngine(installation.stack),
    contacts,
    platform: of(platform),
    peerByEntity: of(peerByEntity),
    peerByBatch: of(peerByBatch),
  });
}

/** Measures an update, an action that writes nothing, and small ones, by fresh processes; then the raw writes. */
async function measureRound(side: Side, measuring: Measuring): Promise<Round> {
  const measured = await withFresh(side, async (running) => ({
    update: await measureLarge(side, running, 'update', measuring),
    noop: await measureLarge(side, running, 'noop', measuring),
    ...(await measureSmalls(running, measuring)),
  }));
  return { ...measured, raw: await side.raw() };
}

function roundText(side: Side, { update, noop, raw, smallTimes }: Round, contacts: number): string {
  const rate = (seconds: number): string => `${thousands(contacts / seconds)}/s`;
  const fastest = Math.round(Math.min(...smallTimes));
  return `${side.name}: update ${rate(update.seconds)}, no-op ${rate(noop.seconds)}, raw ${rate(raw)}, ${SMALL} alone from ${fastest} ms`;
}
