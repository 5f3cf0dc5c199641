import { figure, type Row } from '../../measure/table.ts';
import { parametersOf } from '../model/parameters.ts';
import type { Part } from '../model/world.ts';
import { large } from '../scenarios.ts';
import { simulate, smallAlone, type Outcome } from '../simulation.ts';

const ENTITIES = 100_000;

/**
 * Figures of `npm run bench -- compare --runs 3` on 2 cores without other work, 2026-11-26.
 *
 * The parameters were fitted to earlier figures and not to these.
 */
const MEASURED = {
  noop: { perSecond: 10_605, requests: 3.04, commands: 1.82, cpuMs: 12.9 },
  update: { perSecond: 3_746, requests: 5.13, commands: 3.56, cpuMs: 46 },
  aloneMs: 52.9,
} as const;

export const CHECK_HEAD: Row = ['2 cores, batches of 100', 'measured', 'simulated', 'difference'];

/** Simulates the machine on which the platform was measured, and compares the figures. */
export async function checkRows(seed: number): Promise<Row[]> {
  const parameters = parametersOf('here');
  const alone = await smallAlone(parameters, seed, 'update');
  const rows = [compared('100 entities alone, ms', MEASURED.aloneMs, alone)];
  for (const work of ['noop', 'update'] as const) {
    const scenario = large(work, work, ENTITIES, work);
    const outcome = await simulate(scenario, parameters, { seed, withSmall: false });
    const { perSecond, requests, commands, cpuMs } = MEASURED[work];
    const name = work === 'noop' ? 'no-op' : work;
    rows.push(
      compared(`${name}, entities/s from the request on`, perSecond, ENTITIES / outcome.seconds),
      compared(`${name}, Kafka requests per batch`, requests, outcome.kafkaRequestsPerBatch),
      compared(`${name}, MongoDB commands per batch`, commands, outcome.mongoCommandsPerBatch),
      compared(`${name}, CPU per batch, ms`, cpuMs, cpuOf(outcome)),
    );
  }
  return rows;
}

function cpuOf({ cpuMs }: Outcome): number {
  const part: Part = 'shared cores';
  return cpuMs.get(part) ?? Number.NaN;
}

function compared(name: string, measured: number, simulated: number): Row {
  const off = Math.round((simulated / measured - 1) * 100);
  return [name, figure(measured), figure(simulated), `${off > 0 ? '+' : ''}${off} %`];
}
