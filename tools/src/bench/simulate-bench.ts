import type { CommandContext } from '../console/command.ts';
import { Screen } from '../console/screen.ts';
import { tableLines } from './measure/table.ts';
import type { Parameters } from './simulate/model/parameters.ts';
import { boundOf } from './simulate/report/bound.ts';
import { CHECK_HEAD, checkRows } from './simulate/report/check.ts';
import { scenarioTable, type Column } from './simulate/report/scenario-table.ts';
import { sweepRows } from './simulate/report/sweep.ts';
import { scenariosOf, type Scenario } from './simulate/scenarios.ts';
import { simulate, smallAlone } from './simulate/simulation.ts';

export interface SimulateOptions extends Parameters {
  readonly seed: number;
  /** Entities of the large action. */
  readonly records: number;
  /** Whether single parameters are changed as well. */
  readonly sweep: boolean;
}

/** Partition counts that are compared. The number of partitions of the options comes last. */
const PARTITION_COUNTS = [6, 12, 24];
/** Scenarios whose throughput the changes of a parameter show. */
const SWEPT = ['large', 'small', 'waiting'];

/**
 * Simulates a cluster in virtual time. The platform's own dispatcher, lane shares and counting pace
 * decide; everything else is a model.
 */
export async function benchSimulate(options: SimulateOptions, { signal }: CommandContext): Promise<void> {
  const screen = new Screen(process.stdout);
  const { seed, records, sweep, ...parameters } = options;
  const { intakes, handlers, aggregators } = parameters;
  screen.labelled('simulated', `${intakes} intakes, ${handlers} handlers, ${aggregators} stats-aggregators`);
  screen.labelled('seed', String(seed));
  screen.line();
  screen.lines(tableLines(CHECK_HEAD, await checkRows(seed)));
  for (const scenario of scenariosOf(records)) {
    signal.throwIfAborted();
    screen.line();
    screen.labelled(scenario.name, scenario.what);
    await showScenario(screen, scenario, parameters, seed);
  }
  if (!sweep) return;
  signal.throwIfAborted();
  screen.line();
  screen.labelled('changes', 'each alone, throughput as a multiple');
  const scenarios = scenariosOf(records).filter(({ name }) => SWEPT.includes(name));
  const head = ['change', ...scenarios.map(({ name }) => name)] as const;
  screen.lines(tableLines(head, await sweepRows({ parameters, scenarios, seed })));
}

async function showScenario(
  screen: Screen,
  scenario: Scenario,
  base: Parameters,
  seed: number,
): Promise<void> {
  const columns: Column[] = [];
  for (const partitions of new Set([...PARTITION_COUNTS, base.partitions])) {
    const parameters = { ...base, partitions };
    columns.push({
      parameters,
      outcome: await simulate(scenario, parameters, { seed, withSmall: true }),
      aloneMs: await smallAlone(parameters, seed, scenario.work),
    });
  }
  const { head, rows } = scenarioTable(columns);
  screen.lines(tableLines(head, rows));
  for (const { parameters, outcome } of columns) {
    screen.lines([`bound by, with ${parameters.partitions} partitions: ${boundOf(outcome, parameters)}`]);
  }
}
