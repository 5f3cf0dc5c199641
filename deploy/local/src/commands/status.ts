import { inspectStack, type PartHealth } from '../stack.ts';

/** Prints a table of the parts. Returns true if all of them serve. */
export async function showStatus(name: string, print: (line: string) => void): Promise<boolean> {
  const found = await inspectStack(name);
  if (found === undefined) {
    print(`stack ${name}: down`);
    return false;
  }
  print(`stack ${name}: ${found.state.phase}, supervised by process ${found.state.supervisor.pid}`);
  for (const line of table([['part', 'pid', 'port', 'health', 'engine', 'url'], ...found.health.map(row)]))
    print(line);
  return found.state.phase === 'ready' && found.health.every(({ problem }) => problem === undefined);
}

function row({ name, state, problem }: PartHealth): string[] {
  const health = problem === undefined ? 'ok' : problem.replaceAll(/\s+/g, ' ').slice(0, 60);
  if (state.kind === 'external')
    return [name, '-', '-', health, 'not ours', state.url.replace(/:[^:@/]*@/, ':***@')];
  return [name, String(state.process?.pid ?? '-'), String(state.port), health, state.engine, state.url];
}

/** Formats rows as columns that are as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
