import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { measureLarge, withFresh, type Measuring } from './compare/measures.ts';
import { GOALS } from './compare/report.ts';
import type { Side } from './compare/side.ts';
import { openSides, type SidesOptions } from './compare/sides.ts';
import { mongoEngine } from './installation.ts';
import { costTable, outsideMongo, perBatch } from './measure/costs.ts';
import { goalText, verdictsOn } from './measure/goals.ts';
import { inRounds, median } from './measure/medians.ts';
import type { Usage } from './measure/meter.ts';
import { figure, tableLines } from './measure/table.ts';

export interface NoopOptions extends SidesOptions {
  readonly runs: number;
  /** Number of entities per batch and per job. */
  readonly batchSize: number;
}

/** Measures an action that writes no entity: what the platform itself costs, and the peer. */
export async function benchNoop(options: NoopOptions, context: CommandContext): Promise<void> {
  const screen = new Screen(process.stdout);
  const { contacts, batchSize, runs } = options;
  const sides = await openSides(screen, options, batchSize, context);
  const { installation, platform, peerByEntity, peerByBatch } = sides;
  const measuring: Measuring = {
    meter: installation.meter,
    contacts,
    smallRuns: 0,
    shifts: { next: 1 },
    signal: context.signal,
  };
  const measurements = new Map(
    [platform, peerByEntity, peerByBatch].map((side) => [
      side.name,
      () =>
        screen.step(
          side === platform ? 'ours' : 'peer',
          () => withFresh(side, (running) => measureLarge(side, running, 'noop', measuring)),
          ({ seconds }) => `${side.name}: ${thousands(contacts / seconds)} entities/s`,
        ),
    ]),
  );
  const rounds = await inRounds(runs, measurements);
  const of = ({ name }: Side): readonly Usage[] => rounds.get(name) ?? [];
  const rate = (side: Side): number => median(of(side).map(({ seconds }) => contacts / seconds));
  const costs = (side: Side) => of(side).map((usage) => ({ usage, batches: contacts / batchSize }));

  const engine = await mongoEngine(installation.stack);
  const verdicts = verdictsOn(engine);
  screen.line();
  screen.labelled('MongoDB', engine);
  if (!verdicts.given) screen.labelled('', verdicts.reason);
  screen.labelled(
    'rate',
    `${thousands(rate(platform))} entities/s, batches of ${batchSize}, median of ${runs}`,
  );
  const ofEntity = rate(platform) / rate(peerByEntity);
  screen.labelled(
    'ratio',
    `${ofEntity.toFixed(2)} of the peer with a log per entity (${goalText(ofEntity, GOALS.noopOfPeer, '', verdicts)}), ` +
      `${(rate(platform) / rate(peerByBatch)).toFixed(2)} of the peer with a log per batch`,
  );
  const cpu = perBatch(costs(platform), outsideMongo);
  screen.labelled(
    'CPU',
    `${figure(cpu)} ms per batch outside MongoDB (${goalText(cpu, GOALS.cpuPerBatchMs, ' ms', verdicts)})`,
  );
  screen.line();
  screen.lines(
    tableLines(
      ...costTable(`per batch of ${batchSize}`, [
        { name: 'ours', costs: costs(platform) },
        { name: 'peer, log per entity', costs: costs(peerByEntity) },
        { name: 'peer, log per batch', costs: costs(peerByBatch) },
      ]),
    ),
  );
}
