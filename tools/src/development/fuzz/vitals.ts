import { get } from 'node:http';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { delay } from '@bulk/runtime';
import { Exposition } from '@bulk/testing';

/** A process under watch. */
export interface Watched {
  readonly name: string;
  readonly pid: number;
  /** Ports that clients connect to, including the admin port. */
  readonly ports: readonly number[];
  readonly adminPort: number;
  /** Whether the process that was started still runs. */
  readonly isRunning: () => boolean;
  /** Makes the process collect its garbage; see collect-garbage.mjs. */
  readonly collectGarbage: () => void;
}

/** What a process holds at one moment, after a garbage collection. */
export interface Vitals {
  readonly isRunning: boolean;
  /** Status of `/livez` and `/healthz`; 0: no answer. */
  readonly live: number;
  readonly healthy: number;
  /** Used heap, and the memory outside of it that the heap refers to, in bytes. */
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Number of open descriptors. */
  readonly descriptors: number;
  /** Number of sockets whose clients are gone. */
  readonly orphans: number;
}

/** How much more than at first a process may hold. */
export interface VitalBounds {
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Number of descriptors. Pools of connections grow with the load. */
  readonly descriptors: number;
}

const MEBIBYTE = 1_048_576;

export const BOUNDS: VitalBounds = {
  heapBytes: 32 * MEBIBYTE,
  residentBytes: 256 * MEBIBYTE,
  descriptors: 24,
};

/**
 * Longest time of a probe, in ms. To its orchestrator, a process that is blocked for longer is not
 * alive.
 */
const PROBE_MS = 2_000;
/** Time between the signal and the reading, in ms. */
const COLLECT_MS = 50;
/** States of /proc/net/tcp in which a client is still connected, or may connect. */
const ESTABLISHED = '01';
const LISTENING = '0A';
/** Tables in which the kernel lists sockets → index of the column with the inode. */
const SOCKET_TABLES = { tcp: 9, tcp6: 9, udp: 9, udp6: 9, unix: 6 };
const NOTHING: Vitals = {
  isRunning: false,
  live: 0,
  healthy: 0,
  heapBytes: 0,
  residentBytes: 0,
  descriptors: 0,
  orphans: 0,
};

/** Reads what a process holds. A process that has ended holds nothing. */
export async function readVitals({
  pid,
  ports,
  adminPort,
  isRunning,
  collectGarbage,
}: Watched): Promise<Vitals> {
  if (!isRunning()) return NOTHING;
  try {
    collectGarbage();
    await delay(COLLECT_MS);
    // Before the probes, whose own connections would be counted.
    const { descriptors, orphans } = openDescriptors(pid, ports);
    const live = await probe(adminPort, '/livez');
    const healthy = await probe(adminPort, '/healthz');
    const metrics = await probe(adminPort, '/metrics');
    const exposed = Exposition.of(metrics.text);
    return {
      isRunning: isRunning(),
      live: live.status,
      healthy: healthy.status,
      heapBytes: exposed.sum('nodejs_heap_size_used_bytes') + exposed.sum('nodejs_external_memory_bytes'),
      residentBytes: exposed.sum('process_resident_memory_bytes'),
      descriptors,
      orphans,
    };
  } catch {
    // The process ended during the reading.
    return { ...NOTHING, isRunning: isRunning() };
  }
}

/** Returns what is wrong with a process compared with its first reading; empty if all is well. */
export function vitalBreaches(
  name: string,
  base: Vitals,
  now: Vitals,
  bounds: VitalBounds = BOUNDS,
): string[] {
  if (!now.isRunning) return [`${name} has ended`];
  const breaches: string[] = [];
  if (now.live !== 200) breaches.push(`${name}: /livez answers ${now.live || 'nothing'}`);
  if (now.healthy !== 200) breaches.push(`${name}: /healthz answers ${now.healthy || 'nothing'}`);
  if (now.orphans > 0) breaches.push(`${name} keeps ${now.orphans} sockets of disconnected clients`);
  for (const what of ['heapBytes', 'residentBytes', 'descriptors'] as const) {
    const more = now[what] - base[what];
    if (more <= bounds[what]) continue;
    breaches.push(
      `${name}: ${what} grew by ${more} from ${base[what]}, expected at most ${bounds[what]} more`,
    );
  }
  return breaches;
}

function probe(port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const nothing = { status: 0, text: '' };
    const options = { port, host: '127.0.0.1', path, agent: false, timeout: PROBE_MS };
    const request = get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', () => resolve(nothing));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(nothing));
  });
}

/** Counts the descriptors of a process, and those of them that are sockets without another side. */
function openDescriptors(pid: number, ports: readonly number[]): Pick<Vitals, 'descriptors' | 'orphans'> {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // The descriptor was closed meanwhile.
      return [];
    }
  });
  const listed = new Map(
    Object.entries(SOCKET_TABLES).flatMap(([table, column]) =>
      readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line): [string, string[]] => {
          const columns = line.trim().split(/\s+/);
          return [columns[column] ?? '', columns];
        }),
    ),
  );
  const orphans = links.filter((link) => {
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    if (inode === undefined) return false;
    const [, local = '', , state = ''] = listed.get(inode) ?? [];
    // A connection that was reset is in no table any more.
    if (!listed.has(inode)) return true;
    const isOfClient = ports.includes(Number.parseInt(local.split(':')[1] ?? '', 16));
    return isOfClient && state !== ESTABLISHED && state !== LISTENING;
  });
  return { descriptors: links.length, orphans: orphans.length };
}
