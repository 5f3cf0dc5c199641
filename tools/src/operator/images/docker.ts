import { CodedError } from '@bulk/domain';
import { run, type Environment } from '@bulk/local-stack';

/** Thrown when a command of Docker fails. The message ends with the command's output. */
export class DockerError extends CodedError {
  constructor(args: readonly string[], output: string) {
    super('DOCKER_FAILED', `docker ${args.slice(0, 2).join(' ')} …: ${output.trim().slice(-2_000)}`);
  }
}

/** The docker command, bound to an environment. */
export class Docker {
  readonly #env: Environment;
  readonly #signal: AbortSignal | undefined;

  constructor(env: Environment, signal?: AbortSignal) {
    // BuildKit's own progress display is for terminals.
    this.#env = { ...env, BUILDKIT_PROGRESS: 'plain' };
    this.#signal = signal;
  }

  /** Returns why containers cannot run here, in one line; `undefined` if they can. */
  async whyNot(): Promise<string | undefined> {
    const { code, output } = await this.#run(['info', '--format', '{{.ServerVersion}}'], 20_000);
    if (code === 0) return undefined;
    if (code === 127) return 'no docker command is on the PATH';
    return `no Docker engine answers (${lastLine(output)})`;
  }

  /**
   * Returns why the image is not available, in one line; `undefined` if it is available.
   *
   * It is available if it is here or in its registry.
   */
  async whyNoImage(name: string): Promise<string | undefined> {
    if (await this.has(name)) return undefined;
    const { code, output } = await this.#run(['pull', '--quiet', name], 300_000);
    return code === 0 ? undefined : `${name} is not here and cannot be pulled (${lastLine(output)})`;
  }

  /** Returns whether the engine has the image. */
  async has(name: string): Promise<boolean> {
    return (await this.#run(['image', 'inspect', name], 20_000)).code === 0;
  }

  /**
   * Returns the size of an image with all its layers, in bytes.
   *
   * @throws DockerError if the engine does not have it.
   */
  async sizeOf(name: string): Promise<number> {
    return Number(await this.must(['image', 'inspect', '--format', '{{.Size}}', name]));
  }

  /** Runs a command. @returns its output. @throws DockerError if it fails. */
  async must(args: readonly string[], onOutput?: (text: string) => void): Promise<string> {
    const { code, output } = await this.#run(args, 1_800_000, onOutput);
    if (code !== 0) throw new DockerError(args, output);
    return output.trim();
  }

  #run(args: readonly string[], timeoutMs: number, onOutput?: (text: string) => void) {
    return run('docker', args, {
      env: this.#env,
      signal: this.#signal,
      timeoutMs,
      ...(onOutput !== undefined && { onOutput }),
    });
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
